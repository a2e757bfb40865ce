// Addresses that move between guests, routers, and what is carried for guests.
#include "tests/catch.h"
#include "tests/unit/agent/resolver_world.h"

namespace dove::agent {
namespace {

Words moved(World& w) {
  Words list;
  for (const auto& one : std::exchange(w.out.moved, {}))
    list.push_back(word(one.address) + " at " + word(one.mac) + (one.router ? " router" : ""));
  return list;
}

void found_router(World& w, const IpKey& key, std::uint32_t owner, std::uint64_t revision,
                  bool router) {
  w.r.on_binding(IpBinding{.key = key,
                           .verdict = Verdict::kFound,
                           .mac = mac(owner),
                           .router = router,
                           .revision = revision},
                 w.now, w.out);
}

TEST_CASE("resolver: guests are told when an address moves, and only then") {
  World w;
  w.install(2, 2);
  w.install(3, 3);
  CHECK(moved(w).empty());
  w.found(i(2), 3, 7);
  CHECK(moved(w) == Words{"i2 at m3"});
  w.found(i(2), 3, 8);
  CHECK(moved(w).empty());
  w.not_found(i(2), 9);
  w.found(i(2), 2, 10);
  CHECK(moved(w).empty());  // it was nowhere
}

TEST_CASE("resolver: an address that moves here is told by its guest itself") {
  World w;
  w.install(2, 2);
  w.r.add_local(m(4), w.out);
  w.found(i(2), 4, 7);
  CHECK(moved(w).empty());
}

TEST_CASE("resolver: for a router the kernel does not answer; we do, saying that it is one") {
  World w;
  w.install(2, 2);
  found_router(w, i(2), 2, 7, true);
  CHECK(w.kernel() == Words{"no neighbour i2"});
  w.later(5s);
  for (int n = 0; n < 2; ++n) {
    w.query(i(2));
    if (w.out.answers.empty()) found_router(w, i(2), 2, 7, true);  // asked again after a while
    REQUIRE(w.out.answers.size() == 1);
    CHECK(w.out.answers[0].router);
    w.out.clear();
  }
  CHECK(w.r.neighbours().empty());
  found_router(w, i(2), 2, 8, false);
  CHECK(w.kernel() == Words{"neighbour i2 m2"});
}

TEST_CASE("resolver: what is carried goes to the hosts of the network, as it is") {
  World w;
  const std::vector<std::byte> frame(42, std::byte{7});
  w.r.carry(kNet, frame, w.out);
  CHECK(w.quiet());
  w.r.on_flood_list(kNet, std::vector{HostId{1}, HostId{2}, HostId{3}}, {}, true, w.out);
  w.out.clear();
  w.r.carry(kNet, frame, w.out);
  REQUIRE(w.out.carried.size() == 1);
  CHECK(w.out.carried[0].frame == frame);
  CHECK(word(w.out.carried[0].vteps) == "[h2 h3]");
}

}  // namespace
}  // namespace dove::agent
