// What becomes of a host's part in a network that is deleted.
#include "tests/unit/agent/ports_bench.h"

namespace dove::agent {
namespace {

using PortState = Port::State;

// With a port of a network that learns who is behind it.
struct Bench : PortsBench {
  Bench() {
    directory.networks.at("blue").learn = true;
    REQUIRE(add({.dev = "tap0", .endpoint = {}, .network = "blue"}));
  }
  void end_network() {
    directory.networks.erase("blue");
    ports.on_network_gone(*Vni::from(100));
    directory.run();
  }
  PortState state() { return ports.find("tap0")->state; }
};

TEST_CASE("ports: one of a network that is deleted is lost, and gives up what it had") {
  Bench bench;
  CHECK(bench.state() == PortState::kActive);
  bench.end_network();
  CHECK(bench.state() == PortState::kLost);
  CHECK(bench.host.shown.at("tap0") == PortState::kLost);
  CHECK(bench.host.troubles ==
        Calls{"port \"tap0\" lost network \"blue\": its network was deleted"});
  CHECK(bench.host.networks.empty());
  CHECK(bench.host.ports.empty());
  CHECK(bench.ports.state({}).learning.empty());
  CHECK(bench.del("tap0"));
  bench.check_clean();
}

TEST_CASE("ports: one of a network that was deleted while nobody could tell is lost") {
  Bench bench;
  bench.directory.networks.erase("blue");
  bench.ready();
  CHECK(bench.state() == PortState::kLost);
}

TEST_CASE("ports: a lost one is added again when there is such a network again") {
  Bench bench;
  const auto settings = bench.directory.networks.at("blue");
  bench.end_network();
  CHECK_FALSE(bench.add({.dev = "tap0", .endpoint = {}, .network = "blue"}));
  bench.directory.networks.emplace("blue", settings);
  REQUIRE(bench.add({.dev = "tap0", .endpoint = {}, .network = "blue"}));
  CHECK(bench.state() == PortState::kActive);
  bench.ready();
  CHECK(bench.state() == PortState::kActive);
}

TEST_CASE("ports: a deleted network that was joined by command stays, and that is said once") {
  Bench bench;
  REQUIRE(bench.join("blue"));
  bench.end_network();
  bench.ready();
  bench.ready();
  REQUIRE(bench.host.troubles.size() == 2);
  CHECK(bench.host.troubles.front().find("dovectl leave blue") != std::string::npos);
  CHECK(bench.host.networks.size() == 1);
  CHECK(bench.leave("blue"));
  CHECK(bench.host.networks.empty());
}

TEST_CASE("ports: a network that is made again with the VNI is another, whatever is under way") {
  Bench bench;
  const auto settings = bench.directory.networks.at("blue");
  REQUIRE(bench.join("blue"));
  bench.ports.add({.dev = "tap1", .endpoint = "vm1"}, [](const auto&) {});
  bench.ports.on_network_gone(settings.vni);
  bench.ports.on_network(settings);
  bench.directory.run();
  CHECK(bench.state() == PortState::kLost);
  REQUIRE(bench.add({.dev = "tap0", .endpoint = {}, .network = "blue"}));
  bench.ports.confirm_again();
  bench.directory.run();
  CHECK(bench.state() == PortState::kActive);
}

TEST_CASE("ports: who joined a deleted network joins the one of its name, and leaves the old one") {
  Bench bench;
  REQUIRE(bench.join("blue"));
  bench.end_network();
  auto anew = network_named("blue", 150);
  anew.learn = true;
  bench.directory.networks.emplace("blue", anew);
  const auto joined = bench.join("blue");
  REQUIRE(joined);
  CHECK(joined->value() == 150);
  CHECK(bench.leave("blue"));
  CHECK(bench.leave("blue"));
  CHECK_FALSE(bench.leave("blue"));
  CHECK(bench.host.networks.empty());
}

TEST_CASE("ports: one that no controller has confirmed is pending") {
  Bench bench;
  PortsBench again;
  again.directory.networks.at("blue").learn = true;
  again.ports.restore(bench.ports.state({}), [] {});
  again.directory.run();
  const auto state = [&] { return again.ports.find("tap0")->state; };
  CHECK(state() == PortState::kPending);
  again.directory.fail = "lose join";
  again.ready();
  CHECK(state() == PortState::kPending);
  again.directory.fail.clear();
  again.ready();
  CHECK(state() == PortState::kActive);
}

}  // namespace
}  // namespace dove::agent
