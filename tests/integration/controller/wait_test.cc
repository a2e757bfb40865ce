// Changes that wait until every host concerned has applied them, with agents that are slow, silent,
// in trouble, or gone.
#include <future>
#include <stdexcept>

#include "tests/integration/controller/fabric.h"

namespace dove::controller {
namespace {

using namespace std::chrono_literals;

const Vni kVni = *Vni::from(100);
const MacKey kMacA{kVni, *MacAddress::parse("02:00:00:00:00:0a")};

// How the hosts that lag behind are told: "h2" with its reason.
std::vector<std::string> names(const google::protobuf::RepeatedPtrField<v1::Lag>& lagging) {
  std::vector<std::string> all;
  for (const auto& lag : lagging) {
    const auto problem = lag.problem().empty() ? "" : " " + lag.problem();
    all.push_back(lag.host() + " " + v1::Lag::Why_Name(lag.why()) + problem);
  }
  return all;
}
using Names = std::vector<std::string>;

// Tenant t with networks n (100) and m (200), tenant u with x (300); endpoints a and b in n, c in
// x.
struct World : Fabric {
  explicit World(const Sessions::Options& options = {}, const Outbox::Limits& limits = {})
      : Fabric{options, limits} {
    v1::ChangeRequest change;
    add_tenant(change, "t");
    add_network(change, "n", "t", 100, {"10.0.0.0/24"});
    add_network(change, "m", "t", 200, {"10.1.0.0/24"});
    add_tenant(change, "u");
    add_network(change, "x", "u", 300, {"10.0.0.0/24"});
    add_endpoint(change, "a", "n", "02:00:00:00:00:0a", {"10.0.0.10"});
    add_endpoint(change, "b", "n", "02:00:00:00:00:0b", {"10.0.0.11"});
    add_endpoint(change, "c", "x", "02:00:00:00:00:0c", {"10.0.0.12"});
    server.must_change(change);
  }

