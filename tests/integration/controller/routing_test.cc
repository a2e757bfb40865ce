// What agents hear of other networks of a tenant, of policies, and of new hosts, over real streams.
#include "tests/integration/controller/fabric.h"

namespace dove::controller {
namespace {

const Vni kNear = *Vni::from(100);
const Vni kFar = *Vni::from(200);
const MacKey kMacB{kNear, *MacAddress::parse("02:00:00:00:00:0b")};
const IpKey kIpA{kNear, *IpAddress::parse("10.0.0.10")};
const IpKey kIpB{kNear, *IpAddress::parse("10.1.0.11")};

// Tenant t has networks n (VNI 100) with endpoint a and m (VNI 200) with endpoint b.
struct World : Fabric {
  explicit World(const Sessions::Options& options = {}) : Fabric{options} {
    v1::ChangeRequest change;
    add_tenant(change, "t");
    add_network(change, "n", "t", 100, {"10.0.0.0/24"});
    add_network(change, "m", "t", 200, {"10.1.0.0/24"});
    add_endpoint(change, "a", "n", "02:00:00:00:00:0a", {"10.0.0.10"});
    add_endpoint(change, "b", "m", "02:00:00:00:00:0b", {"10.1.0.11"});
    server.must_change(change);
  }
  std::uint64_t policy(bool add, v1::Tenant::Routing routing = v1::Tenant::DENY) const {
    v1::ChangeRequest change;
    auto* operation = change.add_operations();
    auto* policy = add ? operation->mutable_policy_add() : operation->mutable_policy_del();
    policy->set_tenant("t");
    policy->set_network("n");
    policy->set_other("m");
    policy->set_routing(routing);
    return server.must_change(change).revision();
  }
  std::uint64_t routing(v1::Tenant::Routing routing) const {
    v1::ChangeRequest change;
    change.add_operations()->mutable_tenant_set()->set_name("t");
    change.mutable_operations(0)->mutable_tenant_set()->set_routing(routing);
    return server.must_change(change).revision();
  }
};

TEST_CASE("welcome tells the MAC of every gateway") {
  World world;
  const auto one = world.agent("h1", "192.0.2.1");
  CHECK(api::parse_mac(one->welcome().router_mac()) == kDefaultRouterMac);
}

TEST_CASE("the gateways' MAC is not one that an endpoint has") {
  World world;
  Sessions sessions{{.router_mac = kMacB.mac}};
  const auto registry = Registry::open(world.store, sessions);
  REQUIRE_FALSE(registry);
  CHECK(registry.error().message.find("\"b\"") != std::string::npos);
}

TEST_CASE("a guest of another network is found there, until it may not be reached") {
  World world;
  const auto one = world.agent("h1", "192.0.2.1");
  const auto two = world.agent("h2", "192.0.2.2");
  two->attach("b");
  one->ask({kIpB});
  const auto answer = one->next_bindings(2);
  CHECK(ip_of(answer[0]).mac == kMacB.mac);
  CHECK(ip_of(answer[0]).target == kFar);
  CHECK(mac_of(answer[1]).key == kMacB);
  CHECK(mac_of(answer[1]).host == two->id());
  CHECK(mac_of(answer[1]).target == kFar);

  for (const bool by_policy : {true, false}) {
    const auto denied = by_policy ? world.policy(true) : world.routing(v1::Tenant::DENY);
    const auto told = one->next_bindings(2);
    CHECK(mac_of(told[0]).verdict == Verdict::kDenied);
    CHECK(mac_of(told[0]).revision == denied);
    CHECK(ip_of(told[1]).verdict == Verdict::kDenied);
    const auto allowed = by_policy ? world.policy(false) : world.routing(v1::Tenant::ALLOW);
    const auto again = one->next_bindings(3);  // the MAC's once more, behind its IP's
    CHECK(mac_of(again[0]).verdict == Verdict::kFound);
    CHECK(mac_of(again[0]).revision == allowed);
    CHECK(ip_of(again[1]).target == kFar);
  }
}

TEST_CASE("who will have to answer to another network is told where the asker is") {
  World world;
  const auto one = world.agent("h1", "192.0.2.1");
  const auto two = world.agent("h2", "192.0.2.2");
  one->attach("a");
  two->attach("b");
  two->all_until_now();
  one->ask_for_guest(kIpB, kIpA);
  const auto told = two->next_bindings(2);
  CHECK(ip_of(told[0]).key == IpKey{kFar, kIpA.ip});
  CHECK(ip_of(told[0]).introduced);
  CHECK(ip_of(told[0]).target == kNear);
  CHECK(mac_of(told[1]).key.vni == kFar);
  CHECK(mac_of(told[1]).host == one->id());
}

TEST_CASE("nobody is told of an asker who may not reach it") {
  World world;
  const auto one = world.agent("h1", "192.0.2.1");
  const auto two = world.agent("h2", "192.0.2.2");
  one->attach("a");
  two->attach("b");
  two->all_until_now();
  world.policy(true);
  one->ask_for_guest(kIpB, kIpA);
  CHECK(ip_of(one->next_bindings().front()).verdict == Verdict::kDenied);
  CHECK(two->all_until_now().empty());
}

TEST_CASE("a network's hosts are told with which subnets it exchanges nothing") {
  World world;
  const auto one = world.agent("h1", "192.0.2.1");
  CHECK(one->join("n").network().denied().empty());
  one->all_until_now();
  const auto next = [&] { return one->next(v1::FromController::kNetwork).network(); };
  const auto denied = world.policy(true);
  const auto settings = next();
  CHECK(settings.vni() == 100);
  CHECK(settings.revision() == denied);
  REQUIRE(settings.denied_size() == 1);
  CHECK(api::parse_subnet(settings.denied(0))->prefix.to_string() == "10.1.0.0/24");

  v1::ChangeRequest grow;
  auto* set = grow.add_operations()->mutable_network_set();
  set->set_name("m");
  for (const auto* text : {"10.1.0.0/24", "10.2.0.0/24"})
    api::write(Subnet{*Prefix::parse(text), std::nullopt}, set->add_subnets());
  world.server.must_change(grow);
  CHECK(next().denied_size() == 2);

  world.policy(false);
  CHECK(next().denied_size() == 0);
  v1::ChangeRequest others;
  add_tenant(others, "u");
  add_network(others, "x", "u", 300, {"10.9.0.0/24"});
  add_network(others, "k", "t", 400, {"10.9.0.0/24"});
  world.server.must_change(others);
  CHECK(one->all_until_now().empty());
  world.routing(v1::Tenant::DENY);
  CHECK(next().denied_size() == 3);
  v1::ChangeRequest remove;
  remove.add_operations()->set_network_del("k");
  world.server.must_change(remove);
  CHECK(next().denied_size() == 2);
  CHECK(one->join("n").network().denied_size() == 2);
}

// --- a new host's first activation

void say_activate(FakeAgent& agent, World& world, const std::string& endpoint) {
  const auto generation =
      world.server.show(v1::ShowRequest::ENDPOINT, endpoint).front().endpoint().generation();
  v1::FromAgent message;
  message.mutable_request()->set_id(1'000'000);
  message.mutable_request()->mutable_activate()->set_endpoint(endpoint);
  message.mutable_request()->mutable_activate()->set_generation(generation);
  agent.say(message);
}

TEST_CASE("a new host's first activation is confirmed when all others know the host") {
  World world{{.introduction = std::chrono::seconds{60}}};
  const auto one = world.agent("h1", "192.0.2.1");
  one->be_silent();
  const auto other = world.agent("h3", "192.0.2.3");
  one->say_knows_hosts(one->next(v1::FromController::kHosts).hosts().revision());
  const auto two = world.agent("h2", "192.0.2.2");
  const auto told = one->next(v1::FromController::kHosts).hosts();
  say_activate(*two, world, "b");
  one->say_knows_hosts(told.revision() - 1);
  one->all_until_now();                 // so that this was heard
  CHECK(two->all_until_now().empty());  // and the activation before that
  CHECK(world.server.show(v1::ShowRequest::ENDPOINT, "b").front().endpoint().host() == "h2");
  SECTION("as the last of them says") { one->say_knows_hosts(told.revision()); }
  SECTION("or goes") {
    FakeAgent again{world.server.channel(), "h1", "192.0.2.1"};
    again.connect();
  }
  const auto reply = two->next(v1::FromController::kReply).reply();
  CHECK(reply.id() == 1'000'000);
  CHECK(reply.attachment().state() == v1::Attachment::ACTIVE);
  two->attach("a");  // known by now
}

TEST_CASE("a silent agent delays a new host's first activation for a while, and nothing else") {
  World world{{.introduction = std::chrono::milliseconds{2000}}};
  const auto one = world.agent("h1", "192.0.2.1");
  one->be_silent();
  const auto two = world.agent("h2", "192.0.2.2");
  const auto took = [&](const std::string& endpoint) {
    const auto start = std::chrono::steady_clock::now();
    two->attach(endpoint);
    return std::chrono::steady_clock::now() - start;
  };
  CHECK(took("b") >= std::chrono::milliseconds{2000});
  CHECK(took("a") < std::chrono::milliseconds{2000});
}

}  // namespace
}  // namespace dove::controller
