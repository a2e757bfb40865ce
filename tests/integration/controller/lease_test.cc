// Hosts that fall silent, and endpoints that change hands meanwhile, over real streams; and that a
// preparation is no change.
#include "tests/integration/controller/fabric.h"

namespace dove::controller {
namespace {

using std::chrono::milliseconds;

const Vni kVni = *Vni::from(100);
const MacKey kMacA{kVni, *MacAddress::parse("02:00:00:00:00:0a")};

struct World : SmallFabric {
  using SmallFabric::SmallFabric;
  v1::Endpoint endpoint(const std::string& name) const {
    return server.show(v1::ShowRequest::ENDPOINT, name).front().endpoint();
  }
};

// A short lease, and longer than a machine stands still.
struct Silence : World {
  Silence() : World{{.lease = milliseconds{2500}}} {}

  void wait_suspect(const std::string& name) const {
    for (int i = 0; i < 500 && host(name).state() != v1::Host::SUSPECT; ++i)
      std::this_thread::sleep_for(milliseconds{20});
    REQUIRE(host(name).state() == v1::Host::SUSPECT);
  }
};

// The agent says now and then that it is there.
class Speaking {
 public:
  explicit Speaking(FakeAgent& agent)
      : thread_{[&agent](const std::stop_token& over) {
          for (; !over.stop_requested(); std::this_thread::sleep_for(milliseconds{100}))
            agent.say_alive();
        }} {}

 private:
  std::jthread thread_;
};

// Both have the network, and one wants to know of endpoint a.
void meet(FakeAgent& one, FakeAgent& two) {
  one.join("n");
  one.ask({kMacA});
  one.next_bindings();
  two.join("n");
}

TEST_CASE("a silent host is suspect, keeps what it has, and another may take an endpoint of it") {
  const Silence world;
  const auto one = world.agent("h1", "192.0.2.1");
  const Speaking one_speaks{*one};
  const auto two = world.agent("h2", "192.0.2.2");
  meet(*one, *two);
  const auto first = two->attach("a");
  two->attach("b");
  one->all_until_now();

  world.wait_suspect("h2");
  CHECK(two->end().error_code() == grpc::StatusCode::UNAVAILABLE);
  CHECK(world.host("h1").state() == v1::Host::CONNECTED);
  CHECK(world.host("h2").silent_ms() >= 2500);
  CHECK(world.host("h2").endpoints() == 2);
  CHECK(one->all_until_now().empty());

  const auto taken = one->attach("a");
  CHECK(taken.generation() == first.generation() + 1);
  one->ask({kMacA});
  CHECK(mac_of(one->next_bindings().front()).host == one->id());
  CHECK(world.endpoint("b").host() == "h2");

  // What it says when it is back changes nothing, and it is told who has the endpoint.
  const auto back = world.agent("h2", "192.0.2.2");
  CHECK(back->id() == two->id());
  CHECK(world.host("h2").state() == v1::Host::CONNECTED);
  for (const auto& late :
       {back->detach("a", first.generation()), back->activate("a", first.generation())}) {
    REQUIRE(late.has_problem());
    CHECK(late.problem().message().find("\"h1\"") != std::string::npos);
    CHECK(late.attachment().generation() == taken.generation());
    CHECK(HostId{late.attachment().host_id()} == one->id());
  }
  CHECK(HostId{back->prepare("a").attachment().host_id()} == one->id());
  CHECK(world.endpoint("a").host() == "h1");
  CHECK(world.endpoint("b").host() == "h2");
}

TEST_CASE("a suspect host is deleted with all that it had, and comes back as a new one") {
  const Silence world;
  const auto one = world.agent("h1", "192.0.2.1");
  const Speaking one_speaks{*one};
  const auto two = world.agent("h2", "192.0.2.2");
  meet(*one, *two);
  const auto attached = two->attach("a");
  one->all_until_now();
  world.wait_suspect("h2");

  v1::ChangeRequest change;
  change.add_operations()->set_host_del("h2");
  world.server.must_change(change);
  const auto list = one->next(v1::FromController::kFloodList).flood_list();
  REQUIRE(list.remove_size() == 1);
  CHECK(HostId{list.remove(0)} == two->id());
  CHECK(one->next(v1::FromController::kHosts).hosts().hosts(0).removed());
  CHECK(mac_of(one->next_bindings().front()).verdict == Verdict::kNotFound);

  const auto back = world.agent("h2", "192.0.2.2");
  CHECK(back->id() != two->id());
  CHECK(back->activate("a", attached.generation()).has_problem());
  CHECK(back->attach("a").generation() > attached.generation());
}

TEST_CASE("a host that was switched off and on again is let in when its old session is silent") {
  const Silence world;
  const auto before = world.agent("h1", "192.0.2.1");
  {
    FakeAgent rebooted{world.server.channel(), "h1", "192.0.2.1", "another boot"};
    rebooted.say_hello();
    CHECK(rebooted.end().error_code() == grpc::StatusCode::ALREADY_EXISTS);
  }
  world.wait_suspect("h1");
  const auto after = world.agent("h1", "192.0.2.1", "another boot");
  CHECK(after->id() == before->id());
}

// --- preparations

struct Preparation : World {
  Preparation() {
    one = agent("h1", "192.0.2.1");
    two = agent("h2", "192.0.2.2");
    three = agent("h3", "192.0.2.3");
    one->join("n");
    two->join("n");
    attached = two->attach("a");
    one->ask({kMacA});
    one->next_bindings();
    for (auto* agent : {one.get(), two.get(), three.get()}) agent->all_until_now();
    before = one->prepare("b").revision();
  }
  // Nobody has heard of it, nothing was written, and what was is.
  void check_unchanged(const std::string& owner) const {
    CHECK(one->all_until_now().empty());
    CHECK(two->all_until_now().empty());
    CHECK(one->prepare("b").revision() == before);
    const auto shown = endpoint("a");
    CHECK(shown.host() == owner);
    CHECK(shown.generation() == attached.generation());
  }

