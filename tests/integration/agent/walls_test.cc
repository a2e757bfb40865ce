// Every test that something does not happen has its control: the same without the wall, where it
// does.
#include "agent/datapath/walls.h"

#include <fmt/format.h>

#include <set>

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
    CHECK(host.until([&] { return from_guest() == 100; }, std::chrono::seconds{15}));
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
    CHECK(host.until([&] { return asked() == 100; }, std::chrono::seconds{15}));
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
  // The same word each time, so that the log can count it.
  CHECK(std::set(host.heard.troubles.begin(), host.heard.troubles.end()).size() == 1);
  CHECK(host->problem().empty());
}

std::vector<Difference> audited(Switch& host, bool fix, std::optional<Vni> only = {}) {
  std::optional<std::vector<Difference>> outcome;
  host->audit(only, fix, [&](auto found) { outcome = std::move(found); });
  REQUIRE(host.until([&] { return outcome.has_value(); }));
  return *outcome;
}

// Nobody watches for changes here: there is no start().
TEST_CASE("the audit finds in the walls what differs, whose it is, and mends it") {
  Underlay underlay;
  for (const auto* port : {"port0", "port1", "port2"})
    run(fmt::format("ip link add {} type veth peer name {}-peer", port, port));
  Switch host;
  for (const std::uint32_t number : {100U, 200U}) take(host->add_network(vni(number)));
  take(host.add_port("port0", {vni(100), mac(kGuestMac)}, {{ip("10.0.0.1"), ip("fd00::1")}}));
  take(host.add_port("port1", {vni(200), mac(kGuestMac)}));
  bool learning = false;
  const std::vector<GuestIdentity> learned{{mac(kStrangerMac), {ip("10.0.0.7"), ip("fd00::7")}}};
  host->add_learning_port("port2", vni(100), learned, [&](const auto& port) {
    CHECK(port);
    learning = true;
  });
  REQUIRE(host.until([&] { return learning; }));
  const auto done = [](const Status& status) { CHECK(status); };
  const auto prefix = [](const char* text) { return *Prefix::parse(text); };
  host->set_policy(vni(100), mac("02:d0:00:00:00:01"),
                   {prefix("10.2.0.0/24"), prefix("10.3.0.1/32"), prefix("128.0.0.0/1"),
                    prefix("fd00:2::/64"), prefix("fd00:3::1/128")},
                   done);
  host->set_vteps({ip("192.0.2.2"), ip("192.0.2.3")}, done);
  CHECK(audited(host, false).empty());
  CHECK(audited(host, true).empty());

  struct Harm {
    const char* command;
    std::vector<std::string> found;
    std::optional<Vni> network;
  };
  const std::vector<Harm> harms{
      {"nft flush chain bridge dove port-1-ip6",
       {"port port0: nft chain bridge dove port-1-ip6 has 0 rules instead of 7"},
       vni(100)},
      {"nft insert rule bridge dove port-2 accept",
       {"port port1: nft chain bridge dove port-2 has 10 rules instead of 9"},
       vni(200)},
      {"nft delete element bridge dove port-1-own4 '{ 02:00:00:00:00:0a . 10.0.0.1 }'",
       {"port port0: nft set bridge dove port-1-own4 lacks 02:00:00:00:00:0a . 10.0.0.1"},
       vni(100)},
      {"nft add element bridge dove port-3-heard6 '{ 02:00:00:00:00:77 . fd00::8 }'",
       {R"(port port2: nft set bridge dove port-3-heard6 has "02:00:00:00:00:77 . fd00::8" too)"},
       vni(100)},
      {"nft delete element bridge dove walled '{ \"port1\" }'",
       {"port port1: nft map bridge dove walled lacks port1"},
       vni(200)},
      {"nft delete element inet dove homes '{ 0x100000 }'",
       {"port port0: nft map inet dove homes lacks 1048576"},
       vni(100)},
      {"nft flush chain bridge dove port-2-home",
       {"port port1: nft chain bridge dove port-2-home has 0 rules instead of 1"},
       vni(200)},
      {"nft add element inet dove vteps '{ 192.0.2.9 }'",
       {R"(nft set inet dove vteps has "192.0.2.9" too)"},
       {}},
      {"nft delete element bridge dove denied4-100 '{ 10.3.0.1 }'",
       {"nft set bridge dove denied4-100 lacks 10.3.0.1"},
       vni(100)},
      {"nft 'add chain bridge dove alien { type filter hook forward priority 0; policy drop; }'",
       {R"(nft chain bridge dove "alien" is not dove's)"},
       {}},
      {"nft flush chain inet dove input",
       {"nft chain inet dove input has 0 rules instead of 6"},
       {}},
      {"nft delete table arp dove",
       {"nft table arp dove cannot be listed: nft refused: Error: No such file or directory"},
       {}}};
  for (const auto& [command, words, network] : harms) {
    CAPTURE(command);
    run(command);
    std::vector<std::string> found;
    for (const auto& one : audited(host, false)) {
      found.push_back(one.what);
      CHECK(one.vni == network);
    }
    CHECK(found == words);
    CHECK(audited(host, false, vni(100)).empty() == (network != vni(100)));
    const auto mended = audited(host, true);
    CHECK(mended.size() == words.size());
    for (const auto& one : mended) CHECK(one.mended);
    CHECK(audited(host, false).empty());
  }
}

