// Stored records, a key and behind a line feed a value: what is accepted is what it would be stored
// as, and none brings the state down.
#include <google/protobuf/stubs/logging.h>

#include <cstdlib>
#include <string>

#include "controller/state.h"

// The library would write a line about every string that is no UTF-8.
[[maybe_unused]] static const auto kQuiet = google::protobuf::SetLogHandler(nullptr);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dove::controller;
  const std::string input{reinterpret_cast<const char*>(data), size};
  const auto end = std::min(input.find('\n'), input.size());
  const auto value = decode(input.substr(0, end), input.substr(std::min(end + 1, input.size())));
  if (!value) return 0;
  const auto again = decode(key_of(*value), encode(*value));
  if (!again || !(*again == *value)) std::abort();
  State state;
  state.put(*value, 1, {});
  (void)state.check();
  const auto found = state.find(*value);
  if (found && !(found->value == *value)) std::abort();
  state.erase(*value);
  if (state.find(*value)) std::abort();
  return 0;
}
