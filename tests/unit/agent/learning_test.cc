#include "agent/learning.h"

#include <optional>

#include "tests/catch.h"
#include "tests/unit/agent/fakes.h"

namespace dove::agent {
namespace {

using std::chrono::seconds;

const MacAddress kRouter{{0x02, 0, 0x5e, 0x64, 0, 1}};

MacAddress mac(unsigned number) {
  return MacAddress{
      {0x02, 0, 0, 0, static_cast<std::uint8_t>(number >> 8U), static_cast<std::uint8_t>(number)}};
}
IpAddress ip(const char* text) { return *IpAddress::parse(text); }

// Keeps what it is told; its walls stand when the test says so.
struct FakeWalls final : LearningHost {
  explicit FakeWalls(FakeDirectory& the_directory) : directory{the_directory} {}

  HostId self() const override { return directory.self; }
  void set_learned_local(const std::string&, const MacKey& guest, bool here) override {
    here ? void(locals.insert(guest.mac)) : void(locals.erase(guest.mac));
  }
  void let_in(const std::string& dev, std::function<void()> done) override {
    calls.push_back("let in " + dev);
    waiting.push_back(std::move(done));
  }
  void say_again(const GuestHeard& heard) override { said.push_back(heard); }
  void probe(const std::string& /*dev*/, const MacKey& guest, const IpAddress& address) override {
    probed.emplace_back(guest.mac, address);
  }
  void on_learned(const std::string& /*dev*/) override { ++changes; }
  void on_refused(const std::string& /*dev*/, const std::string& why) override {
    refusals.push_back(why);
  }
  bool raise() {
    const auto due = std::exchange(waiting, {});
    for (const auto& done : due) done();
    return !due.empty();
  }

  FakeDirectory& directory;
  Calls calls;
  std::set<MacAddress> locals;
  std::vector<std::function<void()>> waiting;
  std::vector<GuestHeard> said;
  std::vector<std::pair<MacAddress, IpAddress>> probed;
  std::vector<std::string> refusals;
  int changes = 0;
};

// A port of a network that learns.
struct Bench {
  Calls calls;
  FakeDirectory directory{calls};
  FakeWalls host{directory};
  Learning learning{directory, host, {.ageing = seconds{10}, .refusal = seconds{5}}};
  TimePoint now{seconds{1000}};
  const Vni vni = *Vni::from(100);

