#include "tests/unit/agent/ports_bench.h"

namespace dove::agent {
namespace {

using PortState = Port::State;
using Bench = PortsBench;

TEST_CASE("ports: add does everything, in the right order") {
  Bench bench;
  const auto port = bench.add("tap0", "vm1");
  REQUIRE(port);
  CHECK(port->network == "blue");
  CHECK(port->vni.value() == 100);
  CHECK(port->mac.to_string() == "52:54:00:00:00:01");
  CHECK(port->state == PortState::kActive);
  CHECK(port->generation == 1);
  CHECK(bench.calls == Calls{"prepare", "add_network", "join", "add_port", "activate", "save"});
  CHECK(bench.active("vm1"));
  CHECK(bench.host.shown.at("tap0") == PortState::kActive);
  CHECK(bench.ports.state({}).ports.size() == 1);
}

TEST_CASE("ports: what the controller says of a network is told, and nothing older") {
  Bench bench;
  bench.directory.networks.at("blue").revision = 5;
  REQUIRE(bench.add("tap0", "vm1"));
  REQUIRE(bench.host.heard.size() == 1);
  CHECK(bench.host.heard.back().name == "blue");
  auto settings = bench.directory.networks.at("blue");
  settings.denied = {*Prefix::parse("10.2.0.0/24")};
  bench.ports.on_network(settings);
  REQUIRE(bench.host.heard.size() == 2);
  CHECK(bench.host.heard.back().denied == settings.denied);
  settings.revision = 4;
  bench.ports.on_network(settings);
  settings.vni = *Vni::from(200);  // not here
  bench.ports.on_network(settings);
  CHECK(bench.host.heard.size() == 2);
  bench.ready();
  CHECK(bench.host.heard.size() == 3);
}

TEST_CASE("ports: a second port of a network joins nothing again") {
  Bench bench;
  REQUIRE(bench.add("tap0", "vm1"));
  REQUIRE(bench.add("tap1", "vm2"));
  CHECK(bench.count("join") == 1);
}

TEST_CASE("ports: the same again succeeds and does nothing") {
  Bench bench;
  REQUIRE(bench.add("tap0", "vm1"));
  const auto calls = bench.calls;
  CHECK(bench.add("tap0", "vm1"));
  CHECK(bench.calls == calls);
}

TEST_CASE("ports: each step that fails undoes those before it") {
  for (const auto* step : {"prepare", "add_network", "join", "add_port", "activate", "save"}) {
    INFO(step);
    Bench bench;
    bench.directory.fail = step;
    bench.host.fail = step;
    const auto port = bench.add("tap0", "vm1");
    REQUIRE_FALSE(port);
    CHECK(port.error().message == std::string{step} + " failed");
    bench.check_clean();
    // And nothing of it is in the way later.
    bench.directory.fail.clear();
    bench.host.fail.clear();
    CHECK(bench.add("tap0", "vm1"));
    CHECK(bench.active("vm1"));
  }
}

TEST_CASE("ports: undoing leaves the network to those who have it") {
  Bench bench;
  REQUIRE(bench.add("tap0", "vm1"));
  bench.directory.fail = "activate";
  REQUIRE_FALSE(bench.add("tap1", "vm2"));
  CHECK(bench.host.networks.size() == 1);
  CHECK(bench.directory.joined.size() == 1);
  CHECK(bench.host.ports.size() == 1);
}

TEST_CASE("ports: refusals name what is in the way and change nothing") {
  Bench bench;
  REQUIRE(bench.add("tap0", "vm1"));
  const auto calls = bench.calls;
  const auto taken = bench.add("tap0", "vm2");
  REQUIRE_FALSE(taken);
  CHECK(taken.error().code == ErrorCode::kExists);
  CHECK(taken.error().message == "device \"tap0\" is the port of endpoint \"vm1\"");
  const auto twice = bench.add("tap1", "vm1");
  REQUIRE_FALSE(twice);
  CHECK(twice.error().message == "endpoint \"vm1\" is at device \"tap0\" of this host already");
  const auto unknown = bench.add("tap7", "vm2");
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().code == ErrorCode::kNotFound);
  CHECK(unknown.error().message == "there is no device \"tap7\"");
  CHECK(bench.calls == calls);
  const auto endpoint = bench.add("tap1", "vm9");
  REQUIRE_FALSE(endpoint);
  CHECK(endpoint.error().code == ErrorCode::kNotFound);
  CHECK(bench.ports.list().size() == 1);
}

TEST_CASE("ports: without a controller nothing is added") {
  Bench bench;
  bench.directory.up = false;
  const auto port = bench.add("tap0", "vm1");
  REQUIRE_FALSE(port);
  CHECK(port.error().code == ErrorCode::kUnavailable);
  bench.check_clean();
}

TEST_CASE("ports: an activation whose answer was lost is taken back at the next session") {
  Bench bench;
  bench.directory.fail = "lose activate";
  REQUIRE_FALSE(bench.add("tap0", "vm1"));
  CHECK(bench.active("vm1"));  // the controller did it
  CHECK(bench.ports.state({}).detached.size() == 1);
  bench.directory.fail.clear();
  bench.ready();
  CHECK_FALSE(bench.active("vm1"));
  CHECK(bench.ports.state({}).detached.empty());
}

TEST_CASE("ports: so is one that confirmed a port which has gone since") {
  Bench bench;
  REQUIRE(bench.add("tap0", "vm1"));
  auto& endpoint = bench.directory.endpoints.at("vm1");
  endpoint.state = Attachment::State::kGone;  // as when the host was deleted by mistake
  ++endpoint.generation;
  bench.directory.fail = "lose activate";
  bench.ready();
  REQUIRE(bench.active("vm1"));
  bench.directory.fail.clear();
  bench.directory.up = false;
  REQUIRE(bench.del("tap0"));
  bench.ready();
  CHECK_FALSE(bench.active("vm1"));
}

TEST_CASE("ports: del takes everything away") {
  Bench bench;
  REQUIRE(bench.add("tap0", "vm1"));
  REQUIRE(bench.del("tap0"));
  bench.directory.run();
  bench.check_clean();
  CHECK(bench.ports.state({}).ports.empty());
  const auto again = bench.del("tap0");
  REQUIRE_FALSE(again);
  CHECK(again.error().message == "device \"tap0\" is no port");
}

TEST_CASE("ports: del works without a controller, which hears of it later") {
  Bench bench;
  REQUIRE(bench.add("tap0", "vm1"));
  bench.directory.up = false;
  REQUIRE(bench.del("tap0"));
  CHECK(bench.host.ports.empty());
  CHECK(bench.active("vm1"));
  REQUIRE(bench.ports.state({}).detached.size() == 1);
  bench.ready();
  CHECK_FALSE(bench.active("vm1"));
  CHECK(bench.ports.state({}).detached.empty());
}

TEST_CASE("ports: what was deleted without a controller can be added again without one") {
  Bench bench;
  REQUIRE(bench.add("tap0", "vm1"));
  bench.directory.up = false;
  REQUIRE(bench.del("tap0"));
  CHECK(bench.host.networks.size() == 1);  // others of it may still be found
  CHECK_FALSE(bench.add("tap1", "vm2"));   // of which nothing is known
  const auto port = bench.add("tap1", "vm1");
  REQUIRE(port);
  CHECK(port->state == PortState::kPending);
  CHECK(port->mac == bench.endpoint("vm1").mac);
  CHECK(bench.ports.state({}).detached.empty());
  const auto generation = bench.endpoint("vm1").generation;
  bench.ready();
  CHECK(bench.host.shown.at("tap1") == PortState::kActive);
  CHECK(bench.endpoint("vm1").generation == generation);  // nobody else has noticed
  REQUIRE(bench.del("tap1"));
  bench.directory.run();
  bench.check_clean();
}

TEST_CASE("ports: what was deleted without a controller is gone when one was told") {
  Bench bench;
  REQUIRE(bench.add("tap0", "vm1"));
  bench.directory.up = false;
  REQUIRE(bench.del("tap0"));
  bench.ready();
  bench.directory.run();
  bench.check_clean();
  bench.directory.up = false;
  CHECK_FALSE(bench.add("tap0", "vm1"));
}

TEST_CASE("ports: a late detach does not take away what was added again") {
  Bench bench;
  REQUIRE(bench.add("tap0", "vm1"));
  bench.directory.up = false;
  REQUIRE(bench.del("tap0"));
  bench.directory.up = true;  // port add comes before the resynchronisation
  REQUIRE(bench.add("tap0", "vm1"));
  bench.ready();
  CHECK(bench.active("vm1"));
  CHECK(bench.ports.find("tap0")->state == PortState::kActive);
}

TEST_CASE("ports: a device that the kernel will not give up keeps its port") {
  Bench bench;
  REQUIRE(bench.add("tap0", "vm1"));
  bench.host.fail = "remove_port";
  REQUIRE_FALSE(bench.del("tap0"));
  CHECK(bench.ports.list().size() == 1);
  CHECK(bench.active("vm1"));
}

TEST_CASE("ports: a device goes and comes back") {
  Bench bench;
  REQUIRE(bench.add("tap0", "vm1"));
  bench.ports.on_device_gone("tap0");
  bench.directory.run();
  CHECK(bench.host.shown.at("tap0") == PortState::kAbsent);
  CHECK(bench.host.locals.empty());
  CHECK_FALSE(bench.active("vm1"));
  bench.ports.on_device_back("tap0", true);
  bench.directory.run();
  CHECK(bench.host.shown.at("tap0") == PortState::kActive);
  CHECK(bench.host.locals.size() == 1);
  CHECK(bench.active("vm1"));
}

TEST_CASE("ports: a device that comes back too late has lost its endpoint") {
  Bench bench;
  REQUIRE(bench.add("tap0", "vm1"));
  bench.ports.on_device_gone("tap0");
  bench.directory.run();
  auto& endpoint = bench.directory.endpoints.at("vm1");
  endpoint.state = Attachment::State::kActive;
  endpoint.host = HostId{2};
  ++endpoint.generation;
  bench.ports.on_device_back("tap0", true);
  bench.directory.run();
  CHECK(bench.host.shown.at("tap0") == PortState::kLost);
  CHECK(bench.host.ports.empty());
  CHECK(bench.endpoint("vm1").host == HostId{2});
}

TEST_CASE("ports: a lost endpoint is taken off the bridge, an old word is not believed") {
  Bench bench;
  REQUIRE(bench.add("tap0", "vm1"));
  auto won = bench.endpoint("vm1");
  won.host = HostId{2};
  won.generation = 0;
  bench.ports.on_lost(won);
  bench.directory.run();
  CHECK(bench.host.shown.at("tap0") == PortState::kActive);
  won.generation = 2;
  bench.host.names[HostId{2}] = "kvm2";
  bench.ports.on_lost(won);
  bench.directory.run();
  CHECK(bench.host.shown.at("tap0") == PortState::kLost);
  CHECK(bench.ports.find("tap0")->owner == "kvm2");
  CHECK(bench.host.troubles.back().find("active at host \"kvm2\"") != std::string::npos);
  CHECK(bench.host.ports.empty());
  CHECK(bench.host.networks.empty());
  CHECK(bench.count("detach") == 0);
  CHECK(bench.ports.state({}).ports.empty());
  // It can be added again, or deleted.
  REQUIRE(bench.add("tap0", "vm2"));
  CHECK(bench.del("tap0"));
}

TEST_CASE("ports: an endpoint whose device has gone may be added at another device") {
  Bench bench;
  REQUIRE(bench.add("tap0", "vm1"));
  bench.ports.on_device_gone("tap0");
  bench.directory.run();
  REQUIRE(bench.add("tap1", "vm1"));
  CHECK(bench.ports.list().size() == 1);
  CHECK(bench.active("vm1"));
}

State saved_state() {
  return {.store = {},
          .ports = {{.dev = "tap0",
                     .endpoint = "vm1",
                     .network = "blue",
                     .vni = *Vni::from(100),
                     .mac = *MacAddress::parse("52:54:00:00:00:01"),
                     .ips = {},
                     .generation = 5}},
          .joined = {{.name = "red", .vni = *Vni::from(200)}},
          .detached = {}};
}

void restore(Bench& bench, const State& state) {
  bool done = false;
  bench.ports.restore(state, [&] { done = true; });
  bench.directory.run();
  CHECK(done);
}

TEST_CASE("ports: a restart without a controller puts what it said of networks to use again") {
  Bench bench;
  bench.directory.up = false;
  auto state = saved_state();
  const NetworkSettings blue{.vni = *Vni::from(100),
                             .name = "blue",
                             .tenant = "t",
                             .subnets = {{*Prefix::parse("10.0.0.0/24"), {}}},
                             .revision = 9,
                             .denied = {*Prefix::parse("10.2.0.0/24")}};
  state.networks = {{.settings = blue, .members = {}}};
  restore(bench, state);
  REQUIRE(bench.host.heard.size() == 2);
  CHECK(bench.host.heard[1] == blue);
  CHECK(bench.host.heard[0].revision == 0);
  CHECK(bench.ports.state({}).networks == state.networks);
  CHECK(bench.place("add_network") < bench.place("add_port"));
}

TEST_CASE("ports: whatever is saved during a restart, no port is missing in it") {
  Bench bench;
  bench.directory.up = false;
  bench.host.devices = {"tap1", "tap2"};
  auto state = saved_state();
  for (const auto* dev : {"tap1", "tap2"}) {
    auto port = state.ports[0];
    port.dev = dev;
    port.endpoint = "vm-" + port.dev;
    state.ports.push_back(port);
  }
  state.learning = {{.dev = "tap3", .network = "green", .vni = *Vni::from(300)}};
  bench.host.on_save = [&] {
    const auto saved = bench.ports.state({});
    CHECK(saved.ports.size() == 3);
    CHECK(saved.learning.size() == 1);
    CHECK(saved.joined.size() == 1);
  };
  restore(bench, state);
  CHECK(bench.host.saves > 0);  // of tap0, whose device has gone, the controller has to hear
}

TEST_CASE("ports: after a reboot without a controller a known endpoint is added, and pending") {
  Bench bench;
  bench.directory.up = false;
  bench.host.devices.clear();
  restore(bench, saved_state());
  CHECK(bench.host.shown.at("tap0") == PortState::kAbsent);
  bench.host.devices = {"tap1", "tap2"};
  const auto port = bench.add("tap1", "vm1");  // its device has another name now
  REQUIRE(port);
  CHECK(port->state == PortState::kPending);
  CHECK(port->mac == saved_state().ports[0].mac);
  CHECK(bench.host.ports.size() == 1);
  CHECK(bench.host.locals.size() == 1);
  CHECK(bench.ports.list().size() == 1);
  CHECK(bench.ports.state({}).detached.empty());
  CHECK_FALSE(bench.add("tap2", "vm2"));  // of which nothing is known here

  bench.directory.endpoints.at("vm1").generation = 5;
  bench.ready();
  CHECK(bench.host.shown.at("tap1") == PortState::kActive);
  CHECK(bench.active("vm1"));
  CHECK(bench.directory.joined.contains(100));
}

TEST_CASE("ports: a restart takes over, and the controller confirms") {
  Bench bench;
  bench.directory.up = false;
  bench.attach_here("vm1", 5);
  restore(bench, saved_state());
  CHECK(bench.host.shown.at("tap0") == PortState::kPending);
  CHECK(bench.host.ports.size() == 1);
  CHECK(bench.host.networks.size() == 2);
  CHECK(bench.ports.state({}).ports == saved_state().ports);
  CHECK(bench.ports.state({}).joined == saved_state().joined);
  bench.ready();
  CHECK(bench.host.shown.at("tap0") == PortState::kActive);
  CHECK(bench.directory.joined == std::set<std::uint32_t>{100, 200});
  CHECK(bench.endpoint("vm1").generation == 5);
}

TEST_CASE("ports: a port of the file whose endpoint is another's now is lost") {
  Bench bench;
  auto& endpoint = bench.directory.endpoints.at("vm1");
  endpoint.state = Attachment::State::kActive;
  endpoint.host = HostId{2};
  endpoint.generation = 6;
  bench.host.names[HostId{2}] = "kvm2";
  restore(bench, saved_state());
  bench.ready();
  CHECK(bench.host.shown.at("tap0") == PortState::kLost);
  CHECK(bench.ports.find("tap0")->owner == "kvm2");
  CHECK(bench.host.ports.empty());
  CHECK(bench.endpoint("vm1").host == HostId{2});
}

TEST_CASE("ports: a port of the file whose endpoint was deleted is lost") {
  Bench bench;
  bench.directory.endpoints.erase("vm1");
  restore(bench, saved_state());
  bench.ready();
  CHECK(bench.host.shown.at("tap0") == PortState::kLost);
}

TEST_CASE("ports: a controller that forgot the attachment is told again") {
  Bench bench;
  REQUIRE(bench.add("tap0", "vm1"));
  bench.directory.endpoints.at("vm1").state = Attachment::State::kGone;
  bench.directory.joined.clear();
  bench.ready();
  CHECK(bench.active("vm1"));
  CHECK(bench.directory.joined.size() == 1);
  CHECK(bench.ports.find("tap0")->generation == bench.endpoint("vm1").generation);
}

TEST_CASE("ports: a port of the file waits for its device") {
  Bench bench;
  bench.host.devices.erase("tap0");
  bench.attach_here("vm1", 5);
  restore(bench, saved_state());
  CHECK(bench.host.shown.at("tap0") == PortState::kAbsent);
  bench.ready();
  CHECK_FALSE(bench.active("vm1"));  // nobody could reach it here
  bench.host.devices.insert("tap0");
  bench.ports.on_device_back("tap0", false);
  bench.directory.run();
  CHECK(bench.host.shown.at("tap0") == PortState::kActive);
  CHECK(bench.host.ports.size() == 1);
  CHECK(bench.active("vm1"));
}

// It was saved while the device had not come yet, as after a reboot.
TEST_CASE("ports: a detach of the file is not owed of a port whose device is there") {
  Bench bench;
  bench.attach_here("vm1", 5);
  bench.directory.up = false;
  auto saved = saved_state();
  saved.detached.push_back({.endpoint = "vm1", .generation = 5});
  restore(bench, saved);
  CHECK(bench.ports.state({}).detached.empty());
  bench.ready();
  CHECK(bench.count("detach vm1") == 0);
  CHECK(bench.host.shown.at("tap0") == PortState::kActive);
  CHECK(bench.endpoint("vm1").generation == 5);
}

TEST_CASE("ports: a device that comes back without a controller is saved as one that is here") {
  Bench bench;
  bench.directory.up = false;
  bench.host.devices.erase("tap0");
  restore(bench, saved_state());
  CHECK(bench.ports.state({}).detached.size() == 1);
  std::size_t owed = 1;
  bench.host.on_save = [&] { owed = bench.ports.state({}).detached.size(); };
  bench.host.devices.insert("tap0");
  bench.ports.on_device_back("tap0", false);
  bench.directory.run();
  CHECK(owed == 0);
}

TEST_CASE("ports: a port of the file whose device cannot be made a port is not here") {
  Bench bench;
  bench.attach_here("vm1", 5);
  bench.host.fail = "add_port";  // as when it goes at that moment
  restore(bench, saved_state());
  CHECK(bench.ports.find("tap0")->state == PortState::kAbsent);
  bench.ready();
  CHECK_FALSE(bench.active("vm1"));
}

TEST_CASE("ports: a session that ends while ports are confirmed changes nothing") {
  Bench bench;
  REQUIRE(bench.add("tap0", "vm1"));
  REQUIRE(bench.add("tap1", "vm2"));
  bench.directory.fail = "lose prepare";
  bench.ready();
  CHECK(bench.host.shown.at("tap0") == PortState::kActive);
  CHECK(bench.host.shown.at("tap1") == PortState::kActive);
  CHECK(bench.host.ports.size() == 2);
  bench.directory.fail.clear();
  bench.ready();
  CHECK(bench.active("vm1"));
}

TEST_CASE("ports: join and leave by command") {
  Bench bench;
  std::optional<Result<Vni>> result;
  const auto done = [&](const Result<Vni>& vni) { result.emplace(vni); };
  bench.ports.join("blue", done);
  bench.directory.run();
  REQUIRE(result->ok());
  CHECK((*result)->value() == 100);
  CHECK(bench.host.networks.size() == 1);
  REQUIRE(bench.add("tap0", "vm1"));
  bench.ports.leave("blue", done);
  bench.directory.run();
  CHECK(result->ok());
  CHECK(bench.host.networks.size() == 1);  // the port has it
  REQUIRE(bench.del("tap0"));
  bench.directory.run();
  bench.check_clean();
  bench.ports.leave("blue", done);
  REQUIRE_FALSE(result->ok());
  CHECK(result->error().message == "this host has not joined network \"blue\"");
  bench.ports.join("nosuch", done);
  bench.directory.run();
  CHECK(result->error().code == ErrorCode::kNotFound);
}

TEST_CASE("ports: security is on unless it is said to be off, and is not changed by another add") {
  Bench bench;
  CHECK(bench.add("tap0", "vm1")->security);
  const auto open = bench.add("tap1", "vm2", false);
  REQUIRE(open);
  CHECK_FALSE(open->security);
  for (const auto& saved : bench.ports.state({}).ports)
    CHECK(saved.security == (saved.dev == "tap0"));
  // What is left out is not compared.
  CHECK(bench.add("tap1", "vm2"));
  CHECK(bench.add("tap1", "vm2", false));
  const auto refused = bench.add("tap1", "vm2", true);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kExists);
  CHECK(refused.error().message ==
        "device \"tap1\" is the port of endpoint \"vm2\" with security off");
  CHECK_FALSE(bench.add("tap0", "vm1", false));
}

