// Long random lives of a resolver, judged at every step; see resolver_model.h.
#include "tests/unit/agent/resolver_model.h"

#include <random>

#include "tests/catch.h"

namespace dove::agent {
namespace {

void live(const Limits& limits, bool refusals, std::uint32_t seed, int steps) {
  std::mt19937 random{seed};
  ResolverModel model{limits, refusals, [&](std::uint32_t limit) {
                        return static_cast<std::uint32_t>(random() % limit);
                      }};
  for (int n = 0; n < steps && model.failure().empty(); ++n) {
    model.step();
    if (n % 500 == 499) model.calm_down();
    INFO("seed " << seed << ", step " << n);
    CHECK(model.failure() == "");
  }
}

Limits tight() {
  Limits limits;
  limits.waiting_per_guest = 6;
  limits.waiting_per_network = 12;
  limits.waiting_per_key = 4;
  limits.waiting_per_key_and_guest = 2;
  limits.waiting_bytes = 1024;
  limits.waiting_bytes_per_guest = 512;
  limits.keys_per_network = 4;
  return limits;
}

TEST_CASE("resolver: no life leads to a wrong entry") {
  for (std::uint32_t seed = 1; seed <= 20; ++seed) live(Limits{}, false, seed, 4000);
}

TEST_CASE("resolver: no life within tight limits leads to a wrong entry") {
  for (std::uint32_t seed = 1; seed <= 20; ++seed) live(tight(), false, seed, 4000);
}

TEST_CASE("resolver: no life with a kernel that refuses ends with a wrong entry") {
  for (std::uint32_t seed = 1; seed <= 20; ++seed) live(Limits{}, true, seed, 4000);
}

}  // namespace
}  // namespace dove::agent
