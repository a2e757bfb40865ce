// Sessions lost and found, another store, and what was in the kernel before we were.
#include <algorithm>

#include "tests/catch.h"
#include "tests/unit/agent/resolver_world.h"

namespace dove::agent {
namespace {

Words sorted(Words list) {
  std::sort(list.begin(), list.end());
  return list;
}

TEST_CASE("resolver: without a session what is known is served and the rest is asked later") {
  World w;
  w.install(2, 2);
  w.r.on_session_lost();
  w.frame(m(2), 1);
  CHECK(w.resends() == Words{"1 to h2"});
  w.frame(m(3), 2);
  CHECK(w.quiet());
  w.r.on_session_ready(false, w.now, w.out);
  CHECK(sorted(w.asked()) == Words{"i2", "m2", "m3"});
  CHECK(w.quiet());
  w.found(m(3), 3);
  CHECK(w.resends() == Words{"2 to h3"});
}

TEST_CASE("resolver: what waited in vain for a session is dropped, without a word") {
  World w;
  w.r.on_session_lost();
  w.frame(m(3), 2);
  for (int second = 0; second < 4; ++second) w.later(1000ms);
  CHECK(w.r.usage().keys == 0);
  CHECK(w.quiet());
  CHECK(w.drops(DropReason::kWaitTimeout) == 1);
}

TEST_CASE("resolver: nothing is removed before an answer of the new session says so") {
  World w;
  w.install(2, 2);
  w.install(3, 3);
  w.r.on_session_lost();
  w.later(60s);
  w.r.on_session_ready(false, w.now, w.out);
  w.hosts({1, 2, 3});
  CHECK(w.kernel().empty());
  w.found(i(2), 2);
  w.found(m(2), 3, 9);
  w.not_found(i(3), 9);
  w.not_found(m(3), 9);
  CHECK(w.kernel() == Words{"fdb m2 h3", "no neighbour i3", "no fdb m3"});
}

TEST_CASE("resolver: questions of a new session are repeated until they are answered") {
  World w;
  w.install(2, 2);
  w.later(60s);
  w.r.on_session_ready(false, w.now, w.out);
  w.out.clear();
  w.later(1000ms);
  CHECK(sorted(w.asked()) == Words{"i2", "m2"});
  w.found(i(2), 2);
  w.found(m(2), 2);
  for (int second = 0; second < 20; ++second) w.later(1000ms);
  CHECK(w.quiet());
  CHECK(!w.r.next_deadline());
}

TEST_CASE("resolver: in another store revisions begin anew") {
  World w;
  w.miss(m(2));
  w.found(m(2), 2, 1000);
  w.out.clear();
  w.r.on_session_ready(true, w.now, w.out);
  CHECK(w.asked() == Words{"m2"});
  w.hosts({1, 2, 3});
  w.found(m(2), 3, 5);
  CHECK(w.kernel() == Words{"fdb m2 h3"});
}

TEST_CASE("resolver: in another store host ids are others; entries stay until an answer") {
  World w;
  w.install(2, 2);
  w.r.on_flood_list(kNet, std::vector{HostId{2}}, {}, true, w.out);
  w.out.clear();
  w.r.set_self(HostId{7});
  w.r.on_session_ready(true, w.now, w.out);
  w.r.on_hosts(std::vector{Resolver::HostChange{HostId{2}, vtep(3)},
                           Resolver::HostChange{HostId{7}, vtep(1)},
                           Resolver::HostChange{HostId{8}, vtep(2)}},
               true, w.out);
  CHECK(w.kernel().empty());
  w.r.on_flood_list(kNet, std::vector{HostId{8}}, {}, true, w.out);
  CHECK(w.kernel().empty());  // the same VTEP by another number
  w.found(i(2), 2, 1);
  w.found(m(2), 8, 1);
  CHECK(w.kernel().empty());
  CHECK(w.r.fdb().front().host == HostId{8});
}

TEST_CASE("resolver: very many keys are asked for a few thousand at a time") {
  World w;
  for (std::uint32_t n = 1; n <= 20'000; ++n) w.install(n, 2);
  w.r.on_session_lost();
  w.r.on_session_ready(false, w.now, w.out);
  std::size_t asked = w.asked().size();
  CHECK(asked > 0);
  CHECK(asked < 10'000);
  while (w.r.next_deadline() && *w.r.next_deadline() <= w.now) {
    w.r.on_time(w.now, w.out);
    asked += w.asked().size();
  }
  CHECK(asked == 40'000);
}

TEST_CASE("resolver: what is adopted stays, is asked about, and is corrected by the answer") {
  Resolver r{Limits{}};
  Actions out;
  const TimePoint now = TimePoint{} + 1h;
  const MacKey broadcast{kNet, MacAddress::broadcast()};
  const MacKey group{kNet, group_mac(5)};
  r.adopt_network(kNet,
                  std::vector{Resolver::GroupRow{broadcast, {vtep(3), vtep(2)}},
                              Resolver::GroupRow{group, {vtep(2)}}},
                  out);
  for (std::uint32_t n = 2; n <= 5; ++n) {
    r.adopt_fdb(m(n), vtep(2));
    r.adopt_neighbour(i(n), mac(n));
  }
  CHECK(out.empty());
  CHECK(r.fdb().size() == 4);

  r.set_self(HostId{1});
  r.on_session_ready(true, now, out);
  CHECK(sorted(words(out.ask)) == Words{"i2", "i3", "i4", "i5", "m2", "m3", "m4", "m5"});
  r.on_hosts(std::vector{Resolver::HostChange{HostId{1}, vtep(1)},
                         Resolver::HostChange{HostId{2}, vtep(2)},
                         Resolver::HostChange{HostId{3}, vtep(3)}},
             true, out);
  r.on_flood_list(kNet, std::vector{HostId{2}, HostId{3}}, {}, true, out);
  CHECK(out.kernel.empty());  // lists and entries are right as far as anybody said

  const auto mac_found = [&](std::uint32_t n, std::uint32_t host) {
    r.on_binding(MacBinding{.key = m(n), .verdict = Verdict::kFound, .host = HostId{host}}, now,
                 out);
  };
  const auto ip_found = [&](std::uint32_t n, std::uint32_t owner) {
    r.on_binding(IpBinding{.key = i(n), .verdict = Verdict::kFound, .mac = mac(owner)}, now, out);
  };
  mac_found(2, 2);
  ip_found(2, 2);
  CHECK(out.kernel.empty());
  mac_found(3, 3);
  CHECK(words(out.kernel) == Words{"fdb m3 h3"});
  out.clear();
  ip_found(4, 2);
  CHECK(words(out.kernel) == Words{"neighbour i4 m2"});
  out.clear();
  r.on_binding(MacBinding{.key = m(5), .verdict = Verdict::kNotFound}, now, out);
  CHECK(words(out.kernel) == Words{"no neighbour i5", "no fdb m5"});
}

TEST_CASE("resolver: an adopted list that has changed is set when it is told in full") {
  Resolver r{Limits{}};
  Actions out;
  r.adopt_network(kNet,
                  std::vector{Resolver::GroupRow{{kNet, MacAddress::broadcast()}, {vtep(2)}},
                              Resolver::GroupRow{{kNet, group_mac(5)}, {}}},
                  out);
  r.set_self(HostId{1});
  r.on_session_ready(true, TimePoint{}, out);
  r.on_hosts(std::vector{Resolver::HostChange{HostId{3}, vtep(3)}}, true, out);
  r.on_flood_list(kNet, std::vector{HostId{3}}, {}, false, out);
  CHECK(out.kernel.empty());
  r.on_flood_list(kNet, std::vector{HostId{3}}, {}, true, out);
  CHECK(words(out.kernel) == Words{"group broadcast [h3]", "group g5 [h3]"});
}

TEST_CASE("resolver: an adopted network without a broadcast list gets one") {
  Resolver r{Limits{}};
  Actions out;
  r.adopt_network(kNet, {}, out);
  CHECK(words(out.kernel) == Words{"group broadcast []"});
}

TEST_CASE("resolver: adopted entries do not use up the room for questions") {
  Limits limits;
  limits.keys_per_network = 4;
  World w{limits};
  for (std::uint32_t n = 10; n < 30; ++n) w.r.adopt_fdb(m(n), vtep(2));
  w.miss(m(2));
  CHECK(w.asked() == Words{"m2"});
  CHECK(w.drops(DropReason::kKeyLimit) == 0);
  CHECK(w.r.fdb().size() == 20);
}

TEST_CASE("resolver: a network that goes is forgotten, its entries are left to its devices") {
  World w;
  w.install(2, 2);
  w.r.add_local(m(1), w.out);
  w.frame(m(3), 1);
  w.query(i(3));
  w.out.clear();
  w.r.remove_network(kNet, w.out);
  CHECK(sorted(w.forgot()) == Words{"i2", "i3", "m2", "m3"});
  CHECK(w.quiet());
  CHECK(w.r.usage().keys == 0);
  CHECK(w.r.usage().waiting == 0);
  CHECK(!w.r.next_deadline());
  w.found(m(3), 2);
  CHECK(w.kernel().empty());
}

}  // namespace
}  // namespace dove::agent