TEST_CASE("ports: security is what it was after a restart") {
  Bench bench;
  auto saved = saved_state();
  saved.ports.at(0).security = false;
  restore(bench, saved);
  CHECK_FALSE(bench.ports.find("tap0")->security);
  CHECK(bench.ports.state({}).ports == saved.ports);
}

TEST_CASE("ports: addresses that changed are known at the port, and saved") {
  Bench bench;
  const auto ips = [](const char* one) { return std::vector{*IpAddress::parse(one)}; };
  bench.directory.endpoints.at("vm1").ips = ips("10.0.0.1");
  REQUIRE(bench.add("tap0", "vm1"));
  CHECK(bench.host.own.at("tap0") == ips("10.0.0.1"));
  const auto saves = bench.host.saves;

  auto changed = bench.endpoint("vm1");
  changed.ips = ips("10.0.0.2");
  bench.ports.on_readdressed(changed);
  CHECK(bench.host.own.at("tap0") == ips("10.0.0.2"));
  CHECK(bench.ports.state({}).ports.at(0).ips == ips("10.0.0.2"));
  CHECK(bench.host.saves == saves + 1);

  SECTION("what is told again changes nothing") {
    bench.ports.on_readdressed(changed);
    CHECK(bench.host.saves == saves + 1);
  }
  SECTION("an older word changes nothing") {
    changed.ips = ips("10.0.0.3");
    --changed.generation;
    bench.ports.on_readdressed(changed);
    CHECK(bench.host.own.at("tap0") == ips("10.0.0.2"));
  }
  SECTION("what changed while there was no session is found at the next") {
    bench.directory.endpoints.at("vm1").ips = ips("10.0.0.4");
    bench.ready();
    CHECK(bench.host.own.at("tap0") == ips("10.0.0.4"));
  }
}

TEST_CASE("ports: changes asked for together are done one after another") {
  Bench bench;
  std::vector<std::string> order;
  bench.ports.add({"tap0", "vm1"},
                  [&](const auto& result) { order.push_back(result ? "added" : "refused"); });
  bench.ports.del("tap0",
                  [&](const Status& status) { order.push_back(status ? "deleted" : "refused"); });
  bench.ports.add({"tap0", "vm2"},
                  [&](const auto& result) { order.push_back(result ? "added" : "refused"); });
  bench.directory.run();
  CHECK(order == std::vector<std::string>{"added", "deleted", "added"});
  CHECK(bench.ports.find("tap0")->endpoint == "vm2");
}

}  // namespace
}  // namespace dove::agent
