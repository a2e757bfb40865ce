// Addresses as people write them: what is accepted prints as what is accepted again, the same.
#include <cstdlib>
#include <string_view>

#include "api/address.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dove::api;
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  const auto list = parse_address_list(text);
  if (!list) return list.error().message.empty() ? std::abort(), 0 : 0;
  for (const auto& address : *list) {
    const auto again = parse_address(address.to_string());
    if (!again || !(*again == address)) std::abort();
    (void)check_plaintext(address, false);
  }
  return 0;
}
