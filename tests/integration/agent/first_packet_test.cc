// The life of a first packet, step by step, with the test in the resolver's place.
#include <fmt/format.h>

#include <algorithm>

#include "agent/frames/punt.h"
#include "tests/integration/agent/traffic.h"

namespace dove::agent::test {
namespace {

constexpr const char* kGuestMac = "02:00:00:00:00:0a";
constexpr const char* kRemoteMac = "02:00:00:00:00:0b";
const Vtep kPeer{*IpAddress::parse("192.0.2.2")};

struct ColdHost {
  explicit ColdHost(const char* guest_address = "10.0.0.1/24",
                    const char* remote_address = "10.0.0.2/24")
      : guest{"port0", kGuestMac, guest_address} {
    underlay.remote_guest(100, kRemoteMac, remote_address);
    const std::string_view own{guest_address};
    underlay.peer.run(fmt::format("ip neigh add {} lladdr {} dev vx100",
                                  own.substr(0, own.find('/')), kGuestMac));
    host->start();
    host.add_guest(guest, vni(100));
  }
  // Until the ping is over, sends on every unicast frame of the punt, and installs nothing.
  void send_on_until(const Ping& ping) {
    std::size_t next = 0;
    REQUIRE(host.until(
        [&] {
          for (; next < host.heard.punted.size(); ++next) {
            const auto& frame = host.heard.punted[next];
            if (frame.destination.mac.is_multicast()) continue;
            Resend resend{frame.packets, kPeer};
            host->resend({&resend, 1});
          }
          return ping.done();
        },
        std::chrono::seconds{10}));
  }
  Underlay underlay;
  Guest guest;
  Switch host;
};

TEST_CASE("a frame to an unknown MAC comes out of the punt, is sent on and received") {
  ColdHost cold;
  cold.guest.machine.run(fmt::format("ip neigh add 10.0.0.2 lladdr {} dev eth0", kRemoteMac));
  const Ping ping{cold.guest, "-c 3 -i 0.2 10.0.0.2"};
  cold.send_on_until(ping);
  INFO(ping.output());
  CHECK(ping.lost_nothing());
  REQUIRE(cold.host.heard.punted.size() == 3);
  for (const auto& frame : cold.host.heard.punted) {
    CHECK(frame.destination == MacKey{vni(100), mac(kRemoteMac)});
    CHECK(frame.source == mac(kGuestMac));
    CHECK(frame.packets.packets.size() == 1);
  }
  CHECK(cold.host->counters().resent == 3);
  CHECK(cold.host->counters().resend_errors == 0);
}

TEST_CASE("a frame too long for one outer packet is sent on in its fragments") {
  ColdHost cold;
  cold.guest.machine.run(fmt::format("ip neigh add 10.0.0.2 lladdr {} dev eth0", kRemoteMac));
  const Ping ping{cold.guest, "-c 3 -i 0.2 -M dont -s 1472 10.0.0.2"};
  cold.send_on_until(ping);
  INFO(ping.output());
  CHECK(ping.lost_nothing());
  REQUIRE(cold.host.heard.punted.size() == 3);
  CHECK(cold.host.heard.punted[0].packets.packets.size() == 2);
  CHECK(cold.host->counters().resent == 6);
}

TEST_CASE("what may not be fragmented is answered by the kernel with the guests' MTU") {
  ColdHost cold;
  cold.guest.machine.run(fmt::format("ip neigh add 10.0.0.2 lladdr {} dev eth0", kRemoteMac));
  const Ping ping{cold.guest, "-c 1 -M do -s 1472 10.0.0.2"};
  cold.send_on_until(ping);
  CHECK(ping.output().find("mtu = 1450") != std::string::npos);
}

TEST_CASE("an installed entry is used, and the punt no more") {
  ColdHost cold;
  cold.guest.machine.run(fmt::format("ip neigh add 10.0.0.2 lladdr {} dev eth0", kRemoteMac));
  const KernelChange change = SetFdb{{vni(100), mac(kRemoteMac)}, kPeer};
  CHECK(cold.host->apply({&change, 1}).empty());
  const Ping ping{cold.guest, "-c 3 -i 0.2 10.0.0.2"};
  cold.send_on_until(ping);
  CHECK(ping.lost_nothing());
  CHECK(cold.host.heard.punted.empty());
}

TEST_CASE("an ARP request is heard, answered into the port, and the guest does not wait") {
  ColdHost cold;
  const KernelChange change = SetFdb{{vni(100), mac(kRemoteMac)}, kPeer};
  CHECK(cold.host->apply({&change, 1}).empty());
  const Ping ping{cold.guest, "-c 1 10.0.0.2"};
  REQUIRE(cold.host.until([&] { return !cold.host.heard.queries.empty(); }));
  const auto query = cold.host.heard.queries[0];
  CHECK(query.target == IpKey{vni(100), ip("10.0.0.2")});
  CHECK(query.asker == mac(kGuestMac));
  CHECK(query.source == ip("10.0.0.1"));
  CHECK(query.port == cold.host->ports().at(0).index);
  // The kernel has told the same, without the asker.
  CHECK(cold.host.until([&] { return !cold.host.heard.ip_misses.empty(); }));
  CHECK(cold.host.heard.ip_misses[0] == IpKey{vni(100), ip("10.0.0.2")});

  const AnswerQuery answer{query, mac(kRemoteMac)};
  cold.host->answer({&answer, 1});
  cold.send_on_until(ping);
  INFO(ping.output());
  CHECK(ping.lost_nothing());
  CHECK(cold.host.heard.queries.size() == 1);  // it did not have to ask again
  CHECK(cold.host->counters().answers_sent == 1);
}

TEST_CASE("a neighbour solicitation is heard and answered, link-local addresses are seen") {
  ColdHost cold{"2001:db8::1/64", "2001:db8::2/64"};
  REQUIRE(cold.host.until([&] { return !cold.host.heard.seen.empty(); }));
  for (const auto& seen : cold.host.heard.seen) CHECK(seen.mac == mac(kGuestMac));
  cold.host.run_for(std::chrono::milliseconds{2500});  // duplicate address detection is over
  cold.host.heard.queries.clear();
  const KernelChange change = SetFdb{{vni(100), mac(kRemoteMac)}, kPeer};
  CHECK(cold.host->apply({&change, 1}).empty());

  const Ping ping{cold.guest, "-6 -c 1 2001:db8::2"};
  std::optional<AddressQuery> query;
  REQUIRE(cold.host.until([&] {
    for (const auto& one : cold.host.heard.queries)
      if (one.target.ip == ip("2001:db8::2")) query = one;
    return query.has_value();
  }));
  CHECK(query->asker == mac(kGuestMac));
  const AnswerQuery answer{*query, mac(kRemoteMac)};
  cold.host->answer({&answer, 1});
  REQUIRE(cold.host.until([&] { return ping.done(); }));
  INFO(ping.output());
  CHECK(ping.lost_nothing());
}

TEST_CASE("what the kernel answers by itself is not asked twice over the wire") {
  ColdHost cold;
  const std::vector<KernelChange> changes{
      SetFdb{{vni(100), mac(kRemoteMac)}, kPeer},
      SetNeighbour{{vni(100), ip("10.0.0.2")}, mac(kRemoteMac)}};
  CHECK(cold.host->apply(changes).empty());
  const Ping ping{cold.guest, "-c 1 10.0.0.2"};
  cold.send_on_until(ping);
  CHECK(ping.lost_nothing());
  CHECK(cold.host.heard.ip_misses.empty());
}

TEST_CASE("gratuitous ARP is heard as an announcement, of a frame from the tunnel nothing is") {
  ColdHost cold;
  cold.guest.machine.run("arping -U -c 1 -I eth0 10.0.0.1");
  REQUIRE(cold.host.until([&] { return !cold.host.heard.seen.empty(); }));
  CHECK(cold.host.heard.seen[0].address == IpKey{vni(100), ip("10.0.0.1")});
  CHECK(cold.host.heard.seen[0].mac == mac(kGuestMac));

  cold.host.run_for(std::chrono::milliseconds{100});
  const auto frames = cold.host->counters().logged_frames;
  (void)cold.underlay.peer.succeeds("arping -c 1 -w 1 -I vx100 10.0.0.1");
  cold.host.run_for(std::chrono::milliseconds{200});
  // The guest's answer is heard, so the request came; the request itself is not heard.
  CHECK(cold.host->counters().logged_frames == frames + 1);
  for (const auto& query : cold.host.heard.queries) CHECK(query.asker == mac(kGuestMac));
}

TEST_CASE("a group without a list is punted every time, one with an empty list is not") {
  ColdHost cold;
  const auto frame = udp_frame("01:00:5e:00:00:05", kGuestMac, "10.0.0.1", "224.0.0.5");
  // The guest's own kernel speaks to other groups meanwhile.
  const auto punted = [&] {
    return std::ranges::count_if(cold.host.heard.punted, [](const PuntedFrame& one) {
      return one.destination.mac == mac("01:00:5e:00:00:05");
    });
  };
  send_frame(cold.guest.machine, frame, 3);
  REQUIRE(cold.host.until([&] { return punted() == 3; }));
  const InputCounter arrived{cold.underlay.peer, "udp dport 4789"};
  KernelChange change = SetGroup{{vni(100), mac("01:00:5e:00:00:05")}, {}};
  CHECK(cold.host->apply({&change, 1}).empty());
  send_frame(cold.guest.machine, frame, 3);
  change = SetGroup{{vni(100), mac("01:00:5e:00:00:05")}, {kPeer}};
  CHECK(cold.host->apply({&change, 1}).empty());
  send_frame(cold.guest.machine, frame, 3);
  cold.host.run_for(std::chrono::milliseconds{100});
  CHECK(punted() == 3);
  CHECK(arrived.packets() == 3);
}

TEST_CASE("in notify mode the kernel tells the MAC and nothing is punted") {
  Underlay underlay;
  auto options = default_options();
  {
    Switch punting;  // what it leaves behind is put away
    take(punting->add_network(vni(100)));
  }
  options.miss_mode = MissMode::kNotify;
  Switch host{options};
  host->start();
  Guest guest{"port0", kGuestMac, "10.0.0.1/24"};
  host.add_guest(guest, vni(100));
  host->forget_unclaimed();
  CHECK(run("bridge fdb show dev dvx100").find("00:00:00:00:00:00") == std::string::npos);
  CHECK_FALSE(succeeds("ip link show dvpunt"));
  send_frame(guest.machine, udp_frame(kRemoteMac, kGuestMac, "10.0.0.1", "10.0.0.2"), 3);
  REQUIRE(host.until([&] { return host.heard.mac_misses.size() == 3; }));
  CHECK(host.heard.mac_misses[0] == MacKey{vni(100), mac(kRemoteMac)});
  CHECK(host.heard.punted.empty());
}

TEST_CASE("a flood of changes that is not read is an overrun, and nothing is wrong afterwards") {
  ColdHost cold;
  std::vector<KernelChange> changes;
  for (std::uint32_t i = 0; i < 64; ++i)
    changes.push_back(
        SetFdb{{vni(100), MacAddress{{0x02, 1, 0, 0, 0, static_cast<std::uint8_t>(i)}}}, kPeer});
  CHECK(cold.host->apply(changes).empty());
  // More deletions than the socket's buffer holds, all while the loop does not run.
  std::vector<KernelChange> set, unset;
  for (std::uint32_t i = 0; i < 500; ++i) {
    const MacKey key{vni(100), MacAddress{{0x02, 2, 0, 0, static_cast<std::uint8_t>(i >> 8U),
                                           static_cast<std::uint8_t>(i)}}};
    set.push_back(SetFdb{key, kPeer});
    unset.push_back(DeleteFdb{key});
  }
  for (int round = 0; round < 200; ++round) {
    CHECK(cold.host->apply(set).empty());
    CHECK(cold.host->apply(unset).empty());
  }
  run("bridge fdb del 02:01:00:00:00:05 dev dvx100");  // its news does not fit any more
  CHECK(cold.host.until([&] { return !cold.host.heard.fdb_gone.empty(); }));
  CHECK(cold.host->counters().change_overruns == 1);
  CHECK(cold.host.heard.fdb_gone ==
        std::vector{MacKey{vni(100), MacAddress{{0x02, 1, 0, 0, 0, 5}}}});
}

}  // namespace
}  // namespace dove::agent::test
