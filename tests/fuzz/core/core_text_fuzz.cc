// Every value read from text: what is accepted can be written, and is then read as the same.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/mac_address.h"
#include "core/name.h"
#include "core/prefix.h"
#include "core/quoted.h"
#include "core/vni.h"

namespace {

void must(bool condition) {
  if (!condition) std::abort();
}

template <class Value>
void round_trip(std::string_view text) {
  const auto value = Value::parse(text);
  if (value) must(Value::parse(value->to_string()) == value);
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  round_trip<dove::Vni>(text);
  round_trip<dove::MacAddress>(text);
  round_trip<dove::IpAddress>(text);
  round_trip<dove::Prefix>(text);
  const std::string out = dove::quoted(text);
  must(std::none_of(out.begin(), out.end(), is_control));
  if (const auto checked = dove::check_name("name", text); checked) {
    must(out == '"' + std::string{text} + '"');
  } else {
    const std::string& message = checked.error().message;
    must(std::none_of(message.begin(), message.end(), is_control));
  }
  const auto bytes = std::as_bytes(std::span{data, size});
  if (const auto ip = dove::IpAddress::from_wire(bytes))
    round_trip<dove::IpAddress>(ip->to_string());
  return 0;
}
