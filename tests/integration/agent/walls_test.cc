// Every test that something does not happen has its control: the same without the wall, where it
// does.
#include "agent/datapath/walls.h"

#include <fmt/format.h>

#include "tests/integration/agent/traffic.h"

namespace dove::agent::test {
namespace {

constexpr const char* kGuestMac = "02:00:00:00:00:0a";
constexpr const char* kStrangerMac = "02:00:00:00:00:77";

// The bridge's own reports would come out of the punt too.
void silence_bridges() {
  run("nft add table inet quiet");
  run("nft 'add chain inet quiet output { type filter hook output priority 0; }'");
  run("nft add rule inet quiet output ip protocol igmp drop");
}

void tear_down_walls() {
  silence_bridges();
  for (const auto* table : {"inet", "arp", "bridge"})
    run(fmt::format("nft delete table {} dove", table));
}

std::uint64_t counter(Switch& host, const std::string& name) {
  std::optional<Result<Datapath::WallCounters>> counters;
  host->wall_counters([&](auto result) { counters = std::move(result); });
  REQUIRE(host.until([&] { return counters.has_value(); }));
  return take(*counters).at(name);
}

TEST_CASE("no guest's packet reaches the host's own IP stack") {
  Underlay underlay;
  Guest guest{"port0", kGuestMac, "10.0.0.1/24"};
  Switch host;
  host.add_guest(guest, vni(100));
  HostListener listener;
  // The bridge itself; everybody; and the reserved addresses, of which a bridge hands those it does
  // not forward to the host as if the port had received them.
  const std::vector<std::string> ways{"02:d0:b0:00:00:64", "ff:ff:ff:ff:ff:ff", "01:80:c2:00:00:00",
                                      "01:80:c2:00:00:03", "01:80:c2:00:00:0e"};
  const auto send_all = [&] {
    int got = 0;
    for (const auto& way : ways) {
      send_frame(guest.machine, udp_frame(way, kGuestMac, "192.0.2.77", "192.0.2.1"));
      const int one = listener.received();
      UNSCOPED_INFO(way << ": " << one);
      got += one;
    }
    return got;
  };
  CHECK(send_all() == 0);
  tear_down_walls();
  CHECK(send_all() >= 4);
}

TEST_CASE("no guest's ARP is answered by the host") {
  Underlay underlay;
  Guest guest{"port0", kGuestMac, "192.0.2.99/24"};
  Switch host;
  host.add_guest(guest, vni(100));
  CHECK_FALSE(guest.machine.succeeds("arping -c 1 -w 2 -I eth0 192.0.2.1"));
  tear_down_walls();
  CHECK(guest.machine.succeeds("arping -c 1 -w 2 -I eth0 192.0.2.1"));
}

TEST_CASE("no guest's packet is forwarded by the host, and none to a guest") {
  Underlay underlay;
  run("sysctl -qw net.ipv4.ip_forward=1");
  Guest guest{"port0", kGuestMac, "10.0.0.1/24"};
  Switch host;
  host.add_guest(guest, vni(100));
  const InputCounter arrived{underlay.peer, "ip daddr 192.0.2.2 udp dport 9999"};
  const auto frame = udp_frame("02:d0:b0:00:00:64", kGuestMac, "192.0.2.77", "192.0.2.2");
  send_frame(guest.machine, frame, 5);
  CHECK(arrived.packets() == 0);
  tear_down_walls();
  send_frame(guest.machine, frame, 5);
  CHECK(arrived.packets() > 0);
}

TEST_CASE("an ordinary user of the host sends neither into the tunnel nor into the punt") {
  Underlay underlay;
  Switch host;
  host->start();
  take(host->add_network(vni(100)));
  const InputCounter arrived{underlay.peer, "udp dport 4789"};
  CHECK_FALSE(user_can_send("192.0.2.2", 4789));
  CHECK(user_can_send("192.0.2.2", 4790));
  CHECK(arrived.packets() == 0);

  const auto punted = host->counters().punted_packets;
  CHECK_FALSE(user_can_send("169.254.77.65", 4789));
  CHECK_FALSE(user_can_send("169.254.77.65", 9));
  host.run_for(std::chrono::milliseconds{100});
  CHECK(host->counters().punted_packets == punted);
  CHECK(counter(host, "foreign_punt") == 2);
  CHECK(counter(host, "foreign_vxlan") == 1);

  tear_down_walls();
  CHECK(user_can_send("192.0.2.2", 4789));
  CHECK(arrived.packets() == 1);
  CHECK(user_can_send("169.254.77.65", 4789));
  CHECK(host.until([&] { return host->counters().punted_packets == punted + 1; }));
}

TEST_CASE("nothing for the punt leaves by the default route") {
  Underlay underlay;
  run("ip route add default via 192.0.2.2");
  Guest guest{"port0", kGuestMac, "10.0.0.1/24"};
  Switch host;
  host->start();
  host.add_guest(guest, vni(100));
  const auto frame = udp_frame(kStrangerMac, kGuestMac, "10.0.0.1", "10.0.0.2");
  const InputCounter leaked{underlay.peer, "udp dport 4789"};
  send_frame(guest.machine, frame, 5);
  REQUIRE(host.until([&] { return host.heard.punted.size() == 5; }));

  run("ip addr flush dev dvpunt");
  send_frame(guest.machine, frame, 5);
  run("ip link set dvpunt down");
  send_frame(guest.machine, frame, 5);
  CHECK(leaked.packets() == 0);

  // The control: neither `via dvpunt` nor the unreachable route.
  run("bridge fdb del 00:00:00:00:00:00 dev dvx100");
  run("bridge fdb append 00:00:00:00:00:00 dev dvx100 dst 169.254.77.65 permanent");
  run("ip route del unreachable 169.254.77.64/31 metric 4294967294");
  send_frame(guest.machine, frame, 5);
  CHECK(leaked.packets() == 5);
}

TEST_CASE("only the guest's own MAC enters at its port, without a VLAN tag") {
  Underlay underlay;
  Guest guest{"port0", kGuestMac, "10.0.0.1/24"};
  Switch host;
  host->start();
  host.add_guest(guest, vni(100), {{ip("10.0.0.1")}});
  const auto own = udp_frame(kStrangerMac, kGuestMac, "10.0.0.1", "10.0.0.2");
  send_frame(guest.machine, udp_frame(kStrangerMac, "02:00:00:00:00:66", "10.0.0.1", "10.0.0.2"),
             3);
  send_frame(guest.machine, tagged(own), 3);
  send_frame(guest.machine, own);
  REQUIRE(host.until([&] { return !host.heard.punted.empty(); }));
  host.run_for(std::chrono::milliseconds{100});
  CHECK(host.heard.punted.size() == 1);
  CHECK(host.heard.punted[0].source == mac(kGuestMac));
  CHECK(counter(host, "port port0 tagged_dropped") == 3);
}

TEST_CASE("a device that somebody puts on our bridge without walls has no way out of it") {
  Underlay underlay;
  Guest guest{"port0", kGuestMac, "10.0.0.1/24"};
  Guest stranger{"intruder", "02:00:00:00:00:0b", "10.0.0.9/24"};
  Switch host;
  host->start();
  host.add_guest(guest, vni(100));
  run("ip link set intruder master dvbr100 up");
  const auto frame = udp_frame(kStrangerMac, "02:00:00:00:00:0b", "10.0.0.9", "10.0.0.2");
  send_frame(stranger.machine, frame, 3);
  host.run_for(std::chrono::milliseconds{200});
  CHECK(host.heard.punted.empty());
  CHECK(counter(host, "unwalled") == 3);
  silence_bridges();
  run("nft delete table bridge dove");
  run("nft delete table inet dove");
  send_frame(stranger.machine, frame, 3);
  CHECK(host.until([&] { return host.heard.punted.size() == 3; }));
}

// What a tap's owner wrote still belongs to the owner's socket when it leaves as VXLAN, unless
// br_netfilter is in the way; the walls must not take a guest for a user of the host.
TEST_CASE("the frames of a guest on a tap pass, whoever runs its machine") {
  const bool filtered = GENERATE(false, true);
  CAPTURE(filtered);
  Underlay underlay;
  for (const auto* family : {"ip", "ip6", "arp"})
    run(fmt::format("sysctl -qw net.bridge.bridge-nf-call-{}tables={}", family, filtered ? 1 : 0));
  run("ip tuntap add tap0 mode tap");
  Switch host;
  host->start();
  take(host->add_network(vni(100)));
  take(host.add_port("tap0", {vni(100), mac(kGuestMac)}));
  const KernelChange known = SetFdb{{vni(100), mac("02:00:00:00:00:0b")}, {ip("192.0.2.2")}};
  CHECK(host->apply({&known, 1}).empty());
  run("nft add table inet watch");
  run("nft 'add chain inet watch output { type filter hook output priority -400; }'");
  run("nft 'add counter inet watch owned'");
  run("nft 'add rule inet watch output udp dport 4789 meta skuid 65534 counter name owned'");
  const InputCounter arrived{underlay.peer, "udp dport 4789"};

  const auto send_as_user = [](const std::string& frame) {
    run(fmt::format(
        "sh -c 'd=$(mktemp -d) && mknod $d/tun c 10 200 && chmod 755 $d && chmod 666 "
        "$d/tun && python3 -c \"import fcntl, os, struct, time\n"
        "node = \\\"$d/tun\\\"\n"
        "os.setgid(65534)\n"
        "os.seteuid(65534)\n"
        "tap = os.open(node, os.O_RDWR)\n"
        "os.seteuid(0)\n"
        "fcntl.ioctl(tap, 0x400454ca, struct.pack(\\\"16sH22x\\\", b\\\"tap0\\\", 0x1002))\n"
        "time.sleep(0.2)\n"
        "for _ in range(5): os.write(tap, bytes.fromhex(\\\"{}\\\"))\n"
        "time.sleep(0.2)\"; r=$?; rm -r $d; exit $r'",
        frame));
  };
  send_as_user(udp_frame("02:00:00:00:00:0b", kGuestMac, "10.0.0.1", "10.0.0.2"));
  CHECK(arrived.packets() == 5);
  send_as_user(udp_frame(kStrangerMac, kGuestMac, "10.0.0.1", "10.0.0.2"));
  CHECK(host.until([&] { return host.heard.punted.size() == 5; }));
  // The control: the rule by owner alone would have matched.
  const auto owned = nlohmann::json::parse(run("nft -j list counter inet watch owned"));
  CHECK(owned.at("nftables").at(1).at("counter").at("packets").get<int>() == (filtered ? 0 : 10));
}

TEST_CASE("one guest's flood does not cost another its punts, questions and announcements") {
  Underlay underlay;
  Guest guest{"port0", kGuestMac, "10.0.0.1/24"};
  Guest flooder{"port1", "02:00:00:00:00:0b", "10.0.0.9/24"};
  auto options = default_options();
  options.limits.punts = {2000, 200};  // what the reader can surely take, however busy the machine
  Switch host{options};
  host->start();
  host.add_guest(guest, vni(100));
  host.add_guest(flooder, vni(100));
  const auto from_guest = [&] {
    std::size_t count = 0;
    for (const auto& frame : host.heard.punted) count += frame.source == mac(kGuestMac) ? 1 : 0;
    return count;
  };
  {
    const Flood flood{flooder.machine,
                      udp_frame(kStrangerMac, "02:00:00:00:00:0b", "10.0.0.9", "10.0.0.2")};
    host.run_for(std::chrono::milliseconds{300});
    send_frame_meanwhile(guest.machine, udp_frame(kStrangerMac, kGuestMac, "10.0.0.1", "10.0.0.2"),
                         100);
    CHECK(host.until([&] { return from_guest() == 100; }));
    CHECK(counter(host, "punts_dropped") > 0);
  }
  {
    const Flood flood{flooder.machine,
                      arp_request_frame("02:00:00:00:00:0b", "10.0.0.9", "10.0.0.50")};
    host.run_for(std::chrono::milliseconds{300});
    host.heard.queries.clear();
    send_frame_meanwhile(guest.machine, arp_request_frame(kGuestMac, "10.0.0.1", "10.0.0.60"), 100);
    const auto asked = [&] {
      std::size_t count = 0;
      for (const auto& query : host.heard.queries) count += query.asker == mac(kGuestMac) ? 1 : 0;
      return count;
    };
    CHECK(host.until([&] { return asked() == 100; }));
    CHECK(counter(host, "port port1 queries_dropped") > 0);
    CHECK(counter(host, "port port0 queries_dropped") == 0);
    CHECK(host->counters().log_overruns == 0);
  }
}

TEST_CASE("walls stand while nobody runs, and a restart keeps each port's number") {
  Underlay underlay;
  Guest one{"port1", kGuestMac, "10.0.0.1/24"};
  Guest two{"port2", "02:00:00:00:00:0b", "10.0.0.2/24"};
  std::uint32_t mark = 0;
  {
    Switch host;
    host.add_guest(one, vni(100));
    mark = host.add_guest(two, vni(100)).mark;
  }
  HostListener listener;
  const auto frame = udp_frame("02:d0:b0:00:00:64", kGuestMac, "192.0.2.77", "192.0.2.1");
  send_frame(one.machine, frame, 3);
  CHECK(listener.received() == 0);
  Switch host;
  send_frame(one.machine, frame, 3);
  CHECK(listener.received() == 0);
  CHECK(host.add_guest(two, vni(100)).mark == mark);
  // Of port1 nobody spoke: it is taken off the bridge, and then its walls go.
  host->forget_unclaimed();
  CHECK(host.until([] { return run("nft list ruleset").find("port1") == std::string::npos; }));
  CHECK(ip_json("link show port1").at(0).value("master", "none") == "none");
  CHECK(run("nft list ruleset").find("port2") != std::string::npos);
}

TEST_CASE("the walls of a port go with it, and another transaction's failure is told") {
  Underlay underlay;
  Guest guest{"port0", kGuestMac, "10.0.0.1/24"};
  Switch host;
  const auto bare = [] {
    // A dynamic set keeps a port's bucket; everything else must be as before.
    return run("nft list ruleset | grep -v elements");
  };
  const auto before = bare();
  host.add_guest(guest, vni(100));
  CHECK(bare() != before);
  take(host.remove_port("port0"));
  CHECK(bare() == before);

  // Something in the way that no renewal removes.
  run("nft delete table bridge dove");
  run("nft add table bridge dove");
  run("nft add set bridge dove ports '{ type ipv4_addr; }'");
  const auto refused = host.add_port("port0", {vni(100), mac(kGuestMac)});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("nft refused: ") == 0);
  CHECK(ip_json("link show port0").at(0).value("master", "none") == "none");

