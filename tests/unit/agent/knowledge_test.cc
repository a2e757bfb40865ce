#include "agent/knowledge.h"

#include "core/link_local.h"
#include "tests/catch.h"

namespace dove::agent {
namespace {

const Vni kHere = *Vni::from(1);
const Vni kOther = *Vni::from(2);
const Vni kStrange = *Vni::from(3);
const MacAddress kMac{{2, 0, 0, 0, 0, 1}};
const MacAddress kFarMac{{2, 0, 0, 0, 0, 2}};
IpAddress ip(const char* text) { return *IpAddress::parse(text); }

NetworkSettings settings(Vni vni, const char* prefix, const char* tenant = "t") {
  return {.vni = vni,
          .name = "n" + vni.to_string(),
          .tenant = tenant,
          .subnets = {{*Prefix::parse(prefix), {}}},
          .revision = 7,
          .denied = {}};
}

// A network as a replica, with one guest of one address.
Replica replica(Vni vni, const MacAddress& mac, const char* address, bool whole = true) {
  const MacBinding at{.key = {vni, mac},
                      .verdict = Verdict::kFound,
                      .host = HostId{5},
                      .generation = 3,
                      .target = {},
                      .revision = 9};
  const IpBinding of{.key = {vni, ip(address)},
                     .verdict = Verdict::kFound,
                     .mac = mac,
                     .target = {},
                     .revision = 4};
  Replica made = Replica::restored(9, std::vector<BindingRecord>{at, of});
  if (whole) made.take({.vni = vni, .kind = ReplicaWord::Kind::kCurrent, .revision = 9});
  return made;
}

struct World {
  Knowledge knowledge;
  World() {
    knowledge.set_self(HostId{1});
    knowledge.set_network(settings(kHere, "10.1.0.0/24"));
    knowledge.set_network(settings(kOther, "10.2.0.0/24"));
    knowledge.set_network(settings(kStrange, "10.1.0.0/24", "another"));
    knowledge.set_replica(kHere, replica(kHere, kMac, "10.1.0.1"));
    knowledge.set_replica(kOther, replica(kOther, kFarMac, "10.2.0.1"));
  }
  std::optional<Knowledge::Answer> ask(Vni vni, const char* address, bool live = true) const {
    return knowledge.answer(IpKey{vni, ip(address)}, live);
  }
  std::optional<Knowledge::Answer> ask(Vni vni, const MacAddress& mac, bool live = true) const {
    return knowledge.answer(MacKey{vni, mac}, live);
  }
};

TEST_CASE("knowledge: an address of a replica is answered, with its MAC") {
  const World world;
  const auto answer = world.ask(kHere, "10.1.0.1");
  REQUIRE(answer);
  CHECK(answer->ip->mac == kMac);
  CHECK(answer->mac->host == HostId{5});
  CHECK(answer->mac->revision == 9);
  CHECK_FALSE(answer->ip->target);
  CHECK(world.ask(kHere, kMac)->mac->host == HostId{5});
}

TEST_CASE("knowledge: what another network of the tenant has is routed to") {
  const World world;
  const auto answer = world.ask(kHere, "10.2.0.1");
  REQUIRE(answer);
  CHECK(answer->ip->key == IpKey{kHere, ip("10.2.0.1")});
  CHECK(answer->ip->target == kOther);
  CHECK(answer->ip->revision == 7);  // not older than the routing
  CHECK(answer->mac->key == MacKey{kHere, kFarMac});
  CHECK(answer->mac->target == kOther);
  CHECK(world.ask(kHere, kFarMac)->mac->target == kOther);
}

TEST_CASE("knowledge: what is denied is denied") {
  World world;
  auto denying = settings(kHere, "10.1.0.0/24");
  denying.denied = {*Prefix::parse("10.2.0.0/24")};
  CHECK(world.knowledge.set_network(denying));
  CHECK_FALSE(world.knowledge.set_network(denying));
  CHECK(world.ask(kHere, "10.2.0.1")->ip->verdict == Verdict::kDenied);
  CHECK(world.ask(kHere, kFarMac)->mac->verdict == Verdict::kDenied);
  // Where nobody is there is nothing to deny.
  CHECK(world.ask(kHere, "10.2.0.2")->ip->verdict == Verdict::kNotFound);
}

TEST_CASE("knowledge: tenants do not meet") {
  const World world;
  CHECK_FALSE(world.ask(kStrange, "10.1.0.1"));
  CHECK_FALSE(world.ask(kStrange, "10.2.0.1"));
  CHECK_FALSE(world.ask(kStrange, kMac));
}

TEST_CASE("knowledge: that nobody is there is said only where that is known") {
  const World world;
  CHECK(world.ask(kHere, "10.1.0.77")->ip->verdict == Verdict::kNotFound);
  CHECK(world.ask(kHere, "10.2.0.77")->ip->verdict == Verdict::kNotFound);
  CHECK(world.ask(kHere, "fe80::1234")->ip->verdict == Verdict::kNotFound);
  CHECK_FALSE(world.ask(kHere, "10.3.0.77"));  // perhaps in a network that is not here
  CHECK_FALSE(world.ask(kHere, MacAddress{{2, 0, 0, 0, 0, 9}}));
}

TEST_CASE("knowledge: a link-local address is derived, unless it is recorded") {
  World world;
  const auto address = link_local_of(kMac);
  const auto derived = world.knowledge.answer(IpKey{kHere, address}, true);
  REQUIRE(derived);
  CHECK(derived->ip->mac == kMac);
  CHECK(derived->ip->revision == 9);
  auto* here = world.knowledge.replica(kHere);
  const IpBinding nobody{.key = {kHere, address}, .mac = {}, .target = {}, .revision = 10};
  here->take({.vni = kHere,
              .kind = ReplicaWord::Kind::kDelta,
              .bindings = {nobody},
              .gone = {},
              .after = 9,
              .revision = 10});
  CHECK(world.knowledge.answer(IpKey{kHere, address}, true)->ip->verdict == Verdict::kNotFound);
}

TEST_CASE("knowledge: what may not be all is used only where nobody can be asked") {
  World world;
  world.knowledge.doubt_all();
  CHECK_FALSE(world.ask(kHere, "10.1.0.1"));
  CHECK(world.ask(kHere, "10.1.0.1", false)->mac->host == HostId{5});
  CHECK(world.ask(kHere, "10.2.0.1", false)->ip->target == kOther);
  CHECK_FALSE(world.ask(kHere, "10.1.0.77", false));
  world.knowledge.drop_all();
  CHECK_FALSE(world.ask(kHere, "10.1.0.1", false));
}

TEST_CASE("knowledge: own guests are known while no controller can be asked") {
  World world;
  world.knowledge.drop_all();
  world.knowledge.set_guest({kOther, kFarMac}, {ip("10.2.0.1")});
  CHECK_FALSE(world.ask(kHere, "10.2.0.1"));
  const auto answer = world.ask(kHere, "10.2.0.1", false);
  REQUIRE(answer);
  CHECK(answer->mac->host == HostId{1});
  CHECK(answer->mac->target == kOther);
  world.knowledge.remove_guest({kOther, kFarMac});
  CHECK_FALSE(world.ask(kHere, "10.2.0.1", false));
}

TEST_CASE("knowledge: with its network a replica goes") {
  World world;
  CHECK(world.knowledge.together_with(kHere) == std::vector<Vni>{kHere, kOther});
  world.knowledge.remove_network(kOther);
  CHECK(world.knowledge.together_with(kHere) == std::vector<Vni>{kHere});
  CHECK_FALSE(world.ask(kHere, "10.2.0.1"));
  CHECK(world.knowledge.replicas() == std::vector<Vni>{kHere});
  world.knowledge.set_replica(kOther, replica(kOther, kFarMac, "10.2.0.1"));
  CHECK(world.knowledge.replicas() == std::vector<Vni>{kHere});
}

}  // namespace
}  // namespace dove::agent
