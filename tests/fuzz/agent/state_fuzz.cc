// State files: whatever is understood of one is saved as something that is understood whole.
#include "agent/state_file.h"
#include "tests/fuzz/agent/must.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dove::agent;
  const auto parsed = parse_state({reinterpret_cast<const char*>(data), size});
  const auto again = parse_state(format_state(parsed.state));
  fuzz::must(again.problems.empty());
  fuzz::must(again.state == parsed.state);
  return 0;
}