  std::unique_ptr<FakeAgent> one, two, three;
  v1::Attachment attached;
  std::uint64_t before = 0;
};

TEST_CASE("a preparation changes nothing that others see, cancelled or not") {
  const Preparation world;
  const auto prepared = world.three->prepare("a");
  CHECK(prepared.attachment().state() == v1::Attachment::ACTIVE);
  CHECK(HostId{prepared.attachment().host_id()} == world.two->id());
  CHECK(prepared.network().name() == "n");
  world.check_unchanged("h2");
  // What it may have said in vain meanwhile, in the end too.
  CHECK(world.three->detach("a", prepared.attachment().generation()).has_problem());
  CHECK(world.three->prepare("a").attachment().generation() == world.attached.generation());
  world.check_unchanged("h2");
}

TEST_CASE("a host that prepared and died is nobody's business") {
  Preparation world;
  world.three->prepare("a");
  world.three.reset();
  for (int i = 0; i < 500 && world.host("h3").state() == v1::Host::CONNECTED; ++i)
    std::this_thread::sleep_for(milliseconds{10});
  world.check_unchanged("h2");
  // The owner's own words count as before: its generation is the same.
  CHECK_FALSE(world.two->detach("a", world.attached.generation()).has_problem());
  CHECK(mac_of(world.one->next_bindings().front()).verdict == Verdict::kNotFound);
}

TEST_CASE("one that also joined the network gets its broadcasts until it cancels") {
  const Preparation world;
  world.three->prepare("a");
  world.three->join("n");
  for (auto* agent : {world.one.get(), world.two.get()}) {
    const auto joined = agent->next(v1::FromController::kFloodList).flood_list();
    REQUIRE(joined.add_size() == 1);
    CHECK(HostId{joined.add(0)} == world.three->id());
  }
  world.three->leave(100);
  for (auto* agent : {world.one.get(), world.two.get()})
    CHECK(agent->next(v1::FromController::kFloodList).flood_list().remove_size() == 1);
  world.check_unchanged("h2");
}

TEST_CASE("of two that prepared the first to activate has it, and the other is told") {
  const Preparation world;
  const auto first = world.three->prepare("a").attachment().generation();
  const auto second = world.one->prepare("a").attachment().generation();
  CHECK_FALSE(world.three->activate("a", first).has_problem());
  const auto late = world.one->activate("a", second);
  REQUIRE(late.has_problem());
  CHECK(HostId{late.attachment().host_id()} == world.three->id());
  CHECK(world.endpoint("a").host() == "h3");
  CHECK(world.two->next(v1::FromController::kLost).lost().attachment().host_id() ==
        static_cast<std::uint32_t>(world.three->id()));
}

}  // namespace
}  // namespace dove::controller
