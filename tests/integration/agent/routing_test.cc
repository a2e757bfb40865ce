// Routing by the kernel and policies in it, with the test in the resolver's place: networks 100
// (10.0.0.0/24, fd00:1::/64) and 200 (10.2.0.0/24, fd00:2::/64), the guest in the first.
#include <fmt/format.h>

#include <algorithm>

#include "tests/integration/agent/traffic.h"

namespace dove::agent::test {
namespace {

constexpr const char* kGuestMac = "02:00:00:00:00:0a";
constexpr const char* kOtherMac = "02:00:00:00:00:0b";
const MacAddress kRouterMac{{0x02, 0xd0, 0, 0, 0, 1}};
const Router kRouter{kRouterMac,
                     {*IpAddress::parse("10.0.0.254"), *IpAddress::parse("fd00:1::fe")}};
const Router kOtherRouter{kRouterMac, {*IpAddress::parse("10.2.0.254")}};
const Vtep kPeer{*IpAddress::parse("192.0.2.2")};
const RoutedMacs kToOther{*MacAddress::parse(kOtherMac), kRouterMac};

std::string router_entry(const std::string& device = "dvx100") {
  for (const auto& entry : bridge_json("fdb show dev " + device)) {
    if (entry.at("mac") != kRouterMac.to_string()) continue;
    std::string text = entry.value("dst", "");
    if (entry.contains("viaIf")) text += " via " + entry.at("viaIf").get<std::string>();
    for (const auto& flag : entry.at("flags"))
      if (flag == "router") text += " router";
    return text + " " + entry.value("state", "");
  }
  return "absent";
}

std::vector<std::string> gateways() {
  std::vector<std::string> all;
  for (const auto& entry : ip_json("neigh show dev dvx100 nud permanent"))
    if (entry.at("lladdr") == kRouterMac.to_string()) all.push_back(entry.at("dst"));
  std::sort(all.begin(), all.end());
  return all;
}

const std::string kPunted = "169.254.77.65 via dvpunt router static";

void give_route(const Guest& guest, const char* gateway) {
  guest.machine.run(fmt::format("ip route add default via {}", gateway));
}

// A guest in network 100 of this host, and its router.
struct RoutedHost {
  explicit RoutedHost(const char* address = "10.0.0.1/24",
                      const DatapathOptions& options = default_options())
      : guest{"port0", kGuestMac, address}, host{options} {
    host->start();
    host.add_guest(guest, vni(100));
    take(host->set_router(vni(100), kRouter));
  }
  // Of the punted ones, those for the router.
  std::vector<PuntedFrame> routed() const {
    std::vector<PuntedFrame> frames;
    for (const auto& frame : host.heard.punted)
      if (frame.destination.mac == kRouterMac) frames.push_back(frame);
    return frames;
  }
  Underlay underlay;
  Guest guest;
  Switch host;
};

// A guest of the other host in network 200, whose answers come back by themselves.
void other_guest_elsewhere(RoutedHost& on) {
  on.underlay.remote_guest(200, kOtherMac, "10.2.0.2/24");
  const auto& peer = on.underlay.peer;
  peer.run("ip route add 10.0.0.1 dev vx200");
  peer.run(fmt::format("ip neigh add 10.0.0.1 lladdr {} dev vx200", kGuestMac));
  peer.run(fmt::format("bridge fdb add {} dev vx200 dst 192.0.2.1 vni 100", kGuestMac));
}

// The same on this host.
struct OtherGuestHere {
  explicit OtherGuestHere(RoutedHost& on) : guest{"port1", kOtherMac, "10.2.0.2/24"} {
    give_route(guest, "10.2.0.254");
    on.host.add_guest(guest, vni(200));
    take(on.host->set_router(vni(200), kOtherRouter));
  }
  Guest guest;
};

std::vector<KernelChange> routes_between(const Vtep& other, const Vtep& own) {
  return {SetFdb{{vni(100), mac(kOtherMac)}, other, vni(200)},
          SetNeighbour{{vni(100), ip("10.2.0.2")}, mac(kOtherMac)},
          SetFdb{{vni(200), mac(kGuestMac)}, own, vni(100)},
          SetNeighbour{{vni(200), ip("10.0.0.1")}, mac(kGuestMac)}};
}

std::uint64_t counted(Switch& host, const std::string& name) {
  std::optional<std::uint64_t> value;
  host->wall_counters([&](const auto& counters) { value = take(counters).at(name); });
  REQUIRE(host.until([&] { return value.has_value(); }));
  return *value;
}

bool has_policy() {
  return succeeds("nft list set bridge dove denied4-100 2>/dev/null | grep -q 10.2.0.0/24");
}

TEST_CASE(
    "the kernel answers for the gateway, and a packet for nobody known is missed and punted") {
  RoutedHost on;
  CHECK(router_entry() == kPunted);
  CHECK(gateways() == std::vector<std::string>{"10.0.0.254", "fd00:1::fe"});
  give_route(on.guest, "10.0.0.254");
  const Ping ping{on.guest, "-c 1 -W 1 10.2.0.2"};
  REQUIRE(on.host.until([&] { return !on.routed().empty() && !on.host.heard.ip_misses.empty(); }));
  const auto frame = on.routed().front();
  CHECK(frame.destination.vni == vni(100));
  CHECK(frame.source == mac(kGuestMac));
  CHECK(frame.ip == ip("10.2.0.2"));
  const auto& misses = on.host.heard.ip_misses;
  CHECK(std::count(misses.begin(), misses.end(), IpKey{vni(100), ip("10.2.0.2")}) == 1);
}

TEST_CASE("over IPv6 the gateway is a router to its guests, and a packet is punted likewise") {
  RoutedHost on{"fd00:1::1/64"};
  on.guest.machine.run("ip route add default via fd00:1::fe");
  on.host.run_for(std::chrono::milliseconds{1500});  // the guest's own duplicate detection
  const Ping ping{on.guest, "-c 1 -W 1 fd00:2::2"};
  REQUIRE(on.host.until([&] { return !on.routed().empty(); }));
  CHECK(on.routed().front().ip == ip("fd00:2::2"));
  CHECK(on.guest.machine.run("ip neigh show fd00:1::fe").find("router") != std::string::npos);
}

TEST_CASE("a punted packet sent on as routed is received in the other network") {
  RoutedHost on;
  other_guest_elsewhere(on);
  give_route(on.guest, "10.0.0.254");
  const Ping ping{on.guest, "-c 3 -i 0.2 10.2.0.2"};
  std::size_t sent = 0;
  REQUIRE(on.host.until(
      [&] {
        for (const auto frames = on.routed(); sent < frames.size(); ++sent) {
          Resend resend{frames[sent].packets, kPeer, vni(200), kToOther};
          on.host->resend({&resend, 1});
        }
        return ping.done();
      },
      std::chrono::seconds{10}));
  INFO(ping.output());
  CHECK(ping.lost_nothing());
  CHECK(on.host->counters().resend_errors == 0);
}

TEST_CASE("what is installed the kernel routes to another host") {
  RoutedHost on;
  other_guest_elsewhere(on);
  give_route(on.guest, "10.0.0.254");
  const auto changes = routes_between(kPeer, {ip("192.0.2.1")});
  CHECK(on.host->apply({changes.data(), 2}).empty());
  const Ping ping{on.guest, "-c 3 -i 0.2 10.2.0.2"};
  REQUIRE(on.host.until([&] { return ping.done(); }, std::chrono::seconds{10}));
  CHECK(ping.lost_nothing());
  CHECK(on.routed().empty());
}

TEST_CASE("the kernel hands a routed packet across on one host") {
  RoutedHost on;
  const OtherGuestHere other{on};
  give_route(on.guest, "10.0.0.254");
  const auto changes = routes_between({ip("192.0.2.1")}, {ip("192.0.2.1")});
  CHECK(on.host->apply(changes).empty());
  const Ping ping{on.guest, "-c 3 -i 0.2 10.2.0.2"};
  REQUIRE(on.host.until([&] { return ping.done(); }, std::chrono::seconds{10}));
  CHECK(ping.lost_nothing());
}

TEST_CASE("a packet between subnets of one network reaches a guest on the same bridge") {
  RoutedHost on;
  const Guest other{"port1", kOtherMac, "10.0.1.2/24"};
  give_route(other, "10.0.1.254");
  on.host.add_guest(other, vni(100));
  give_route(on.guest, "10.0.0.254");
  take(on.host->set_router(vni(100), {kRouterMac, {ip("10.0.0.254"), ip("10.0.1.254")}}));
  const std::vector<KernelChange> changes{SetNeighbour{{vni(100), ip("10.0.1.2")}, mac(kOtherMac)},
                                          SetNeighbour{{vni(100), ip("10.0.0.1")}, mac(kGuestMac)}};
  CHECK(on.host->apply(changes).empty());
  const Ping ping{on.guest, "-c 3 -i 0.2 10.0.1.2"};
  REQUIRE(on.host.until([&] { return ping.done(); }, std::chrono::seconds{10}));
  CHECK(ping.lost_nothing());
}

TEST_CASE("what the kernel has routed and then does not know carries the router's MAC") {
  RoutedHost on;
  give_route(on.guest, "10.0.0.254");
  const KernelChange neighbour = SetNeighbour{{vni(100), ip("10.2.0.2")}, mac(kOtherMac)};
  CHECK(on.host->apply({&neighbour, 1}).empty());
  const Ping ping{on.guest, "-c 1 -W 1 10.2.0.2"};
  const auto& punted = on.host.heard.punted;
  const auto is_it = [](const auto& frame) { return frame.source == kRouterMac; };
  REQUIRE(on.host.until([&] { return std::any_of(punted.begin(), punted.end(), is_it); }));
  const auto frame = *std::find_if(punted.begin(), punted.end(), is_it);
  CHECK(frame.destination == MacKey{vni(100), mac(kOtherMac)});
}

TEST_CASE("the router follows its settings, and comes back when somebody takes it") {
  RoutedHost on;
  const MacAddress moved{{0x02, 0xd0, 0, 0, 0, 2}};
  take(on.host->set_router(vni(100), {kRouterMac, {ip("10.0.0.1")}}));
  CHECK(gateways() == std::vector<std::string>{"10.0.0.1"});
  take(on.host->set_router(vni(100), {moved, kRouter.gateways}));
  CHECK(gateways().empty());
  CHECK(router_entry() == "absent");
  take(on.host->set_router(vni(100), kRouter));
  CHECK(gateways().size() == 2);
  on.host.run_for(std::chrono::milliseconds{50});

  run("bridge fdb del " + kRouterMac.to_string() + " dev dvx100");
  CHECK(on.host.until([] { return router_entry() == kPunted; }));
  run("ip neigh del 10.0.0.254 dev dvx100");
  CHECK(on.host.until([] { return gateways().size() == 2; }));
  run("ip link del dvpunt");
  CHECK(on.host.until([] { return router_entry() == kPunted; }));
  run("ip link del dvx100");
  CHECK(on.host.until([] {
    return succeeds("ip link show dev dvx100 >/dev/null 2>&1") && router_entry() == kPunted &&
           gateways().size() == 2;
  }));
  CHECK(on.host.heard.fdb_gone.empty());

  take(on.host->set_router(vni(100), {}));
  CHECK(gateways().empty());
  CHECK(router_entry() == "absent");
}

TEST_CASE("an earlier doved's router and routes are adopted as such") {
  RoutedHost on;
  const auto changes = routes_between(kPeer, {ip("192.0.2.1")});
  CHECK(on.host->apply({changes.data(), 2}).empty());
  on.host.close();
  Switch after;
  take(after->add_network(vni(100)));
  auto adopted = take(after->adopt(vni(100)));
  std::sort(adopted.router.gateways.begin(), adopted.router.gateways.end());
  CHECK(adopted.router == kRouter);
  REQUIRE(adopted.fdb.size() == 1);
  CHECK(adopted.fdb[0].key == MacKey{vni(100), mac(kOtherMac)});
  CHECK(adopted.fdb[0].target == vni(200));
  REQUIRE(adopted.neighbours.size() == 1);
  CHECK(adopted.neighbours[0].key.ip == ip("10.2.0.2"));
  after->forget_unclaimed();
  CHECK(router_entry() == kPunted);
}

TEST_CASE("without a punt the gateway is answered for, and what cannot be routed goes nowhere") {
  auto options = default_options();
  options.miss_mode = MissMode::kNotify;
  RoutedHost on{"10.0.0.1/24", options};
  other_guest_elsewhere(on);
  CHECK(router_entry() == "192.0.2.1 router static");
  give_route(on.guest, "10.0.0.254");
  {
    const Ping ping{on.guest, "-c 1 -W 1 10.2.0.2"};
    REQUIRE(on.host.until([&] { return !on.host.heard.ip_misses.empty(); }));
    REQUIRE(on.host.until([&] { return ping.done(); }, std::chrono::seconds{10}));
  }
  const auto changes = routes_between(kPeer, {ip("192.0.2.1")});
  CHECK(on.host->apply({changes.data(), 2}).empty());
  const Ping ping{on.guest, "-c 3 -i 0.2 10.2.0.2"};
  REQUIRE(on.host.until([&] { return ping.done(); }, std::chrono::seconds{10}));
  CHECK(ping.lost_nothing());
}

// In force when it returns.
void deny(Switch& host, Vni network, const std::vector<const char*>& prefixes) {
  std::vector<Prefix> denied;
  for (const auto* prefix : prefixes) denied.push_back(*Prefix::parse(prefix));
  bool done = false;
  host->set_policy(network, kRouterMac, denied, [&](const Status& status) {
    CHECK(status);
    done = true;
  });
  REQUIRE(host.until([&] { return done; }));
}

TEST_CASE("denied: what the guest sends is dropped before it is routed or punted") {
  RoutedHost on;
  const OtherGuestHere other{on};
  give_route(on.guest, "10.0.0.254");
  const auto changes = routes_between({ip("192.0.2.1")}, {ip("192.0.2.1")});
  CHECK(on.host->apply(changes).empty());
  const auto ping_works = [&] {
    const Ping ping{on.guest, "-c 2 -i 0.2 -W 1 10.2.0.2"};
    REQUIRE(on.host.until([&] { return ping.done(); }, std::chrono::seconds{10}));
    return ping.lost_nothing();
  };
  REQUIRE(ping_works());
  deny(on.host, vni(100), {"10.2.0.0/24", "fd00:2::/64"});
  CHECK(has_policy());
  CHECK_FALSE(ping_works());
  CHECK(counted(on.host, "denied_sent") == 2);
  CHECK(on.routed().empty());

  deny(on.host, vni(100), {});
  CHECK_FALSE(has_policy());
  CHECK(ping_works());
}

TEST_CASE("denied: what comes from the router of a host with an old entry is dropped") {
  RoutedHost on;
  const OtherGuestHere other{on};
  give_route(on.guest, "10.0.0.254");
  const auto changes = routes_between({ip("192.0.2.1")}, {ip("192.0.2.1")});
  CHECK(on.host->apply(changes).empty());
  // Only network 200 knows of the policy: 100 sends by its old entries.
  deny(on.host, vni(200), {"10.0.0.0/24"});
  const Ping ping{on.guest, "-c 2 -i 0.2 -W 1 10.2.0.2"};
  REQUIRE(on.host.until([&] { return ping.done(); }, std::chrono::seconds{10}));
  CHECK_FALSE(ping.lost_nothing());
  CHECK(counted(on.host, "denied_received") == 2);
}

TEST_CASE("policies stand while doved is down, and go with their network") {
  RoutedHost on;
  deny(on.host, vni(100), {"10.2.0.0/24"});
  on.host.close();
  CHECK(has_policy());
  {
    Switch after;
    take(after->add_network(vni(100)));
    after->forget_unclaimed();
    after.run_for(std::chrono::milliseconds{100});
    CHECK(has_policy());  // until the controller says otherwise
    run("nft flush ruleset");
    after->start();
    deny(after, vni(100), {"10.2.0.0/24"});
    CHECK(has_policy());
    run("nft flush ruleset");
    CHECK(after.until(has_policy));
  }
  Switch without;
  without->forget_unclaimed();
  CHECK(without.until([] { return !has_policy(); }));
}

TEST_CASE("overlapping denied subnets are taken as their union") {
  RoutedHost on;
  deny(on.host, vni(100), {"10.2.0.128/25", "10.2.0.0/24", "10.2.0.0/24", "fd00:2::/64"});
  CHECK(has_policy());
  CHECK(on.host.heard.troubles.empty());
}

}  // namespace
}  // namespace dove::agent::test