  run("nft delete table bridge dove");
  take(host.add_port("port0", {vni(100), mac(kGuestMac)}));
  CHECK(run("nft list map bridge dove walled").find("port0") != std::string::npos);
}

TEST_CASE(
    "walls that somebody else changed are made again, and what doved does is not taken for it") {
  Underlay underlay;
  Guest guest{"port0", kGuestMac, "10.0.0.1/24"};
  Guest other{"port1", kStrangerMac, "10.0.0.2/24"};
  Switch host;
  host->start();
  host.add_guest(guest, vni(100));
  host.add_guest(other, vni(100));
  take(host.remove_port("port1"));
  host.run_for(std::chrono::milliseconds{300});
  CHECK(host.heard.troubles.empty());

  const auto walls = [] {
    return run("nft -s list ruleset | sed 's/packets [0-9]* bytes [0-9]*//'");
  };
  const auto before = walls();
  for (const auto* harm : {"nft flush ruleset",
                           "nft delete chain bridge dove port-1-queries || "
                           "nft flush chain bridge dove port-1",
                           "nft insert rule bridge dove prerouting accept"}) {
    CAPTURE(harm);
    run(harm);
    CHECK(walls() != before);
    CHECK(host.until([&] { return walls() == before; }));
  }
  CHECK(host.heard.troubles.size() == 1);  // the same is not told again at once
  CHECK(host->problem().empty());
}

TEST_CASE("a punt that somebody else removed is made again with everything that leads to it") {
  Underlay underlay;
  Guest guest{"port0", kGuestMac, "10.0.0.1/24"};
  Switch host;
  host->start();
  host.add_guest(guest, vni(100));
  const auto punted = [&] {
    const auto before = host->counters().punted_packets;
    send_frame(guest.machine, udp_frame(kStrangerMac, kGuestMac, "10.0.0.1", "10.0.0.9"));
    return host.until([&] { return host->counters().punted_packets > before; });
  };
  CHECK(punted());
  for (const auto* harm : {"ip link del dvpunt", "ip link set dvpunt down",
                           "bridge fdb del 00:00:00:00:00:00 dev dvx100 self"}) {
    CAPTURE(harm);
    run(harm);
    host.run_for(std::chrono::milliseconds{100});
    CHECK(punted());
  }
  CHECK(host->problem().empty());
}

}  // namespace
}  // namespace dove::agent::test
