// Silent hosts, as the sessions see them, with the registry's clock as an argument.
#include <algorithm>

#include "controller/sessions.h"
#include "tests/catch.h"

namespace dove::controller {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr HostId kOne{1}, kTwo{2};
const Vni kVni = *Vni::from(100);

Vtep vtep(std::uint32_t n) { return {IpAddress::v4(0xc0000200U + n)}; }

class Agent final : public Peer {
 public:
  Agent() : Peer{Outbox::Limits{}} {}
  void flush() override {
    while (const auto* message = outbox.begin_write()) {
      heard.push_back(*message);
      outbox.end_write();
    }
  }
  void close(const Error& reason) override { closed = reason; }

  std::vector<v1::FromController> heard;
  std::optional<Error> closed;
};

// Two hosts of the store, of which the second has an endpoint in a network; looked at each second.
struct World {
  World() {
    Consequences all;
    all.revision = 7;
    all.hosts = {{kOne, "h1", vtep(1)}, {kTwo, "h2", vtep(2)}};
    all.attached = {{kVni, kTwo}};
    all.macs = {
        {.key = key, .verdict = Verdict::kFound, .host = kTwo, .generation = 3, .revision = 7}};
    sessions.load(all);
  }
  std::shared_ptr<Agent> connect(HostId host, const std::string& name, std::uint32_t n) {
    auto agent = std::make_shared<Agent>();
    sessions.admit(agent, {name, vtep(n), "boot", "test"}, host, {"store", "opening"});
    return agent;
  }
  // So many seconds from the start on; whom `speaks` names is heard in each.
  void look_until(int second, const std::vector<std::shared_ptr<Agent>>& speak = {}) {
    for (; looked < second; ++looked) {
      for (const auto& agent : speak) agent->unanswered = 1;  // as good as a word
      sessions.tick(start + seconds{looked + 1});
      for (const auto& agent : speak) agent->unanswered = 0;
    }
  }
  bool is_suspect(HostId host) { return sessions.presence_of(host, start).suspect; }
  bool knows_two(Agent& agent) {
    agent.heard.clear();
    sessions.ask(agent, std::vector<Key>{key});
    for (const auto& message : agent.heard)
      for (const auto& binding : message.bindings().bindings())
        if (binding.host_id() == static_cast<std::uint32_t>(kTwo)) return true;
    return false;
  }

  const MacKey key{kVni, MacAddress{{2, 0, 0, 0, 0, 1}}};
  std::vector<std::string> lines;
  Sessions sessions{Sessions::Options{
      .lease = seconds{10}, .report = [this](const auto& line) { lines.push_back(line); }}};
  Told told;
  const TimePoint start = std::chrono::steady_clock::now();
  int looked = 0;
};

TEST_CASE("sessions: the agent is told the lease") {
  World world;
  const auto one = world.connect(kOne, "h1", 1);
  REQUIRE(one->heard.front().has_welcome());
  CHECK(one->heard.front().welcome().lease_ms() == 10'000);
}

TEST_CASE("sessions: after a start nobody is suspect before a whole lease has run") {
  World world;
  world.look_until(9);
  CHECK_FALSE(world.is_suspect(kOne));
  CHECK_FALSE(world.sessions.presence_of(kOne, world.start).connected);
  CHECK(world.lines.empty());
  world.look_until(12);
  CHECK(world.is_suspect(kOne));
  REQUIRE(world.lines.size() == 1);  // of both
  CHECK(world.lines[0].find("hosts h1, h2 suspect") == 0);
}

TEST_CASE("sessions: a silent host's session is over, and the others know what they knew of it") {
  World world;
  const auto one = world.connect(kOne, "h1", 1);
  const auto two = world.connect(kTwo, "h2", 2);
  world.sessions.join(*one, kVni, {}, world.told);
  world.sessions.join(*two, kVni, {}, world.told);
  one->heard.clear();
  world.look_until(8, {one, two});
  world.look_until(25, {one});
  CHECK(world.is_suspect(kTwo));
  CHECK_FALSE(world.is_suspect(kOne));
  REQUIRE(two->closed);
  CHECK(two->closed->code == ErrorCode::kUnavailable);
  CHECK_FALSE(one->closed);
  for (const auto& message : one->heard) {  // of a session that is 10 s old its groups are told
    INFO(message.ShortDebugString());
    CHECK_FALSE(message.has_flood_list());
    CHECK_FALSE(message.has_hosts());
    CHECK_FALSE(message.has_bindings());
  }
  CHECK(world.knows_two(*one));
  CHECK(world.sessions.presence_of(kTwo, world.start + seconds{25}).silence >= seconds{15});
  // Another boot of it may come now.
  CHECK(world.sessions.check({"h2", vtep(2), "another boot", "test"}));
}

TEST_CASE("sessions: a host that is cut off as soon as it is back stays in its flood lists") {
  World world;
  const auto one = world.connect(kOne, "h1", 1);
  world.sessions.join(*one, kVni, {}, world.told);
  world.look_until(5, {one});
  const auto two = world.connect(kTwo, "h2", 2);
  one->heard.clear();
  world.look_until(30, {one});
  CHECK(world.is_suspect(kTwo));
  for (const auto& message : one->heard) CHECK_FALSE(message.has_flood_list());
}

TEST_CASE("sessions: a host that is back and does not join again leaves the flood lists") {
  World world;
  const auto one = world.connect(kOne, "h1", 1);
  const auto two = world.connect(kTwo, "h2", 2);
  world.sessions.join(*one, kVni, {}, world.told);
  one->heard.clear();
  world.look_until(9, {one, two});
  for (const auto& message : one->heard) CHECK_FALSE(message.has_flood_list());
  world.look_until(12, {one, two});
  CHECK(std::count_if(one->heard.begin(), one->heard.end(), [](const auto& message) {
          return message.flood_list().remove_size() == 1;
        }) == 1);
}

TEST_CASE("sessions: a suspect host that says hello is one like any other") {
  World world;
  world.look_until(12);
  REQUIRE(world.is_suspect(kTwo));
  const auto two = world.connect(kTwo, "h2", 2);
  CHECK_FALSE(world.is_suspect(kTwo));
  CHECK(world.sessions.is_connected(kTwo));
  CHECK(world.lines.back() == "host h2 is heard again");
}

TEST_CASE("sessions: while a host waits for us its silence is ours") {
  World world;
  const auto two = world.connect(kTwo, "h2", 2);
  world.look_until(30, {two});
  CHECK_FALSE(two->closed);
  world.look_until(41);
  CHECK(two->closed);
}

TEST_CASE("sessions: what a session says that is over is not its host's word") {
  World world;
  const auto old = world.connect(kTwo, "h2", 2);
  CHECK(world.sessions.is_current(*old));
  const auto now = world.connect(kTwo, "h2", 2);
  CHECK_FALSE(world.sessions.is_current(*old));
  CHECK(world.sessions.is_current(*now));
  world.sessions.end(*old);
  CHECK(world.sessions.is_connected(kTwo));
}

TEST_CASE("sessions: many hosts silent at once are one line") {
  World world;
  Consequences more;
  more.revision = 8;
  for (std::uint32_t n = 3; n <= 40; ++n)
    more.hosts.push_back({HostId{n}, "h" + std::to_string(n), vtep(n)});
  world.sessions.publish(more, world.told);
  world.look_until(12);
  REQUIRE(world.lines.size() == 1);
  CHECK(world.lines[0].find(" and 30 others suspect") != std::string::npos);
}

}  // namespace
}  // namespace dove::controller
