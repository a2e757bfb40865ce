#include <algorithm>

#include "tests/integration/agent/traffic.h"

namespace dove::agent::test {
namespace {

constexpr const char* kGuestMac = "02:00:00:00:00:0a";

nlohmann::json link(const std::string& name) { return ip_json("link show dev " + name).at(0); }

bool is_up(const std::string& name) {
  const auto shown = link(name);
  const auto& flags = shown.at("flags");
  return std::find(flags.begin(), flags.end(), "UP") != flags.end();
}

std::string ipv6_of(const std::string& name) {
  return run("cat /proc/sys/net/ipv6/conf/" + name + "/disable_ipv6");
}

TEST_CASE("a port has the flags, the guest's entry and no IPv6; released it is as before") {
  Underlay underlay;
  Guest guest{"port0", kGuestMac, "10.0.0.1/24"};
  run("ip link set port0 mtu 1400");
  const bool was_up = GENERATE(true, false);
  if (was_up) run("ip link set port0 up");
  Switch host;
  const auto port = host.add_guest(guest, vni(100), {{ip("10.0.0.1")}});
  CHECK(port.device == "port0");
  CHECK(port.present);
  CHECK(port.mark == 1U << 20U);
  CHECK(static_cast<int>(port.index) == link("port0").at("ifindex"));
  REQUIRE(host->ports().size() == 1);

  const auto made = link("port0");
  CHECK(made.at("master") == "dvbr100");
  CHECK(made.at("mtu") == 1500);
  CHECK(is_up("port0"));
  CHECK(ipv6_of("port0") == "1\n");
  const auto& flags = made.at("linkinfo").at("info_slave_data");
  CHECK(flags.at("learning") == false);
  CHECK(flags.at("flood") == false);
  CHECK(flags.at("mcast_flood") == true);
  CHECK(flags.at("bcast_flood") == true);
  CHECK(flags.at("locked") == true);
  CHECK(flags.at("isolated") == false);
  CHECK(flags.at("neigh_suppress") == false);
  CHECK(run("bridge fdb show dev port0").find("02:00:00:00:00:0a sticky master dvbr100 static") !=
        std::string::npos);
  CHECK(run("bridge fdb show dev dvx100").find("02:00:00:00:00:0a dst 0.0.0.0 self static") !=
        std::string::npos);

  take(host.remove_port("port0"));
  const auto released = link("port0");
  CHECK(released.value("master", "none") == "none");
  CHECK(released.at("mtu") == 1400);
  CHECK(is_up("port0") == was_up);
  CHECK(ipv6_of("port0") == "0\n");
  CHECK(host->ports().empty());
}

TEST_CASE("what cannot be a port is refused by name, and is not touched") {
  Underlay underlay;
  Switch host;
  take(host->add_network(vni(100)));
  const MacKey guest{vni(100), mac(kGuestMac)};
  const auto refusal = [&](const std::string& device) {
    const auto refused = host.add_port(device, guest);
    REQUIRE_FALSE(refused);
    CHECK(host->ports().empty());
    return refused.error().message;
  };
  CHECK(refusal("nowhere") == "nowhere cannot be a port: there is no such device");
  CHECK(refusal("lo") == "lo cannot be a port: it is not an Ethernet device");
  CHECK(refusal("dvpunt") == "dvpunt cannot be a port: it is not an Ethernet device");
  CHECK(refusal("dvbr100") == "dvbr100 cannot be a port: it is a device of dove's own");
  CHECK(refusal("dvx100") == "dvx100 cannot be a port: it is a device of dove's own");
  CHECK(refusal("u0") ==
        "u0 cannot be a port: it carries the underlay (it has the VTEP's address)");
  CHECK(refusal("a\"; flush").find("cannot be a port: expected a device name") !=
        std::string::npos);
  run("ip link add other type bridge");
  CHECK(refusal("other") ==
        "other cannot be a port: it is a bridge device, which leads to no guest");
  run("ip link add above link u0 type macvlan mode bridge");
  CHECK(refusal("above") ==
        "above cannot be a port: it is a macvlan device, which leads to no guest");
  run("ip link add port0 type veth peer name p1");
  run("ip link set port0 master other up");
  CHECK(refusal("port0") == "port0 cannot be a port: it belongs to other");
  CHECK(link("port0").at("master") == "other");
  CHECK(is_up("port0"));
  run("ip link set port0 nomaster");
  run("ip addr add 10.9.9.9/24 dev port0");
  CHECK(refusal("port0") ==
        "port0 cannot be a port: it has the address 10.9.9.9, so it is the host's own");
  CHECK(is_up("port0"));

  const auto nowhere = host.add_port("p1", {vni(200), mac(kGuestMac)});
  REQUIRE_FALSE(nowhere);
  CHECK(nowhere.error().message == "network 200 is not on this host");
  CHECK_FALSE(host.remove_port("p1"));
}

TEST_CASE("a port asked for again is the same, for another guest it is refused") {
  Underlay underlay;
  Guest guest{"port0", kGuestMac, "10.0.0.1/24"};
  Switch host;
  const auto first = host.add_guest(guest, vni(100));
  CHECK(host.add_guest(guest, vni(100)).mark == first.mark);
  const auto other = host.add_port("port0", {vni(100), mac("02:00:00:00:00:0b")});
  REQUIRE_FALSE(other);
  CHECK(other.error().message == "port0 is the port of 02:00:00:00:00:0a in network 100");
}

TEST_CASE("a port removed while its walls are on their way is told so") {
  Underlay underlay;
  Guest guest{"port0", kGuestMac, "10.0.0.1/24"};
  Switch host;
  take(host->add_network(vni(100)));
  std::optional<Result<DatapathPort>> added;
  host->add_port("port0", {vni(100), guest.guest_mac}, {}, [&](auto result) { added = result; });
  take(host.remove_port("port0"));
  REQUIRE(host.until([&] { return added.has_value(); }));
  REQUIRE_FALSE(*added);
  CHECK(added->error().message == "port0 was removed meanwhile");
  CHECK(run("nft list ruleset").find("port0") == std::string::npos);
  CHECK(link("port0").value("master", "none") == "none");
}

TEST_CASE("a tap that goes and comes back is the port again, its walls stood all the time") {
  Underlay underlay;
  run("ip tuntap add tap0 mode tap");
  Switch host;
  host->start();
  take(host->add_network(vni(100)));
  take(host.add_port("tap0", {vni(100), mac(kGuestMac)}));
  run("ip link del tap0");
  REQUIRE(host.until([&] { return host.heard.ports_gone == std::vector<std::string>{"tap0"}; }));
  CHECK(host->ports().at(0).present == false);
  CHECK(run("nft list ruleset").find("tap0") != std::string::npos);
  run("ip tuntap add tap0 mode tap");
  REQUIRE(host.until([&] { return host.heard.ports_back == std::vector<std::string>{"tap0"}; }));
  CHECK(link("tap0").at("master") == "dvbr100");
  CHECK(host->ports().at(0).present);
  take(host.remove_port("tap0"));
}

TEST_CASE("a port that is renamed is taken off, one that is taken off is put back") {
  Underlay underlay;
  Guest guest{"port0", kGuestMac, "10.0.0.1/24"};
  Switch host;
  host->start();
  host.add_guest(guest, vni(100), {{ip("10.0.0.1")}});
  run("ip link set port0 nomaster");
  CHECK(host.until([] { return link("port0").value("master", "") == "dvbr100"; }));
  CHECK(link("port0").at("linkinfo").at("info_slave_data").at("locked") == true);
  CHECK(
      host.heard.troubles ==
      std::vector<std::string>{"port port0 is not on dvbr100 by somebody else's doing: put right"});

  run("ip link set port0 down");
  run("ip link set port0 name renamed");
  REQUIRE(host.until([&] { return !host.heard.ports_gone.empty(); }));
  CHECK(link("renamed").value("master", "none") == "none");
}

TEST_CASE("a restarted agent takes a port over without a break") {
  Underlay underlay;
  Guest guest{"port0", kGuestMac, "10.0.0.1/24"};
  Guest second{"port1", "02:00:00:00:00:0b", "10.0.0.2/24"};
  {
    Switch host;
    host.add_guest(guest, vni(100));
    host.add_guest(second, vni(100));
  }
  CHECK(guest.machine.succeeds("ping -c 1 -w 5 10.0.0.2"));
  const Ping ping{guest, "-c 100 -i 0.01 10.0.0.2"};
  Switch host;
  host.add_guest(guest, vni(100));
  host.add_guest(second, vni(100));
  host->forget_unclaimed();
  CHECK(eventually([&] { return ping.done(); }, std::chrono::seconds{10}));
  CHECK(ping.lost_nothing());
  // Another guest behind the same device: the first one's MAC is no longer let in.
  take(host.remove_port("port0"));
  run("ip link set port0 master dvbr100 up");
  run("bridge fdb add 02:00:00:00:00:0a dev port0 master static");
  take(host.add_port("port0", {vni(100), mac("02:00:00:00:00:1a")}));
  const auto entries = run("bridge fdb show dev port0");
  CHECK(entries.find("02:00:00:00:00:0a") == std::string::npos);
  CHECK(entries.find("02:00:00:00:00:1a") != std::string::npos);
}

}  // namespace
}  // namespace dove::agent::test
