// Any sequence of events: the resolver's invariants hold at every step and the truth stands in the
// end; see tests/unit/agent/resolver_model.h.
#include <cstdio>

#include "tests/fuzz/agent/must.h"
#include "tests/unit/agent/resolver_model.h"

namespace dove::agent::fuzz {
namespace {

Limits tight() {
  Limits limits;
  limits.waiting_per_guest = 6;
  limits.waiting_per_network = 12;
  limits.waiting_per_key = 4;
  limits.waiting_per_key_and_guest = 2;
  limits.waiting_bytes = 1024;
  limits.waiting_bytes_per_guest = 512;
  limits.keys_per_network = 4;
  limits.repairs = 1024;
  return limits;
}

void judge(const ResolverModel& model) {
  if (model.failure().empty()) return;
  std::fprintf(stderr, "%s\n", model.failure().c_str());
  std::abort();
}

}  // namespace
}  // namespace dove::agent::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dove::agent;
  if (size == 0) return 0;
  const std::uint8_t kind = data[0];
  std::size_t at = 1;
  ResolverModel model{
      (kind & 1U) != 0 ? fuzz::tight() : Limits{}, (kind & 2U) != 0,
      [&](std::uint32_t limit) { return at < size ? data[at++] % limit : limit - 1; }};
  while (at < size) {
    model.step();
    fuzz::judge(model);
  }
  model.calm_down();
  fuzz::judge(model);
  return 0;
}