// The word of its end was lost.
TEST_CASE("the audit finds that the punt is gone, and makes it again with what leads to it") {
  Underlay underlay;
  Switch host;
  take(host->add_network(vni(100)));
  CHECK(audited(host, false).empty());
  run("ip link del dvpunt");
  const auto found = audited(host, false);
  REQUIRE(found.size() >= 1);
  CHECK(found.back().what == "device dvpunt is missing");
  for (const auto& one : audited(host, true)) {
    CAPTURE(one.what, one.problem);
    CHECK(one.mended);
  }
  CHECK(audited(host, false).empty());
  CHECK(run("bridge fdb show dev dvx100").find("via dvpunt") != std::string::npos);
}

// While nft works on the first of them.
TEST_CASE("of changes of policies that come fast the last is in force, soon") {
  Underlay underlay;
  Switch host;
  take(host->add_network(vni(100)));
  take(host->add_network(vni(200)));
  const auto prefix = [](int i) { return *Prefix::parse(fmt::format("10.{}.0.0/16", i)); };
  unsigned done = 0;
  const auto count = [&](const Status& status) {
    CHECK(status);
    ++done;
  };
  const auto calls = [&] { return host->counters().nft_time.count(); };
  host.run_for(std::chrono::milliseconds{100});
  const auto before = calls();
  for (int i = 1; i <= 200; ++i)
    for (const auto net : {100U, 200U})
      host->set_policy(vni(net), mac("02:d0:00:00:00:01"), {prefix(i)}, count);
  host->set_policy(vni(200), mac("02:d0:00:00:00:01"), {}, count);
  REQUIRE(host.until([&] { return done == 401; }));
  CHECK(calls() - before <= 4);
  const auto listed = run("nft list ruleset bridge");
  CHECK(listed.find("10.200.0.0/16") != std::string::npos);
  CHECK(listed.find("10.199.0.0/16") == std::string::npos);
  CHECK(listed.find("denied-200-to") == std::string::npos);
  CHECK(audited(host, false).empty());
}

// By somebody, while doved runs or does not.
TEST_CASE("devices of ours that are renamed go, and are made again with their own names") {
  Underlay underlay;
  const auto there = [](const char* name) {
    return succeeds(fmt::format("ip link show {}", name));
  };
  const std::vector<const char*> names{"dvpunt", "dvx100", "dvbr100"};
  {
    Switch host;
    host->start();
    take(host->add_network(vni(100)));
    for (const auto* name : names) {
      CAPTURE(name);
      run(fmt::format("ip link set {0} down && ip link set {0} name mine0", name));
      CHECK(host.until([&] { return there(name) && !there("mine0"); }));
      CHECK(host.until([&] { return audited(host, false).empty(); }));
    }
    host.close();
  }
  for (const auto* name : names)
    run(fmt::format("ip link set {0} down && ip link set {0} name x-{0}", name));
  Switch after;
  take(after->add_network(vni(100)));
  for (const auto* name : names) {
    CHECK(there(name));
    CHECK_FALSE(there(fmt::format("x-{}", name).c_str()));
  }
  CHECK(audited(after, false).empty());
}

// What is no doved's to remove or change yet: after a start, until all is known again.
TEST_CASE("the audit passes over the walls of ports that nobody asked for yet") {
  Underlay underlay;
  run("ip link add port0 type veth peer name peer0");
  {
    Switch before;
    take(before->add_network(vni(100)));
    take(before.add_port("port0", {vni(100), mac(kGuestMac)}));
    before.close();
  }
  Switch host;
  CHECK(audited(host, false).empty());
  run("nft flush chain bridge dove port-1");
  CHECK(audited(host, false).empty());
  run("nft flush chain bridge dove from_tunnel");
  CHECK(audited(host, true).size() == 1);
  CHECK(audited(host, false).empty());
}

TEST_CASE("a port that goes while its walls are gone leaves nothing of them") {
  Underlay underlay;
  run("ip link add port0 type veth peer name peer0");
  run("ip link add port1 type veth peer name peer1");
  Switch host;
  host->start();
  take(host->add_network(vni(100)));
  take(host.add_port("port0", {vni(100), mac(kGuestMac)}));
  take(host.add_port("port1", {vni(100), mac("02:00:00:00:00:0b")}));
  run("nft delete table bridge dove");
  take(host.remove_port("port0"));
  CHECK(host.until([] { return run("nft list tables").find("bridge dove") != std::string::npos; }));
  for (const auto* set : {"set inet dove ports", "set arp dove ports", "set bridge dove ports",
                          "map bridge dove walled"}) {
    const auto listed = run(fmt::format("nft list {}", set));
    CHECK(listed.find("port0") == std::string::npos);
    CHECK(listed.find("port1") != std::string::npos);
  }
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
    host.run_for(std::chrono::milliseconds{1200});  // what is done twice in a second waits
    CHECK(punted());
  }
  CHECK(host->problem().empty());
}

}  // namespace
}  // namespace dove::agent::test
