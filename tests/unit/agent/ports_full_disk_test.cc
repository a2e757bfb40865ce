// What cannot be saved is not done, and is done when it can.
#include "tests/unit/agent/ports_bench.h"

namespace dove::agent {
namespace {

struct Bench : PortsBench {
  Bench() {
    REQUIRE(add("tap0", "vm1"));
    host.fail = "save";
  }
};

TEST_CASE("ports: a deletion that cannot be saved is not done") {
  Bench bench;
  const auto refused = bench.del("tap0");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message == "save failed");
  CHECK(bench.host.ports.contains("tap0"));
  CHECK(bench.directory.endpoints.at("vm1").state == Attachment::State::kActive);
  CHECK(bench.ports.state({}).ports.size() == 1);
  CHECK(bench.ports.state({}).detached.empty());
  bench.host.fail.clear();
  REQUIRE(bench.del("tap0"));
  CHECK(bench.host.ports.empty());
  CHECK(bench.ports.list().empty());
  CHECK(bench.directory.endpoints.at("vm1").state == Attachment::State::kGone);
}

// Where doved dies in the middle of a deletion, the next one knows what is still to be said.
TEST_CASE("ports: a deletion is saved before it is done, with what the controller is owed") {
  Bench bench;
  bench.host.fail.clear();
  std::optional<State> first;
  bench.host.on_save = [&] {
    if (!first) first = bench.ports.state({});
  };
  REQUIRE(bench.del("tap0"));
  REQUIRE(first);
  CHECK(first->ports.empty());
  REQUIRE(first->detached.size() == 1);
  CHECK(first->detached.front() == SavedDetach{.endpoint = "vm1", .generation = 1});
  CHECK(bench.ports.state({}).detached.empty());
}

TEST_CASE("ports: what the controller cannot keep is told again until it can") {
  Bench bench;
  bench.host.fail.clear();
  bench.directory.fail = "detach";
  bench.directory.fail_code = ErrorCode::kSystem;
  REQUIRE(bench.del("tap0"));
  CHECK(bench.host.ports.empty());
  CHECK(bench.ports.state({}).detached.size() == 1);
  bench.ports.remind();
  bench.directory.run();
  CHECK(bench.ports.state({}).detached.size() == 1);
  bench.directory.fail.clear();
  bench.ports.remind();
  bench.directory.run();
  CHECK(bench.ports.state({}).detached.empty());
  CHECK(bench.directory.endpoints.at("vm1").state == Attachment::State::kGone);
}

// A guest whose device comes back while the controller's disk is full forwards, and is confirmed
// when there is room.
TEST_CASE("ports: a confirmation that the controller cannot keep is asked for again") {
  Bench bench;
  bench.host.fail.clear();
  auto& endpoint = bench.directory.endpoints.at("vm1");
  endpoint.state = Attachment::State::kPrepared;
  bench.directory.fail = GENERATE("activate", "prepare", "join");
  bench.directory.fail_code = ErrorCode::kSystem;
  bench.ports.on_session_ready();
  bench.directory.run();
  const auto state = [&] { return bench.ports.find("tap0")->state; };
  CHECK(state() != Port::State::kLost);
  CHECK_FALSE(bench.host.troubles.empty());
  bench.ports.remind();
  bench.directory.run();
  CHECK(state() != Port::State::kLost);
  bench.directory.fail.clear();
  bench.ports.remind();
  bench.directory.run();
  CHECK(state() == Port::State::kActive);
  CHECK(endpoint.state == Attachment::State::kActive);
  const auto calls = bench.calls.size();
  bench.ports.remind();  // nothing is left to be said
  bench.directory.run();
  CHECK(bench.calls.size() == calls);
}

TEST_CASE("ports: what the kernel does not give up stays, also in what is saved") {
  Bench bench;
  bench.host.fail = "remove_port";
  REQUIRE_FALSE(bench.del("tap0"));
  CHECK(bench.ports.state({}).ports.size() == 1);
  CHECK(bench.ports.state({}).detached.empty());
}

TEST_CASE("ports: a network that cannot be saved as joined is left again") {
  Bench bench;
  REQUIRE_FALSE(bench.join("red"));
  CHECK(bench.ports.networks().size() == 1);
  CHECK_FALSE(bench.host.networks.contains(*Vni::from(200)));
  CHECK_FALSE(bench.directory.joined.contains(200));
  bench.host.fail.clear();
  REQUIRE(bench.join("red"));
  CHECK(bench.ports.state({}).joined.size() == 1);
}

TEST_CASE("ports: a network that cannot be saved as left stays") {
  Bench bench;
  bench.host.fail.clear();
  REQUIRE(bench.join("red"));
  bench.host.fail = "save";
  REQUIRE_FALSE(bench.leave("red"));
  CHECK(bench.host.networks.contains(*Vni::from(200)));
  CHECK(bench.ports.state({}).joined.size() == 1);
  bench.host.fail.clear();
  REQUIRE(bench.leave("red"));
  CHECK_FALSE(bench.host.networks.contains(*Vni::from(200)));
  CHECK(bench.ports.state({}).joined.empty());
}

}  // namespace
}  // namespace dove::agent
