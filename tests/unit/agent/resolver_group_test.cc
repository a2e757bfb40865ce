// Flood lists and groups.
#include "tests/catch.h"
#include "tests/unit/agent/resolver_world.h"

namespace dove::agent {
namespace {

void flood_list(World& w, const std::vector<HostId>& add, const std::vector<HostId>& remove = {},
                bool full = false, Vni vni = kNet) {
  w.r.on_flood_list(vni, add, remove, full, w.out);
}
constexpr HostId h(std::uint32_t n) { return HostId{n}; }

// Broadcasts go to one other host.
struct FloodingWorld : World {
  explicit FloodingWorld(const Limits& limits) : World{limits} {
    flood_list(*this, {h(2)}, {}, true);
    out.clear();
  }
  void frames_to_groups(std::uint8_t first, std::uint8_t last) {
    for (std::uint8_t n = first; n <= last; ++n) frame({kNet, group_mac(n)}, n);
  }
};

TEST_CASE("resolver: a network has its broadcast list from the start, an empty one too") {
  World w;
  w.r.add_network(*Vni::from(20), w.out);
  CHECK(w.kernel() == Words{"group broadcast@20 []"});
  w.r.add_network(*Vni::from(20), w.out);
  CHECK(w.quiet());
}

TEST_CASE("resolver: lists follow their deltas, without this host") {
  World w;
  flood_list(w, {h(1), h(2)}, {}, true);
  CHECK(w.kernel() == Words{"group broadcast [h2]"});
  flood_list(w, {h(3)});
  CHECK(w.kernel() == Words{"group broadcast [h2 h3]"});
  flood_list(w, {}, {h(2)});
  CHECK(w.kernel() == Words{"group broadcast [h3]"});
  flood_list(w, {h(3)}, {h(9)});
  CHECK(w.quiet());
  flood_list(w, {}, {}, true);
  CHECK(w.kernel() == Words{"group broadcast []"});
}

TEST_CASE("resolver: a host in a list that is not known yet joins it when it is") {
  World w;
  flood_list(w, {h(2), h(4)}, {}, true);
  CHECK(w.kernel() == Words{"group broadcast [h2]"});
  w.hosts({4}, false);
  CHECK(w.kernel() == Words{"group broadcast [h2 h4]"});
  w.hosts({1, 2});
  CHECK(w.kernel() == Words{"group broadcast [h2]"});
}

TEST_CASE("resolver: a host's new VTEP moves the lists") {
  World w;
  flood_list(w, {h(2), h(3)}, {}, true);
  w.out.clear();
  w.r.on_hosts(std::vector{Resolver::HostChange{h(2), vtep(22)}}, false, w.out);
  CHECK(w.kernel() == Words{"group broadcast [h3 h22]"});
}

TEST_CASE("resolver: the own VTEP is in no list, whoever else claims it") {
  World w;
  w.r.on_hosts(std::vector{Resolver::HostChange{h(5), vtep(1)}}, false, w.out);
  flood_list(w, {h(2), h(5)}, {}, true);
  CHECK(w.kernel() == Words{"group broadcast [h2]"});
}

TEST_CASE("resolver: a list that comes before its network is there with it") {
  World w;
  const Vni other = *Vni::from(20);
  flood_list(w, {h(2)}, {}, true, other);
  CHECK(w.quiet());
  w.r.add_network(other, w.out);
  CHECK(w.kernel() == Words{"group broadcast@20 [h2]"});
  w.r.remove_network(other, w.out);
  w.r.add_network(other, w.out);
  CHECK(w.kernel() == Words{"group broadcast@20 []"});
}

TEST_CASE("resolver: a group first seen gets the network's list, its frame a copy to each") {
  World w;
  flood_list(w, {h(2), h(3)}, {}, true);
  w.out.clear();
  w.frame({kNet, group_mac(5)}, 7);
  CHECK(w.kernel() == Words{"group g5 [h2 h3]"});
  CHECK(w.resends() == Words{"7 to h2", "7 to h3"});
  CHECK(w.quiet());

  w.frame({kNet, group_mac(5)}, 8);  // was on its way before the list
  CHECK(w.kernel().empty());
  CHECK(w.resends() == Words{"8 to h2", "8 to h3"});

  flood_list(w, {}, {h(3)});
  CHECK(w.kernel() == Words{"group broadcast [h2]", "group g5 [h2]"});
}

TEST_CASE("resolver: a group that is missed long after it was set is set again") {
  World w;
  w.miss(MacKey{kNet, group_mac(5)});
  CHECK(w.kernel() == Words{"group g5 []"});
  w.now += Limits{}.answer_late + 1ms;
  w.miss(MacKey{kNet, group_mac(5)});
  w.miss(MacKey{kNet, group_mac(5)});
  CHECK(w.kernel() == Words{"group g5 []"});
}

TEST_CASE("resolver: a list that the kernel lost or refused is set again") {
  World w;
  flood_list(w, {h(2)}, {}, true);
  w.out.clear();
  const MacKey broadcast{kNet, MacAddress::broadcast()};
  w.r.on_fdb_gone(broadcast, w.now, w.out);
  CHECK(w.kernel() == Words{"group broadcast [h2]"});
  w.r.on_refused(SetGroup{broadcast, {vtep(2)}}, std::make_error_code(std::errc::io_error), w.now);
  w.later(1000ms);
  CHECK(w.kernel() == Words{"group broadcast [h2]"});
}

TEST_CASE("resolver: groups are bounded, the oldest makes room and is counted") {
  Limits limits;
  limits.groups_per_network = 4;
  FloodingWorld w{limits};
  w.frames_to_groups(1, 4);
  w.later(1000ms);
  w.frames_to_groups(5, 6);
  const Words kernel = w.kernel();
  CHECK(Words(kernel.end() - 2, kernel.end()) == Words{"no group g2", "group g6 [h2]"});
  CHECK(w.resends().size() == 6);
  CHECK(w.drops(DropReason::kGroupLimit) == 2);
  CHECK(w.r.usage().groups == 5);
}

TEST_CASE("resolver: frames to very many groups change little, and arrive all the same") {
  Limits limits;
  limits.groups_per_network = 4;
  FloodingWorld w{limits};
  w.frames_to_groups(1, 100);
  CHECK(w.kernel().size() == 4);
  CHECK(w.resends().size() == 100);
  CHECK(w.drops(DropReason::kGroupLimit) == 96);
  CHECK(w.r.usage().groups == 5);
}

TEST_CASE("resolver: of frames to groups a guest has so many sent on, and others have theirs") {
  Limits limits;
  limits.groups_per_network = 4;
  limits.group_copies_per_guest = {10, 20};
  FloodingWorld w{limits};
  w.frames_to_groups(1, 100);
  CHECK(w.resends().size() == 20);
  CHECK(w.drops(DropReason::kGroupCopyLimit) == 80);
  w.later(1000ms);
  w.out.clear();
  w.frames_to_groups(1, 100);
  CHECK(w.resends().size() == 10);
}

TEST_CASE("resolver: well-known groups have lists in every network from the start") {
  Limits limits;
  limits.groups_per_network = 1;
  Resolver r{limits};
  Actions out;
  r.set_well_known_groups(std::vector{group_mac(1), group_mac(2)});
  r.add_network(kNet, out);
  CHECK(words(out.kernel) == Words{"group broadcast []", "group g1 []", "group g2 []"});
  out.clear();
  r.on_event(MacMiss{{kNet, group_mac(3)}}, TimePoint{}, out);
  CHECK(words(out.kernel) == Words{"group g3 []"});
}

const MacAddress kJoined{{1, 0, 0x5e, 1, 2, 3}};

void group_list(World& w, const std::optional<MacAddress>& group, const std::vector<HostId>& add,
                const std::vector<HostId>& remove = {}, bool full = false) {
  w.r.on_group_list(kNet, group, add, remove, full, w.out);
}

TEST_CASE("resolver: a group by membership goes to its listeners, and to nobody without any") {
  World w;
  flood_list(w, {h(2), h(3)}, {}, true);
  w.out.clear();
  w.frame({kNet, kJoined}, 7);
  CHECK(w.kernel() == Words{"group g3 []"});
  CHECK(w.resends().empty());
  group_list(w, kJoined, {h(3)});
  CHECK(w.kernel() == Words{"group g3 [h3]"});
  group_list(w, kJoined, {h(1), h(2)});
  CHECK(w.kernel() == Words{"group g3 [h2 h3]"});
  group_list(w, kJoined, {}, {h(3)});
  CHECK(w.kernel() == Words{"group g3 [h2]"});
  w.frame({kNet, kJoined}, 8);
  CHECK(w.resends() == Words{"8 to h2"});
  CHECK(w.quiet());
}

TEST_CASE("resolver: a group that no guest sends to has no list in the kernel") {
  World w;
  group_list(w, kJoined, {h(3)}, {}, true);
  CHECK(w.quiet());
  w.frame({kNet, kJoined}, 7);
  CHECK(w.kernel() == Words{"group g3 [h3]"});
  CHECK(w.resends() == Words{"7 to h3"});
}

TEST_CASE("resolver: groups that are not told again have no listeners, and only in the end") {
  World w;
  const MacAddress other{{1, 0, 0x5e, 1, 2, 4}};
  for (const auto& group : {kJoined, other}) {
    group_list(w, group, {h(2)}, {}, true);
    w.frame({kNet, group}, 7);
  }
  w.out.clear();
  group_list(w, std::nullopt, {}, {}, true);
  group_list(w, kJoined, {h(2)}, {}, true);
  CHECK(w.quiet());
  group_list(w, std::nullopt, {}, {}, true);
  CHECK(w.kernel() == Words{"group g4 []"});
}

TEST_CASE("resolver: adopted groups stay as they are until they are told") {
  World w;
  const Vni vni = *Vni::from(20);
  const MacAddress other{{1, 0, 0x5e, 1, 2, 4}};
  const std::vector<Resolver::GroupRow> rows{{{vni, MacAddress::broadcast()}, {vtep(2), vtep(3)}},
                                             {{vni, kJoined}, {vtep(2)}},
                                             {{vni, other}, {vtep(3)}}};
  w.r.adopt_network(vni, rows, w.out);
  CHECK(w.quiet());
  w.r.on_group_list(vni, kJoined, std::vector{h(2)}, {}, true, w.out);
  CHECK(w.quiet());
  w.r.on_group_list(vni, std::nullopt, {}, {}, true, w.out);
  CHECK(w.kernel() == Words{"group g4@20 []"});
}

TEST_CASE(
    "resolver: with the MACs of solicited-node groups there are others, that may have listeners") {
  World w;
  const MacKey group{kNet, MacAddress{{0x33, 0x33, 0xff, 0, 0, 9}}};
  flood_list(w, {h(2)}, {}, true);
  w.out.clear();
  w.frame(group, 7);
  CHECK(w.kernel() == Words{"group g9 []"});
  CHECK(w.resends().empty());
  w.out.clear();
  w.r.on_group_list(kNet, group.mac, std::vector{h(2)}, {}, true, w.out);
  CHECK(w.kernel() == Words{"group g9 [h2]"});
}

TEST_CASE("resolver: without a punt a group with listeners makes no room for another") {
  Limits limits;
  limits.groups_per_network = 2;
  World w{limits};
  w.r.remove_network(kNet, w.out);
  w.r.set_well_known_groups(std::vector{MacAddress{{0x01, 0x00, 0x5e, 0, 0, 1}}});
  w.r.add_network(kNet, w.out);
  const auto listened = [&](std::uint8_t n) {
    w.out.clear();
    w.later(2000ms);
    const MacAddress group{{0x01, 0x00, 0x5e, 1, 1, n}};
    w.r.on_group_list(kNet, group, std::vector{h(2)}, {}, true, w.out);
    return w.kernel();
  };
  CHECK(listened(1) == Words{"group g1 [h2]"});
  CHECK(listened(2) == Words{"group g2 [h2]"});
  CHECK(listened(3).empty());
  CHECK(w.drops(DropReason::kGroupLimit) == 1);
}

}  // namespace
}  // namespace dove::agent