  // An agent that says what it has applied when the test says so; its first Sync is answered.
  std::unique_ptr<FakeAgent> careful(const std::string& name, const std::string& vtep) const {
    auto agent = std::make_unique<FakeAgent>(server.channel(), name, vtep);
    agent->be_silent();
    agent->connect();
    agent->say_knows_hosts(agent->all_hosts().revision());
    agent->say_applied(agent->next_sync());
    return agent;
  }
  std::future<v1::ChangeReply> start(v1::ChangeRequest change,
                                     std::chrono::milliseconds wait = 60s) const {
    change.set_wait_ms(static_cast<std::uint32_t>(wait.count()));
    // Catch's macros are for the test's own thread: get() throws there.
    return std::async(std::launch::async, [this, change = std::move(change)] {
      v1::ChangeReply reply;
      if (const auto status = server.change(change, &reply); !status.ok())
        throw std::runtime_error{status.error_message()};
      return reply;
    });
  }
  std::future<v1::ChangeReply> start_deny(std::chrono::milliseconds wait = 60s) const {
    v1::ChangeRequest change;
    auto* policy = change.add_operations()->mutable_policy_add();
    policy->set_tenant("t");
    policy->set_network("n");
    policy->set_other("m");
    policy->set_routing(v1::Tenant::DENY);
    return start(std::move(change), wait);
  }
  std::future<v1::ChangeReply> start_readdress() const {
    v1::ChangeRequest change;
    auto* set = change.add_operations()->mutable_endpoint_set();
    set->set_name("a");
    set->add_ips(api::to_bytes(*IpAddress::parse("10.0.0.20")));
    return start(std::move(change));
  }
  std::future<v1::SettleReply> start_settle(std::chrono::milliseconds wait = 60s) const {
    return std::async(std::launch::async, [this, wait] {
      v1::SettleRequest request;
      request.set_wait_ms(static_cast<std::uint32_t>(wait.count()));
      v1::SettleReply reply;
      grpc::ClientContext context;
      const auto status =
          v1::Management::NewStub(server.channel())->Settle(&context, request, &reply);
      if (!status.ok()) throw std::runtime_error{status.error_message()};
      return reply;
    });
  }
};

// Long enough for what should not happen to have happened.
template <class T>
bool is_waiting(std::future<T>& future) {
  return future.wait_for(100ms) == std::future_status::timeout;
}

TEST_CASE("a change that nobody is told of is not waited for") {
  World world;
  const auto one = world.careful("h1", "192.0.2.1");
  v1::ChangeRequest change;
  add_endpoint(change, "z", "n", "02:00:00:00:00:1a", {});
  const auto reply = world.start(change).get();
  CHECK(reply.waited());
  CHECK(reply.lagging().empty());
  CHECK_FALSE(world.server.must_change(v1::ChangeRequest{change}).waited());
}

TEST_CASE("a change is waited for until the last of the hosts that are told has applied it") {
  World world;
  const auto one = world.careful("h1", "192.0.2.1");
  const auto two = world.careful("h2", "192.0.2.2");
  const auto other = world.careful("h3", "192.0.2.3");
  one->join("n");
  two->join("m");
  other->join("x");
  auto changed = world.start_deny();
  one->next(v1::FromController::kNetwork);
  one->say_applied(one->next_sync());
  two->next(v1::FromController::kNetwork);
  const auto sync = two->next_sync();
  CHECK(is_waiting(changed));
  two->say_applied(sync);
  const auto reply = changed.get();
  CHECK(reply.lagging().empty());
  CHECK(sync.revision() == reply.revision());
}

TEST_CASE("who does not say so in time is named, and the change is in the store") {
  World world;
  const auto one = world.careful("h1", "192.0.2.1");
  const auto two = world.careful("h2", "192.0.2.2");
  one->join("n");
  two->join("n");
  auto changed = world.start_deny(300ms);
  one->next(v1::FromController::kNetwork);
  one->say_applied(one->next_sync());
  CHECK(names(changed.get().lagging()) == Names{"h2 SILENT"});
  CHECK(world.server.show(v1::ShowRequest::POLICY).size() == 1);
  SECTION("and still is when the same is asked for again") {
    CHECK(names(world.start_deny(300ms).get().lagging()) == Names{"h2 SILENT"});
  }
  SECTION("until it has") {
    two->next(v1::FromController::kNetwork);
    two->say_applied(two->next_sync());
    CHECK(world.start_deny().get().lagging().empty());
  }
}

TEST_CASE("a host that says what went wrong is named with it") {
  World world;
  const auto one = world.careful("h1", "192.0.2.1");
  one->join("n");
  auto changed = world.start_deny();
  one->next(v1::FromController::kNetwork);
  one->say_applied(one->next_sync(), "the kernel refuses an entry");
  CHECK(names(changed.get().lagging()) == Names{"h1 TROUBLE the kernel refuses an entry"});
}

TEST_CASE("a host that goes while it is waited for is named at once") {
  World world;
  auto one = world.careful("h1", "192.0.2.1");
  one->join("n");
  auto changed = world.start_deny();
  one->next(v1::FromController::kNetwork);
  one.reset();
  CHECK(names(changed.get().lagging()) == Names{"h1 NOT_CONNECTED"});
}

TEST_CASE("a host that is not connected is named when the change concerns it") {
  World world;
  auto one = world.careful("h1", "192.0.2.1");
  one->attach("a");
  one.reset();
  world.wait_disconnected("h1");
  const auto two = world.careful("h2", "192.0.2.2");
  SECTION("by a policy of a network that it has") {
    CHECK(names(world.start_deny().get().lagging()) == Names{"h1 NOT_CONNECTED"});
  }
  SECTION("by an endpoint that it may have entries for") {
    two->attach("b");
    two->say_applied(two->next_sync());
    v1::ChangeRequest change;
    change.add_operations()->set_endpoint_del("b");
    auto changed = world.start(change);
    two->say_applied(two->next_sync());
    CHECK(names(changed.get().lagging()) == Names{"h1 NOT_CONNECTED"});
  }
  SECTION("by an endpoint of its own") {
    CHECK(names(world.start_readdress().get().lagging()) == Names{"h1 NOT_CONNECTED"});
  }
  SECTION("and not by what is another tenant's") {
    two->attach("c");
    v1::ChangeRequest change;
    change.add_operations()->set_endpoint_del("c");
    auto changed = world.start(change);
    two->say_applied(two->next_sync());
    CHECK(changed.get().lagging().empty());
  }
  SECTION("and not when it is removed") {
    v1::ChangeRequest change;
    change.add_operations()->set_host_del("h1");
    auto changed = world.start(change);
    two->next(v1::FromController::kHosts);
    two->say_applied(two->next_sync());
    CHECK(changed.get().lagging().empty());
  }
}

// What it had asked and joined is not known before it has said so again.
TEST_CASE("a host that has just come back is waited for, until it knows all again") {
  World world;
  auto one = world.careful("h1", "192.0.2.1");
  one->attach("a");
  one.reset();
  world.wait_disconnected("h1");
  FakeAgent again{world.server.channel(), "h1", "192.0.2.1"};
  again.be_silent();
  again.connect();
  const auto first = again.next_sync();
  auto changed = world.start_deny();
  CHECK(is_waiting(changed));
  again.say_applied(first);
  CHECK(changed.get().lagging().empty());
}

TEST_CASE("what an overflow has dropped is applied when it was asked for again") {
  World world{{}, {.bindings = 4}};
  const auto one = world.careful("h1", "192.0.2.1");
  std::vector<Key> many;
  for (unsigned i = 1; i < 200; ++i) many.emplace_back(IpKey{kVni, IpAddress::v4(0x0a000000U + i)});
  one->ask(many);
  one->next(v1::FromController::kResync);
  const auto sync = one->next_sync();
  auto settled = world.start_settle();
  CHECK(is_waiting(settled));
  one->say_applied(v1::Sync{sync});
  CHECK(settled.get().lagging().empty());
}

TEST_CASE("words about what was never said are none") {
  World world;
  const auto one = world.careful("h1", "192.0.2.1");
  one->join("n");
  auto changed = world.start_deny(300ms);
  one->next(v1::FromController::kNetwork);
  auto sync = one->next_sync();
  auto wrong = sync;
  wrong.set_number(sync.number() + 1);
  one->say_applied(wrong);
  wrong.set_number(sync.number() - 1);
  one->say_applied(wrong);
  CHECK(names(changed.get().lagging()) == Names{"h1 SILENT"});
}

TEST_CASE("settle waits for every connected host, told of anything or not") {
  World world;
  const auto one = world.careful("h1", "192.0.2.1");
  auto two = world.careful("h2", "192.0.2.2");
  two.reset();
  world.wait_disconnected("h2");
  one->next(v1::FromController::kHosts);
  one->say_applied(one->next_sync());
  v1::ChangeRequest change;
  add_tenant(change, "v");
  const auto revision = world.server.must_change(change).revision();
  auto settled = world.start_settle();
  const auto sync = one->next_sync();
  CHECK(sync.revision() == revision);
  CHECK(is_waiting(settled));
  one->say_applied(sync);
  const auto reply = settled.get();
  CHECK(reply.lagging().empty());
  CHECK(reply.revision() == revision);
  CHECK(names(world.start_settle().get().lagging()).empty());
}

TEST_CASE("host show tells up to which revision a host has applied what concerns it") {
  World world;
  const auto applied_is = [&](std::uint64_t revision) {
    for (int i = 0; i < 500 && world.host("h1").applied() != revision; ++i)
      std::this_thread::sleep_for(10ms);
    return world.host("h1").applied() == revision;
  };
  auto one = world.careful("h1", "192.0.2.1");
  one->join("n");
  one->say_applied(one->next_sync());  // which comes though nobody waits
  v1::ChangeRequest others;
  add_tenant(others, "v");
  const auto before = world.server.must_change(others).revision();
  CHECK(applied_is(before));
  const auto reply = world.start_deny(1ms).get();
  CHECK(world.host("h1").applied() < reply.revision());
  one->next(v1::FromController::kNetwork);
  one->say_applied(one->next_sync());
  CHECK(applied_is(reply.revision()));
  one.reset();
  world.wait_disconnected("h1");
  CHECK_FALSE(world.host("h1").has_applied());
}

TEST_CASE("a host's own requests are waited for by others' word") {
  World world;
  const auto one = world.careful("h1", "192.0.2.1");
  const auto two = world.careful("h2", "192.0.2.2");
  one->next(v1::FromController::kHosts);
  one->ask({kMacA});
  one->next_bindings();
  two->attach("a");
  one->next_bindings();
  two->request([](auto& r) { r.mutable_await()->set_wait_ms(60'000); });
  const auto sync = one->next_sync();
  CHECK_FALSE(two->hears(v1::FromController::kReply, 100ms));
  one->say_applied(sync);
  CHECK(two->reply().lagging().empty());
  const auto again = two->ask_for([](auto& r) { r.mutable_await()->set_wait_ms(60'000); });
  CHECK(again.lagging().empty());
}

TEST_CASE("whoever waits for a host's requests is told which hosts lag behind") {
  World world;
  const auto one = world.careful("h1", "192.0.2.1");
  const auto two = world.careful("h2", "192.0.2.2");
  one->join("n");
  two->join("n");
  const auto reply = two->ask_for([](auto& r) { r.mutable_await()->set_wait_ms(200); });
  CHECK(names(reply.lagging()) == Names{"h1 SILENT"});
}

TEST_CASE("a mark is answered behind the answers to what was asked before") {
  World world;
  const auto one = world.agent("h1", "192.0.2.1");
  one->ask({kMacA});
  v1::FromAgent message;
  message.mutable_request()->set_id(77);
  message.mutable_request()->mutable_mark();
  one->say(message);
  CHECK(one->next().has_bindings());
  CHECK(one->next().reply().id() == 77);
}

}  // namespace
}  // namespace dove::controller