  Bench() {
    learn(true);
    learning.add_port("tap0", vni, std::nullopt);
    learning.add_port("tap1", vni, std::nullopt);
  }
  void learn(bool on) {
    NetworkSettings settings = network_named("blue", 100);
    settings.learn = on;
    settings.revision = 1;
    settings.subnets = {{*Prefix::parse("10.0.0.0/24"), ip("10.0.0.1")},
                        {*Prefix::parse("fd00::/64"), ip("fd00::1")}};
    learning.set_network(settings, kRouter);
  }
  GuestHeard frame(const MacAddress& from, std::optional<IpAddress> address, bool claimed = true) {
    return {.port = IfIndex{7},
            .guest = {vni, from},
            .ip = address,
            .claimed = claimed,
            .held = {std::byte{1}}};
  }
  // Until nothing more happens.
  void run() {
    do directory.run();
    while (host.raise());
  }
  void heard(const MacAddress& from, std::optional<IpAddress> address, const char* dev = "tap0",
             bool claimed = true) {
    learning.heard(dev, frame(from, address, claimed), now);
    run();
  }
  void pass(int time) {
    for (int i = 0; i < time; ++i) {
      now += seconds{1};
      learning.on_time(now);
      run();
    }
  }
  std::size_t count(const std::string& call) const {
    return static_cast<std::size_t>(std::count(calls.begin(), calls.end(), call));
  }
  const Learning::Guest* guest(unsigned number) { return learning.find({vni, mac(number)}); }
  Learning::Counters counters(const char* dev = "tap0") { return learning.counters().at(dev); }
  using Ips = std::vector<IpAddress>;
};

TEST_CASE("learning: the way is open before anybody is told, and then the first word is said") {
  Bench bench;
  bench.learning.heard("tap0", bench.frame(mac(1), ip("10.0.0.5")), bench.now);
  bench.directory.run();
  CHECK(bench.calls == Calls{"check"});
  CHECK(bench.host.calls == Calls{"let in tap0"});
  CHECK(bench.learning.let_in("tap0").at(mac(1)) == Bench::Ips{ip("10.0.0.5")});
  CHECK(bench.host.locals.contains(mac(1)));
  CHECK(bench.guest(1) == nullptr);
  CHECK(bench.host.said.empty());
  bench.run();
  CHECK(bench.calls == Calls{"check", "learn"});
  REQUIRE(bench.guest(1) != nullptr);
  CHECK(bench.guest(1)->ips == Bench::Ips{ip("10.0.0.5")});
  CHECK(bench.host.said.size() == 1);
  CHECK(*bench.learning.port_of({bench.vni, mac(1)}) == "tap0");
  CHECK(bench.counters().learned == 1);
  CHECK(bench.learning.state().size() == 1);
}

TEST_CASE("learning: one question a guest, and more addresses as they are heard") {
  Bench bench;
  for (const auto* address : {"10.0.0.5", "10.0.0.5", "fd00::5"})
    bench.learning.heard("tap0", bench.frame(mac(1), ip(address)), bench.now);
  bench.run();
  CHECK(bench.count("check") == 2);
  CHECK(bench.guest(1)->ips == Bench::Ips{ip("10.0.0.5"), ip("fd00::5")});
  bench.heard(mac(1), ip("10.0.0.5"));
  CHECK(bench.count("check") == 2);
}

TEST_CASE("learning: what a guest says with several addresses before it is known is all said") {
  Bench bench;
  bench.learning.heard("tap0", bench.frame(mac(1), ip("fe80::1")), bench.now);  // its MLD report
  for (const auto* address : {"10.0.0.5", "fd00::5", "10.0.0.6"})
    bench.learning.heard("tap0", bench.frame(mac(1), ip(address), false), bench.now);
  bench.run();
  REQUIRE(bench.host.said.size() == 4);
  CHECK(bench.guest(1)->ips == Bench::Ips{ip("10.0.0.5"), ip("fd00::5"), ip("10.0.0.6")});
}

TEST_CASE("learning: what was said with another's address is not said, nor what is too many") {
  Bench bench;
  bench.directory.taken = {{ip("10.0.0.5"), false}};
  for (const auto* address : {"fe80::1", "10.0.0.5", "10.0.0.1", "10.0.0.6", "10.0.0.6"})
    bench.learning.heard("tap0", bench.frame(mac(1), ip(address), false), bench.now);
  bench.run();
  CHECK(bench.host.said.size() == 2);
  CHECK(bench.guest(1)->ips == Bench::Ips{ip("10.0.0.6")});
}

TEST_CASE(
    "learning: what a known guest says with another's address keeps nothing of its own back") {
  Bench bench;
  bench.directory.taken = {{ip("10.0.0.5"), false}};
  for (int i = 0; i < 10; ++i) bench.heard(mac(1), ip("10.0.0.5"), "tap0", false);
  bench.host.said.clear();
  bench.pass(6);
  bench.heard(mac(1), ip("10.0.0.7"), "tap0", false);
  REQUIRE(bench.host.said.size() == 1);
  CHECK(bench.host.said.front().ip == ip("10.0.0.7"));
}

TEST_CASE("learning: addresses that no guest can have are not asked for") {
  Bench bench;
  for (const auto* address : {"10.0.0.1", "10.0.0.0", "10.1.0.5", "fe80::5", "fd00::1"})
    bench.heard(mac(1), ip(address));
  CHECK(bench.count("learn") == 1);
  CHECK(bench.guest(1)->ips.empty());
}

TEST_CASE("learning: what is registered is refused, and not asked for again for a while") {
  Bench bench;
  bench.directory.registered = {mac(1)};
  for (int i = 0; i < 5; ++i) bench.heard(mac(1), ip("10.0.0.5"));
  CHECK(bench.count("check") == 1);
  CHECK(bench.counters().refused == 5);
  CHECK(bench.host.refusals.size() == 1);
  CHECK(bench.host.locals.empty());
  CHECK(bench.learning.let_in("tap0").empty());
  bench.pass(6);
  bench.heard(mac(1), ip("10.0.0.5"));
  CHECK(bench.count("check") == 2);
}

TEST_CASE("learning: an address of another's is refused alone; one that is claimed may be taken") {
  Bench bench;
  bench.directory.taken = {{ip("10.0.0.5"), false}, {ip("10.0.0.6"), true}};
  bench.heard(mac(1), ip("10.0.0.5"));
  REQUIRE(bench.guest(1) != nullptr);
  CHECK(bench.guest(1)->ips.empty());
  CHECK(bench.host.said.empty());  // what was said in its name
  for (int i = 0; i < 3; ++i) bench.heard(mac(1), ip("10.0.0.5"));
  CHECK(bench.count("check") == 1);
  bench.heard(mac(1), ip("10.0.0.6"), "tap0", false);
  CHECK(bench.guest(1)->ips.empty());
  bench.pass(6);
  bench.heard(mac(1), ip("10.0.0.6"));
  CHECK(bench.guest(1)->ips == Bench::Ips{ip("10.0.0.6")});
}

TEST_CASE("learning: who speaks for a gateway is counted, and does not get its address") {
  Bench bench;
  bench.heard(mac(1), ip("10.0.0.1"), "tap0", false);
  CHECK(bench.counters().refused == 0);
  bench.heard(mac(1), ip("10.0.0.1"));
  CHECK(bench.counters().refused == 1);
  CHECK(bench.host.refusals == std::vector<std::string>{"IP 10.0.0.1 is a gateway's"});
  REQUIRE(bench.guest(1) != nullptr);
  CHECK(bench.guest(1)->ips.empty());
}

TEST_CASE("learning: the router is nobody, and the port's own endpoint is not learned") {
  Bench bench;
  bench.heard(kRouter, ip("10.0.0.5"));
  CHECK(bench.counters().refused == 1);
  bench.learning.add_port("tap2", bench.vni, mac(9));
  bench.heard(mac(9), ip("10.0.0.9"), "tap2");
  CHECK(bench.calls.empty());
  bench.heard(mac(10), ip("10.0.0.10"), "tap2");  // behind it
  CHECK(bench.guest(10) != nullptr);
}

TEST_CASE("learning: a network that does not learn, and no controller, learn nothing") {
  Bench bench;
  bench.learn(false);
  bench.heard(mac(1), ip("10.0.0.5"));
  CHECK(bench.calls.empty());
  bench.learn(true);
  bench.directory.up = false;
  bench.heard(mac(1), ip("10.0.0.5"));
  CHECK(bench.calls.empty());
}

TEST_CASE(
    "learning: a session that ends in between leaves nothing, and the next word begins anew") {
  Bench bench;
  for (const auto* when : {"lose check", "lose learn"}) {
    bench.directory.fail = when;
    bench.heard(mac(1), ip("10.0.0.5"));
    CHECK(bench.guest(1) == nullptr);
    CHECK(bench.host.locals.empty());
    bench.directory.fail.clear();
    bench.directory.up = true;
  }
  bench.heard(mac(1), ip("10.0.0.5"));
  CHECK(bench.guest(1) != nullptr);
}

TEST_CASE("learning: who is silent is asked, stays when it answers, and else leaves") {
  Bench bench;
  bench.heard(mac(1), ip("10.0.0.5"));
  bench.heard(mac(2), ip("10.0.0.6"));
  bench.pass(9);
  CHECK(bench.host.probed.empty());
  bench.pass(2);
  REQUIRE(bench.host.probed.size() >= 2);
  bench.heard(mac(1), ip("10.0.0.5"));  // its answer
  bench.pass(5);
  CHECK(bench.guest(1) != nullptr);
  CHECK(bench.guest(2) == nullptr);
  CHECK_FALSE(bench.host.locals.contains(mac(2)));
  CHECK(bench.count("unlearn") == 1);
  CHECK(bench.counters().aged == 1);
  CHECK_FALSE(bench.directory.endpoints.contains(FakeDirectory::dynamic_name({bench.vni, mac(2)})));
}

TEST_CASE("learning: an address leaves alone, and a guest that sends is not silent") {
  Bench bench;
  bench.heard(mac(1), ip("10.0.0.5"));
  bench.heard(mac(1), ip("10.0.0.6"));
  for (int i = 0; i < 20; ++i) {
    bench.pass(1);
    bench.learning.active("tap0", mac(1), ip("10.0.0.6"), bench.now);
  }
  REQUIRE(bench.guest(1) != nullptr);
  CHECK(bench.guest(1)->ips == Bench::Ips{ip("10.0.0.6")});
  CHECK(bench.count("unlearn") == 1);
}

TEST_CASE("learning: nobody ages without a controller") {
  Bench bench;
  bench.heard(mac(1), ip("10.0.0.5"));
  bench.directory.up = false;
  bench.pass(60);
  CHECK(bench.guest(1) != nullptr);
}

TEST_CASE("learning: after duplicate address detection it is asked whether it has the address") {
  Bench bench;
  auto detection = bench.frame(mac(1), std::nullopt, false);
  detection.tentative = ip("fd00::5");
  bench.learning.heard("tap0", detection, bench.now);
  bench.run();
  CHECK(bench.guest(1)->ips.empty());
  bench.pass(1);
  CHECK(bench.host.probed.empty());
  bench.pass(2);
  CHECK(bench.host.probed == std::vector{std::pair{mac(1), ip("fd00::5")}});
}

TEST_CASE("learning: the bounds of a port and of a guest") {
  Bench bench;
  for (unsigned i = 0; i < 3 * Learning::kPerPort; ++i) bench.heard(mac(i), std::nullopt);
  CHECK(bench.learning.count("tap0") == Learning::kPerPort);
  CHECK(bench.counters().over_bound == 2 * Learning::kPerPort);
  CHECK(bench.count("learn") == Learning::kPerPort);
  bench.heard(mac(5000), std::nullopt, "tap1");  // another's business
  CHECK(bench.learning.count("tap1") == 1);
  for (unsigned i = 10; i < 100; ++i)
    bench.heard(mac(0), ip(("10.0.0." + std::to_string(i)).c_str()));
  CHECK(bench.guest(0)->ips.size() == Learning::kAddressesPerGuest);
}

TEST_CASE("learning: refusals are bounded too") {
  Bench bench;
  for (unsigned i = 0; i < 1000; ++i) bench.directory.registered.insert(mac(i));
  for (unsigned i = 0; i < 1000; ++i) bench.heard(mac(i), std::nullopt);
  CHECK(bench.count("check") == Learning::kRefusedPerPort);
}

TEST_CASE("learning: a guest moves to another port of the host without a new endpoint") {
  Bench bench;
  bench.heard(mac(1), ip("10.0.0.5"));
  bench.heard(mac(1), ip("10.0.0.5"), "tap1");
  REQUIRE(bench.guest(1) != nullptr);
  CHECK(*bench.learning.port_of({bench.vni, mac(1)}) == "tap1");
  CHECK(bench.guest(1)->generation == 1);
  CHECK(bench.count("unlearn") == 0);
  CHECK(bench.learning.count("tap0") == 0);
  CHECK(bench.host.locals.contains(mac(1)));
  bench.heard(mac(1), ip("10.0.0.5"));  // two that fight over it do so slowly
  CHECK(*bench.learning.port_of({bench.vni, mac(1)}) == "tap1");
}

TEST_CASE("learning: who is lost to another host goes, by a word that is not old") {
  Bench bench;
  bench.heard(mac(1), ip("10.0.0.5"));
  auto lost = bench.directory.endpoints.begin()->second;
  lost.host = HostId{2};
  lost.generation = 0;
  CHECK(bench.learning.on_lost(lost, bench.now));
  CHECK(bench.guest(1) != nullptr);
  lost.generation = 2;
  CHECK(bench.learning.on_lost(lost, bench.now));
  CHECK(bench.guest(1) == nullptr);
  CHECK(bench.counters().moved == 1);
  CHECK(bench.count("unlearn") == 0);
  CHECK_FALSE(bench.learning.on_lost(lost, bench.now));
}

TEST_CASE("learning: addresses that others took are theirs") {
  Bench bench;
  bench.heard(mac(1), ip("10.0.0.5"));
  auto now = bench.directory.endpoints.begin()->second;
  now.ips = {ip("fe80::77")};
  CHECK(bench.learning.on_readdressed(now));
  CHECK(bench.guest(1)->ips == now.ips);
  CHECK(bench.learning.let_in("tap0").at(mac(1)) == now.ips);
  now.mac = mac(2);
  CHECK_FALSE(bench.learning.on_readdressed(now));
}

TEST_CASE("learning: a port that goes takes its guests along") {
  Bench bench;
  bench.heard(mac(1), ip("10.0.0.5"));
  bench.learning.remove_port("tap0");
  bench.run();
  CHECK(bench.guest(1) == nullptr);
  CHECK(bench.directory.endpoints.empty());
  CHECK(bench.host.locals.empty());
}

TEST_CASE("learning: an answer for a port that has gone is taken back") {
  Bench bench;
  bench.learning.heard("tap0", bench.frame(mac(1), ip("10.0.0.5")), bench.now);
  bench.directory.run();
  REQUIRE(bench.host.raise());
  bench.learning.remove_port("tap0");
  bench.run();
  CHECK(bench.count("unlearn") == 1);
  CHECK(bench.directory.endpoints.empty());
}

// As when its disk is full.
TEST_CASE("learning: what the controller could not forget it is told again, unless it is back") {
  Bench bench;
  for (unsigned i = 1; i <= 3; ++i) bench.heard(mac(i), ip("10.0.0.5"), i == 3 ? "tap1" : "tap0");
  bench.heard(mac(3), ip("10.0.0.6"), "tap1");
  const auto is_known = [&](unsigned number) {
    return bench.directory.endpoints.contains(
        FakeDirectory::dynamic_name({bench.vni, mac(number)}));
  };
  bench.directory.fail = "unlearn";
  bench.directory.fail_code = ErrorCode::kSystem;
  bench.learning.remove_port("tap0");
  bench.run();
  for (int i = 0; i < 20; ++i) {  // the address that it used first ages
    bench.learning.active("tap1", mac(3), ip("10.0.0.6"), bench.now);
    bench.pass(1);
  }
  CHECK(bench.guest(3)->ips == Bench::Ips{ip("10.0.0.6")});
  CHECK((is_known(1) && is_known(2)));
  CHECK(bench.count("unlearn") >= 3);
  CHECK(bench.count("unlearn") <= 9);  // every ten seconds

  bench.directory.fail.clear();
  bench.heard(mac(2), std::nullopt, "tap1");
  for (int i = 0; i < 10; ++i) {
    bench.learning.active("tap1", mac(3), ip("10.0.0.6"), bench.now);
    bench.learning.active("tap1", mac(2), std::nullopt, bench.now);
    bench.pass(1);
  }
  CHECK_FALSE(is_known(1));
  CHECK(is_known(2));
  const auto& ips =
      bench.directory.endpoints.at(FakeDirectory::dynamic_name({bench.vni, mac(3)})).ips;
  CHECK(ips == Bench::Ips{ip("10.0.0.6")});
  const auto said = bench.count("unlearn");
  for (int i = 0; i < 30; ++i) {
    bench.learning.active("tap1", mac(3), ip("10.0.0.6"), bench.now);
    bench.learning.active("tap1", mac(2), std::nullopt, bench.now);
    bench.pass(1);
  }
  CHECK(bench.count("unlearn") <= said + 1);  // an address of the second that was kept, perhaps
}

TEST_CASE("learning: at a new session it says whom it has, and hears what became of them") {
  Bench bench;
  for (unsigned i = 1; i <= 3; ++i) bench.heard(mac(i), std::nullopt);
  bench.directory.endpoints.at(FakeDirectory::dynamic_name({bench.vni, mac(1)})).host = HostId{2};
  bench.directory.endpoints.erase(FakeDirectory::dynamic_name({bench.vni, mac(2)}));
  bench.learning.on_session_ready(true);
  bench.run();
  CHECK(bench.directory.kept.size() == 3);
  CHECK(bench.guest(1) == nullptr);  // it has moved
  CHECK(bench.guest(2) != nullptr);  // unknown there: learned again
  CHECK(bench.guest(3) != nullptr);
  CHECK(bench.directory.endpoints.contains(FakeDirectory::dynamic_name({bench.vni, mac(2)})));
}

TEST_CASE("learning: with a damaged memory it takes nothing from the controller") {
  Bench bench;
  bench.heard(mac(1), std::nullopt);
  bench.directory.kept.clear();
  bench.learning.on_session_ready(false);
  bench.run();
  CHECK(bench.directory.kept.empty());
  CHECK(bench.guest(1) != nullptr);
}

TEST_CASE("learning: what an earlier doved learned is let in at once") {
  Bench bench;
  bench.heard(mac(1), ip("10.0.0.5"));
  const auto saved = bench.learning.state();
  Learning again{bench.directory, bench.host, {.ageing = seconds{10}}};
  again.restore(saved, bench.now);
  again.add_port("tap0", bench.vni, std::nullopt);
  CHECK(again.let_in("tap0").at(mac(1)) == Bench::Ips{ip("10.0.0.5")});
  CHECK(again.state() == saved);
  again.on_session_ready(true);
  bench.run();
  CHECK(again.find({bench.vni, mac(1)}) != nullptr);
}

}  // namespace
}  // namespace dove::agent
