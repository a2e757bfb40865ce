// What an agent believes, compared with what is so.
#include "core/belief_digest.h"
#include "core/binding_digest.h"
#include "tests/integration/controller/fabric.h"

namespace dove::controller {
namespace {

const Vni kVni = *Vni::from(100);
const MacKey kMacA{kVni, *MacAddress::parse("02:00:00:00:00:0a")};
const IpKey kIpA{kVni, *IpAddress::parse("10.0.0.10")};

// Tenant t with network n (VNI 100) and endpoint a; two hosts.
struct World : Fabric {
  World() {
    v1::ChangeRequest change;
    add_tenant(change, "t");
    add_network(change, "n", "t", 100, {"10.0.0.0/24"});
    add_endpoint(change, "a", "n", "02:00:00:00:00:0a", {"10.0.0.10"});
    server.must_change(change);
  }
  std::unique_ptr<FakeAgent> one = agent("h1", "192.0.2.1");
  std::unique_ptr<FakeAgent> two = agent("h2", "192.0.2.2");
};

v1::Audit right_beliefs(const FakeAgent& other) {
  v1::Audit audit;
  audit.set_vni(100);
  const Subnet subnet{*Prefix::parse("10.0.0.0/24"), *IpAddress::parse("10.0.0.1")};
  audit.set_settings(digest_of(
      NetworkFacts{.name = "n", .tenant = "t", .subnets = digest_of_all(std::vector{subnet})}));
  audit.set_members(digest_of(other.id()));
  return audit;
}

v1::Truth ask(FakeAgent& agent, const v1::Audit& audit) {
  const auto reply = agent.ask_for([&](auto& r) { *r.mutable_audit() = audit; });
  REQUIRE_FALSE(reply.has_problem());
  return reply.truth();
}

TEST_CASE("an audit tells nothing of what is believed rightly") {
  World world;
  CHECK_FALSE(ask(*world.one, right_beliefs(*world.two)).joined());
  REQUIRE_FALSE(world.one->join("n").has_problem());
  REQUIRE_FALSE(world.two->join("n").has_problem());
  const auto truth = ask(*world.one, right_beliefs(*world.two));
  v1::Truth nothing;
  nothing.set_joined(true);
  CHECK(truth.DebugString() == nothing.DebugString());
}

TEST_CASE("an audit tells the truth of what is believed wrongly") {
  World world;
  world.one->join("n");
  world.two->join("n");
  world.two->listen(100, {"01:00:5e:01:02:03"});
  world.two->all_until_now();  // it was heard
  v1::Audit wrong;
  wrong.set_vni(100);
  wrong.set_replicated(true);
  wrong.set_keys(1);
  const auto truth = ask(*world.one, wrong);
  CHECK(truth.network().name() == "n");
  REQUIRE(truth.members().add_size() == 1);
  CHECK(HostId{truth.members().add(0)} == world.two->id());
  REQUIRE(truth.groups_size() == 1);
  CHECK(HostId{truth.groups(0).add(0)} == world.two->id());
  CHECK(truth.replica_differs());
  CHECK(truth.interest_differs());
}

TEST_CASE("an audit of a host compares the hosts and what is active there") {
  World world;
  const auto attached = world.one->attach("a");
  const auto truth = ask(*world.one, {});
  CHECK(truth.hosts().hosts_size() == 2);
  REQUIRE(truth.attached_size() == 1);
  CHECK(truth.attached(0).generation() == attached.generation());
  v1::Audit right;
  const auto vtep = [](const char* text) { return Vtep{*IpAddress::parse(text)}; };
  right.set_hosts(digest_of_host(world.one->id(), "h1", vtep("192.0.2.1")) +
                  digest_of_host(world.two->id(), "h2", vtep("192.0.2.2")));
  right.set_attached(digest_of(AttachedFacts{.endpoint = "a",
                                             .guest = kMacA,
                                             .generation = attached.generation(),
                                             .ips = digest_of_own(kIpA.ip, false)}));
  const auto nothing = ask(*world.one, right);
  CHECK_FALSE(nothing.has_hosts());
  CHECK_FALSE(nothing.attached_differ());
  CHECK(ask(*world.two, right).attached_differ());
}

TEST_CASE("a look-up answers as an ask, and is no interest") {
  World world;
  world.two->attach("a");
  world.one->join("n");
  const std::vector<Key> keys{kMacA, kIpA};
  const auto reply =
      world.one->ask_for([&](auto& r) { api::add_keys(keys, r.mutable_lookup()->mutable_keys()); });
  REQUIRE(reply.bindings().bindings_size() == 2);
  const auto mac = api::parse_binding(reply.bindings().bindings(0), 1);
  CHECK(mac_of(*mac).host == world.two->id());
  world.two->detach("a", 1);
  for (const auto& heard : world.one->all_until_now()) CHECK_FALSE(heard.has_bindings());
  const auto all = world.one->ask_for([](auto& r) { r.mutable_lookup()->set_vni(100); });
  CHECK(all.bindings().bindings_size() >= 1);
  CHECK(world.two->ask_for([](auto& r) { r.mutable_lookup()->set_vni(100); }).has_problem());
}

TEST_CASE("malformed audits and look-ups are refused") {
  World world;
  const auto problem = [&](const std::function<void(v1::Lookup&)>& fill) {
    return world.one->ask_for([&](auto& r) { fill(*r.mutable_lookup()); }).has_problem();
  };
  CHECK(problem([](auto& lookup) {
    lookup.mutable_keys()->add_sets()->set_vni(100);
    lookup.mutable_keys()->mutable_sets(0)->add_macs("short");
  }));
  CHECK(problem([](auto& lookup) {
    auto& set = *lookup.mutable_keys()->add_sets();
    set.set_vni(100);
    for (int i = 0; i < 5000; ++i) set.add_macs(api::to_bytes(kMacA.mac));
  }));
  CHECK(problem([](auto& lookup) { lookup.set_vni(1U << 24U); }));
  v1::FromAgent message;
  message.mutable_request()->mutable_audit()->set_vni(1U << 24U);
  world.one->say(message);
  CHECK(world.one->end().error_code() == grpc::StatusCode::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace dove::controller
