#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "netlink/dump.h"
#include "netlink/route_monitor.h"
#include "netlink/sysctl.h"
#include "tests/integration/netlink/kernel.h"

namespace dove::netlink::test {
namespace {

Overlay overlay() {
  return {.bridge_name = "dvbr10",
          .bridge = {.ageing = 120, .multicast_snooping = false},
          .bridge_settings = {.mac = mac("02:64:76:00:00:0a"),
                              .mtu = 1500,
                              .alias = "ours",
                              .no_ipv6_addresses = true},
          .vxlan_name = "dvx10",
          .vxlan = vxlan_attributes(10, 77),
          .vxlan_settings = {.mac = mac("02:64:76:00:01:0a"),
                             .mtu = 1500,
                             .alias = "ours too",
                             .no_ipv6_addresses = true},
          .vxlan_port = {.learning = false, .neigh_suppress = false}};
}

TEST_CASE("an overlay's bridge and VXLAN device have every attribute, ip(8) agrees") {
  enter_fresh_namespace();
  auto links = take(Links::open());
  const auto made = take(links.create_overlay(overlay()));

  CHECK(made.bridge.kind == "bridge");
  CHECK(made.bridge.mac == mac("02:64:76:00:00:0a"));
  CHECK(made.bridge.alias == "ours");
  CHECK(made.bridge.up);
  CHECK(made.bridge.addrgenmode == IN6_ADDR_GEN_MODE_NONE);
  REQUIRE(made.bridge.bridge);
  CHECK(difference(*made.bridge.bridge, overlay().bridge).empty());

  CHECK(made.vxlan.kind == "vxlan");
  CHECK(made.vxlan.mac == mac("02:64:76:00:01:0a"));
  CHECK(made.vxlan.alias == "ours too");
  CHECK(made.vxlan.master == made.bridge.index);
  CHECK(made.vxlan.mtu == 1500);
  CHECK(made.vxlan.up);
  CHECK(made.vxlan.addrgenmode == IN6_ADDR_GEN_MODE_NONE);
  REQUIRE(made.vxlan.vxlan);
  CHECK(difference(*made.vxlan.vxlan, overlay().vxlan) == "");
  REQUIRE(made.vxlan.port);
  CHECK(made.vxlan.port->learning == false);
  CHECK(made.vxlan.port->flood == true);

  const auto vxlan = ip_json("link show dvx10").at(0);
  const auto& data = vxlan.at("linkinfo").at("info_data");
  CHECK(vxlan.at("master") == "dvbr10");
  CHECK(vxlan.at("inet6_addr_gen_mode") == "none");
  CHECK(data.at("id") == 10);
  CHECK(data.at("local") == "127.0.0.1");
  CHECK(data.at("port") == 4789);
  CHECK(data.at("ageing") == 77);
  CHECK(data.at("learning") == false);
  CHECK(data.at("proxy") == true);
  CHECK(data.at("rsc") == true);
  CHECK(data.at("l2miss") == true);
  CHECK(data.at("l3miss") == true);
  CHECK(vxlan.at("linkinfo").at("info_slave_data").at("learning") == false);
  const auto bridge = ip_json("link show dvbr10").at(0);
  const auto& bridge_data = bridge.at("linkinfo").at("info_data");
  CHECK(bridge_data.at("forward_delay") == 0);
  CHECK(bridge_data.at("stp_state") == 0);
  CHECK(bridge_data.at("vlan_filtering") == 0);
  CHECK(bridge_data.at("ageing_time") == 12000);
  CHECK(bridge_data.at("mcast_snooping") == 0);
  CHECK(bridge.at("inet6_addr_gen_mode") == "none");
}

TEST_CASE("a device that differs is described by what differs") {
  enter_fresh_namespace();
  run("ip link add dvx10 type vxlan id 10 local 127.0.0.1 dstport 8472 df set ageing 300");
  auto links = take(Links::open());
  const auto found = take(links.find("dvx10"));
  REQUIRE(found.vxlan);
  CHECK(difference(*found.vxlan, vxlan_attributes()) ==
        "port 8472 instead of 4789, learning on instead of off, proxy off instead of on, rsc off "
        "instead of on, l2miss off instead of on, l3miss off instead of on, other features on "
        "instead of off");
}

TEST_CASE("an overlay that cannot be finished leaves nothing behind") {
  enter_fresh_namespace();
  auto links = take(Links::open());
  Overlay wrong = overlay();
  SECTION("the VXLAN device's name is taken") {
    take(links.create_veth("dvx10", "peer"));
    const auto made = links.create_overlay(wrong);
    REQUIRE_FALSE(made);
    CHECK(made.error().code == ErrorCode::kExists);
    CHECK(made.error().message.find("\"dvx10\"") != std::string::npos);
  }
  SECTION("the VNI is in use") {
    run("ip link add other type vxlan id 10 local 127.0.0.1 dstport 4789");
    const auto made = links.create_overlay(wrong);
    REQUIRE_FALSE(made);
    CHECK(made.error().code == ErrorCode::kExists);
  }
  SECTION("the UDP port is somebody else's") {
    const int taken = ::socket(AF_INET, SOCK_DGRAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(4789);
    REQUIRE(::bind(taken, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    const auto made = links.create_overlay(wrong);
    ::close(taken);
    REQUIRE_FALSE(made);
    CHECK(made.error().message == "cannot bring up vxlan device \"dvx10\": Address already in use");
  }
  CHECK_FALSE(succeeds("ip link show dvbr10"));
  CHECK(run("ip link show type vxlan").find("dvx10") == std::string::npos);
}

TEST_CASE("a kind of device the kernel has not is named") {
  enter_fresh_namespace();
  auto batch = take(Batch::open());
  batch.begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL)
      .family(ifinfomsg{})
      .put(IFLA_IFNAME, "probe")
      .begin_nest(IFLA_LINKINFO)
      .put(IFLA_INFO_KIND, "nosuchkind")
      .end_nest();
  const auto verdicts = batch.commit();
  CHECK(verdicts[0].error.value() == EOPNOTSUPP);
  CHECK(verdicts[0].message == "Unknown device type");
}

TEST_CASE("every port flag is set and read back") {
  enter_fresh_namespace();
  auto links = take(Links::open());
  const auto bridge = take(links.create_bridge("br", {}, {.up = true, .no_ipv6_addresses = true}));
  take(links.create_veth("tap0", "guest0"));
  const auto tap = take(links.find("tap0"));
  take(links.change(tap.index, {.master = bridge.index, .up = true, .no_ipv6_addresses = true}));
  for (const bool on : {true, false}) {
    const BridgePortFlags flags{.learning = on,
                                .flood = on,
                                .multicast_flood = on,
                                .broadcast_flood = on,
                                .locked = on,
                                .isolated = on,
                                .neigh_suppress = on,
                                .hairpin = on,
                                .guard = on,
                                .fast_leave = on,
                                .multicast_router = on ? std::uint8_t{2} : std::uint8_t{1}};
    take(links.set_port_flags(tap.index, flags));
    CHECK(take(links.find("tap0")).port == flags);
    const auto seen = ip_json("link show tap0").at(0).at("linkinfo").at("info_slave_data");
    for (const char* name : {"learning", "flood", "mcast_flood", "bcast_flood", "locked",
                             "isolated", "neigh_suppress", "hairpin", "guard", "fastleave"})
      CHECK((std::string{name} + std::to_string(seen.at(name) == on)) == std::string{name} + "1");
  }
  CHECK(
      ip_json("link show tap0").at(0).at("linkinfo").at("info_slave_data").at("multicast_router") ==
      1);
  take(links.set_port_flags(tap.index, {.locked = true}));
  const auto port = take(links.find("tap0")).port;
  REQUIRE(port);
  CHECK(port->locked == true);
  CHECK(port->flood == false);  // what is absent is left alone

  take(links.release(tap.index));
  CHECK(take(links.find(tap.index)).master == std::nullopt);
  CHECK(take(links.find(tap.index)).port == std::nullopt);
}

TEST_CASE("settings of a device are changed one by one") {
  enter_fresh_namespace();
  auto links = take(Links::open());
  take(links.create_veth("a", "b"));
  const auto before = take(links.find("a"));
  CHECK_FALSE(before.up);
  take(links.change(before.index, {.mac = mac("02:00:00:00:00:aa"), .mtu = 1450, .alias = "x"}));
  auto after = take(links.find("a"));
  CHECK(after.mac == mac("02:00:00:00:00:aa"));
  CHECK(after.mtu == 1450);
  CHECK(after.alias == "x");
  CHECK_FALSE(after.up);
  take(links.change(before.index, {.tx_queue_length = 4242, .up = true, .alias = ""}));
  after = take(links.find("a"));
  CHECK(after.up);
  CHECK(after.alias.empty());
  CHECK(after.mtu == 1450);
  CHECK(ip_json("link show a").at(0).at("txqlen") == 4242);
  take(links.change(before.index, {.up = false}));
  CHECK_FALSE(take(links.find("a")).up);
}

// An MTU below 1,280 takes a device's IPv6 away.
TEST_CASE("no IPv6 addresses are wanted of a device without IPv6: nothing to do") {
  enter_fresh_namespace();
  auto links = take(Links::open());
  const auto made =
      take(links.create_bridge("br", {}, {.mtu = 1000, .alias = "x", .no_ipv6_addresses = true}));
  CHECK(made.mtu == 1000);
  CHECK(made.alias == "x");
  CHECK_FALSE(made.addrgenmode);
  take(links.change(made.index, {.up = true, .no_ipv6_addresses = true}));
  CHECK(take(links.find("br")).up);
}

TEST_CASE("absent devices, taken names and long names are refused by name") {
  enter_fresh_namespace();
  auto links = take(Links::open());
  CHECK(links.find("nothere").error().code == ErrorCode::kNotFound);
  CHECK(links.find("nothere").error().message == "cannot find device \"nothere\": No such device");
  CHECK(links.find(IfIndex{4711}).error().code == ErrorCode::kNotFound);
  CHECK(links.find(IfIndex{0}).error().code == ErrorCode::kNotFound);
  CHECK(links.remove(IfIndex{4711}).error().code == ErrorCode::kNotFound);
  CHECK(links.change(IfIndex{4711}, {.up = true}).error().message ==
        "cannot set up device 4711: No such device");
  CHECK(links.find("sixteencharacter").error().code == ErrorCode::kInvalid);
  CHECK(links.create_bridge("sixteencharacter", {}, {}).error().code == ErrorCode::kInvalid);
  take(links.create_bridge("br", {}, {}));
  CHECK(links.create_bridge("br", {}, {}).error().code == ErrorCode::kExists);
  CHECK(links.create_vxlan("br", vxlan_attributes(), {}).error().code == ErrorCode::kExists);
}

TEST_CASE("addresses and unreachable routes: twice is once, absent is gone") {
  enter_fresh_namespace();
  auto links = take(Links::open());
  auto query = take(Query::open());
  take(links.create_veth("a", "b"));
  const auto a = take(links.find("a")).index;
  take(links.change(a, {.up = true}));
  take(links.change(take(links.find("b")).index, {.up = true}));
  for (int i = 0; i < 2; ++i) {
    take(links.add_address(a, ip("169.254.77.64"), 31));
    take(links.add_address(a, ip("100::2"), 127));
    take(links.add_unreachable(*Prefix::parse("169.254.77.64/31"), 4000));
    take(links.add_unreachable(*Prefix::parse("100::2/127"), 4000));
  }
  const auto addresses = take(dump_addresses(query));
  CHECK(std::count(addresses.begin(), addresses.end(), Address{a, ip("169.254.77.64"), 31}) == 1);
  CHECK(std::count(addresses.begin(), addresses.end(), Address{a, ip("100::2"), 127}) == 1);

  auto route = take(route_to(query, ip("169.254.77.65")));
  CHECK(route.device == a);
  CHECK(route.source == ip("169.254.77.64"));
  CHECK(take(route_to(query, ip("169.254.77.64"))).local);
  CHECK(take(route_to(query, ip("100::3"))).device == a);

  for (int i = 0; i < 2; ++i) {
    take(links.remove_address(a, ip("169.254.77.64"), 31));
    take(links.remove_address(a, ip("100::2"), 127));
  }
  CHECK(route_to(query, ip("169.254.77.65")).error().message ==
        "cannot find a route to 169.254.77.65: No route to host");
  CHECK_FALSE(route_to(query, ip("100::3")));
  for (int i = 0; i < 2; ++i) {
    take(links.remove_unreachable(*Prefix::parse("169.254.77.64/31"), 4000));
    take(links.remove_unreachable(*Prefix::parse("100::2/127"), 4000));
  }
  CHECK(route_to(query, ip("169.254.77.65")).error().message ==
        "cannot find a route to 169.254.77.65: Network is unreachable");
}

TEST_CASE("a route tells its own MTU and gateway") {
  enter_fresh_namespace();
  run("ip link add name a type veth peer name b && ip link set dev a up && ip link set dev b up && "
      "ip addr add 192.0.2.1/24 dev a && "
      "ip route add 198.51.100.0/24 via 192.0.2.9 mtu 1400");
  auto query = take(Query::open());
  auto links = take(Links::open());
  const auto route = take(route_to(query, ip("198.51.100.7")));
  CHECK(route.device == take(links.find("a")).index);
  CHECK(route.gateway == ip("192.0.2.9"));
  CHECK(route.source == ip("192.0.2.1"));
  CHECK(route.mtu == 1400U);
  CHECK_FALSE(take(route_to(query, ip("192.0.2.2"))).gateway);
}

TEST_CASE("a route is asked for as one's own address would take it") {
  enter_fresh_namespace();
  run("ip link add name a type veth peer name b && ip link set dev a up && ip link set dev b up && "
      "ip addr add 192.0.2.1/24 dev a && ip addr add 192.0.2.3/32 dev a && "
      "ip -6 addr add 2001:db8::1/64 dev a nodad && ip -6 addr add 2001:db8::3/128 dev a nodad && "
      "ip route add 192.0.2.2 dev a mtu 1400 table 7 && ip rule add from 192.0.2.3 table 7 && "
      "ip -6 route add 2001:db8::2 dev a mtu 1300 table 7 && "
      "ip -6 rule add from 2001:db8::3 table 7");
  auto query = take(Query::open());
  CHECK_FALSE(take(route_to(query, ip("192.0.2.2"), ip("192.0.2.1"))).mtu);
  CHECK(take(route_to(query, ip("192.0.2.2"), ip("192.0.2.3"))).mtu == 1400U);
  CHECK(take(route_to(query, ip("2001:db8::2"), ip("2001:db8::1"))).mtu.value_or(1500) == 1500U);
  CHECK(take(route_to(query, ip("2001:db8::2"), ip("2001:db8::3"))).mtu == 1300U);
}

TEST_CASE("a change of a route is heard, in its own family only") {
  enter_fresh_namespace();
  run("ip link set lo up");
  auto ipv4 = take(RouteMonitor::open(AF_INET));
  auto ipv6 = take(RouteMonitor::open(AF_INET6));
  CHECK_FALSE(take(ipv4.drain()).changed);
  run("ip route add blackhole 198.51.100.0/24");
  CHECK(take(ipv4.drain()).changed);
  CHECK_FALSE(take(ipv4.drain()).changed);
  CHECK_FALSE(take(ipv6.drain()).changed);
  run("ip -6 route add blackhole 2001:db8::/64");
  CHECK(take(ipv6.drain()).changed);
}

TEST_CASE("more changes of routes than the buffer holds are a change") {
  enter_fresh_namespace();
  run("ip link set lo up");
  auto monitor = take(RouteMonitor::open(AF_INET));
  run("for i in $(seq 0 15); do for j in $(seq 0 255); do echo route add blackhole 10.$i.$j.0/24; "
      "done; done | ip -batch -");
  bool changed = false;
  for (bool more = true; more;) {
    const auto drained = take(monitor.drain());
    changed = changed || drained.changed;
    more = drained.more;
  }
  CHECK(changed);
  run("ip route add blackhole 10.200.0.0/24");
  CHECK(take(monitor.drain()).changed);
}

TEST_CASE("settings of the namespace are read and written") {
  enter_fresh_namespace();
  auto links = take(Links::open());
  take(links.create_bridge("br", {}, {}));
  take(write_sysctl("ipv6/conf/br/disable_ipv6", "1"));
  CHECK(take(read_sysctl("ipv6/conf/br/disable_ipv6")) == "1");
  CHECK(run("sysctl -n net.ipv6.conf.br.disable_ipv6") == "1\n");
  CHECK(write_sysctl("ipv6/conf/nothere/disable_ipv6", "1").error().code == ErrorCode::kNotFound);
  CHECK(write_sysctl("../kernel/panic", "1").error().code == ErrorCode::kInvalid);
}

}  // namespace
}  // namespace dove::netlink::test
