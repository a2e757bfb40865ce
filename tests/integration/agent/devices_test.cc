#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <optional>
#include <thread>

#include "agent/datapath/host_check.h"
#include "agent/datapath/overlay_devices.h"
#include "tests/integration/agent/host.h"

namespace dove::agent::test {
namespace {

nlohmann::json link(const std::string& name) { return ip_json("link show dev " + name).at(0); }

std::string sysctl(const std::string& path) { return run("cat /proc/sys/net/" + path); }

TEST_CASE("a network's devices have exactly the attributes that the kernel needs of them") {
  Underlay underlay;
  Switch host;
  take(host->add_network(vni(100)));

  const auto vxlan = link("dvx100");
  const auto& data = vxlan.at("linkinfo").at("info_data");
  CHECK(data.at("id") == 100);
  CHECK(data.at("local") == "192.0.2.1");
  CHECK(data.at("port") == 4789);
  CHECK(data.at("learning") == false);
  for (const auto* on : {"proxy", "rsc", "l2miss", "l3miss"}) CHECK(data.at(on) == true);
  CHECK(data.at("ageing") == 300);
  CHECK(vxlan.at("mtu") == 65535);
  CHECK(vxlan.at("address") == "02:d0:d0:00:00:64");
  CHECK(vxlan.at("ifalias") == "dove network 100");
  CHECK(vxlan.at("inet6_addr_gen_mode") == "none");
  CHECK(vxlan.at("master") == "dvbr100");
  const auto& port = vxlan.at("linkinfo").at("info_slave_data");
  CHECK(port.at("learning") == false);
  CHECK(port.at("flood") == true);

  const auto bridge = link("dvbr100");
  CHECK(bridge.at("address") == "02:d0:b0:00:00:64");
  CHECK(bridge.at("mtu") == 65535);
  CHECK(bridge.at("inet6_addr_gen_mode") == "none");
  CHECK(bridge.at("linkinfo").at("info_data").at("mcast_snooping") == 1);
  CHECK(bridge.at("linkinfo").at("info_data").at("stp_state") == 0);
  CHECK(sysctl("ipv6/conf/dvbr100/disable_ipv6") == "1\n");
  CHECK(sysctl("ipv6/conf/dvx100/disable_ipv6") == "0\n");  // else it takes no IPv6 neighbours
  for (const auto* name : {"dvbr100", "dvx100"})
    CHECK(ip_json(std::string{"addr show dev "} + name).at(0).at("addr_info").empty());
}

TEST_CASE("names and MACs of the largest network fit") {
  Underlay underlay;
  Switch host;
  take(host->add_network(vni(16777215)));
  CHECK(link("dvbr16777215").at("address") == "02:d0:b0:ff:ff:ff");
}

TEST_CASE("a bridge keeps its MTU when a port with a smaller one joins") {
  Underlay underlay;
  Switch host;
  take(host->add_network(vni(100)));
  run("ip link add small mtu 1400 type veth peer name peer");
  run("ip link set small master dvbr100");
  CHECK(link("dvbr100").at("mtu") == 65535);
}

TEST_CASE("a restarted agent takes its devices over, with their entries, and corrects them") {
  Underlay underlay;
  {
    Switch before;
    take(before->add_network(vni(100)));
    run("bridge fdb replace 02:00:00:00:00:0b dev dvx100 dst 192.0.2.2 dynamic");
    run("ip neigh replace 10.0.0.2 lladdr 02:00:00:00:00:0b dev dvx100 nud permanent");
    run("bridge fdb append ff:ff:ff:ff:ff:ff dev dvx100 dst 192.0.2.2 permanent");
  }
  const auto index = link("dvx100").at("ifindex");
  run("ip link set dvx100 mtu 1300");
  run("bridge link set dev dvx100 learning on");

  Switch after;
  REQUIRE(after->found_networks() == std::vector{vni(100)});
  take(after->add_network(vni(100)));
  CHECK(link("dvx100").at("ifindex") == index);
  CHECK(link("dvx100").at("mtu") == 65535);
  CHECK(link("dvx100").at("linkinfo").at("info_slave_data").at("learning") == false);

  const auto adopted = take(after->adopt(vni(100)));
  REQUIRE(adopted.fdb.size() == 1);
  CHECK(adopted.fdb[0].key == MacKey{vni(100), mac("02:00:00:00:00:0b")});
  CHECK(adopted.fdb[0].vtep == Vtep{ip("192.0.2.2")});
  REQUIRE(adopted.groups.size() == 1);
  CHECK(adopted.groups[0].vteps == std::vector<Vtep>{{ip("192.0.2.2")}});
}

TEST_CASE("a neighbour is adopted: it does not need its device to be up all the time") {
  Underlay underlay;
  {
    Switch before;
    take(before->add_network(vni(100)));
    run("ip neigh replace 10.0.0.2 lladdr 02:00:00:00:00:0b dev dvx100 nud permanent");
  }
  Switch after;
  take(after->add_network(vni(100)));
  const auto adopted = take(after->adopt(vni(100)));
  REQUIRE(adopted.neighbours.size() == 1);
  CHECK(adopted.neighbours[0].key == IpKey{vni(100), ip("10.0.0.2")});
  CHECK(adopted.neighbours[0].mac == mac("02:00:00:00:00:0b"));
}

TEST_CASE("our own VXLAN device with attributes that cannot be changed is made anew") {
  Underlay underlay;
  {
    Switch before;
    take(before->add_network(vni(100)));
  }
  auto options = default_options();
  options.ageing = std::chrono::seconds{60};
  Switch after{options};
  take(after->add_network(vni(100)));
  CHECK(link("dvx100").at("linkinfo").at("info_data").at("ageing") == 60);
  CHECK(link("dvx100").at("master") == "dvbr100");
}

TEST_CASE("a bridge keeps whom it has learned until they have been asked for") {
  Underlay underlay;
  auto options = default_options();
  options.learn_ageing = std::chrono::seconds{1000};
  const auto ageing = [] {  // in hundredths of a second
    return link("dvbr100").at("linkinfo").at("info_data").at("ageing_time");
  };
  {
    Switch host{options};
    take(host->add_network(vni(100)));
    CHECK(ageing() == 106000);
  }
  options.learn_ageing = std::chrono::seconds{1};  // a bridge that is taken over
  Switch host{options};
  take(host->add_network(vni(100)));
  CHECK(ageing() == 30000);
}

TEST_CASE("a foreign device of one of our names is refused and left alone") {
  Underlay underlay;
  Switch host;
  SECTION("a bridge without our mark") {
    run("ip link add dvbr100 type bridge");
    const auto refused = host->add_network(vni(100));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::kConflict);
    CHECK(refused.error().message ==
          "device dvbr100 is there and is not dove's (its alias is \"\" instead of \"dove network "
          "100\"); remove it (ip link del dvbr100) or give it another name");
  }
  SECTION("a device of another kind") {
    run("ip link add dvx100 type veth peer name other");
    const auto refused = host->add_network(vni(100));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find("its kind is \"veth\" instead of \"vxlan\"") !=
          std::string::npos);
    CHECK_FALSE(succeeds("ip link show dvbr100"));
  }
}

TEST_CASE("unused networks go one at a time, and stay when they are used again") {
  Underlay underlay;
  auto options = default_options();
  options.removal_delay = std::chrono::seconds{3};
  Switch host{options};
  host->start();
  for (const unsigned n : {1U, 2U}) take(host->add_network(vni(n)));
  host->remove_network(vni(1));
  host->remove_network(vni(2));
  host.run_for(std::chrono::milliseconds{500});
  CHECK(succeeds("ip link show dvbr1"));
  take(host->add_network(vni(2)));
  CHECK(host.until([] { return !succeeds("ip link show dvbr1"); }));
  host.run_for(std::chrono::milliseconds{2700});
  CHECK(succeeds("ip link show dvbr2"));
}

TEST_CASE("a network that is used again before it is removed has nothing of its earlier time") {
  Underlay underlay;
  Switch host;
  take(host->add_network(vni(100)));
  const auto key = [](const char* text) { return MacKey{vni(100), mac(text)}; };
  const Vtep peer{ip("192.0.2.2")};
  const std::vector<KernelChange> held{
      SetFdb{key("02:00:00:00:00:0b"), peer}, SetLocalFdb{key("02:00:00:00:00:0c")},
      SetGroup{{vni(100), MacAddress::broadcast()}, {peer}},
      SetNeighbour{{vni(100), ip("10.0.0.2")}, mac("02:00:00:00:00:0b")}};
  REQUIRE(host->apply(held).empty());
  const auto rows = [] {
    return bridge_json("fdb show dev dvx100").size() + ip_json("neigh show dev dvx100").size();
  };
  const auto before = rows();

  host->remove_network(vni(100));
  CHECK(rows() == before);
  take(host->add_network(vni(100)));
  CHECK(rows() == before - held.size());
}

TEST_CASE("the punt follows the underlay's MTU, and the guests are told") {
  Underlay underlay;
  Switch host;
  host->start();
  take(host->add_network(vni(100)));
  CHECK(host->guest_mtu() == 1450);
  run("ip link set u0 mtu 9000");
  REQUIRE(host.until([&] { return host.heard.mtu == 8950; }));
  CHECK(host->guest_mtu() == 8950);
  CHECK(link("dvpunt").at("mtu") == 9000);
  for (const auto* name : {"dvbr100", "dvx100"}) CHECK(link(name).at("mtu") == 65535);
}

TEST_CASE("the guests' MTU is that of the shortest way to another host") {
  Underlay underlay;
  Switch host;
  host->start();
  take(host->add_network(vni(100)));
  run("ip route add 198.51.100.0/24 via 192.0.2.2 mtu 1400");
  run("ip route add 203.0.113.0/24 via 192.0.2.2 mtu 9000");
  host->set_peers({ip("192.0.2.1"), ip("192.0.2.2"), ip("203.0.113.3")});
  CHECK(host->guest_mtu() == 1450);  // no more than the device takes
  host->set_peers({ip("192.0.2.1"), ip("192.0.2.2"), ip("198.51.100.3")});
  REQUIRE(host.until([&] { return host.heard.mtu == 1350; }));
  CHECK(link("dvpunt").at("mtu") == 1400);

  run("ip route change 198.51.100.0/24 via 192.0.2.2 mtu 1300");
  REQUIRE(host.until([&] { return host.heard.mtu == 1250; }));
  run("ip route del 198.51.100.0/24");  // no way at all: the others count
  REQUIRE(host.until([&] { return host.heard.mtu == 1450; }));
  CHECK(link("dvpunt").at("mtu") == 1500);
}

TEST_CASE("of a thousand hosts the shortest way counts too, and whoever changes meanwhile") {
  Underlay underlay;
  Switch host;
  host->start();
  run("ip route add 198.51.100.0/24 via 192.0.2.2 mtu 1400");
  run("ip route add 203.0.113.0/24 via 192.0.2.2 mtu 1300");
  std::vector<IpAddress> peers;
  for (int i = 0; i < 1000; ++i)
    peers.push_back(ip(fmt::format("192.0.2.{}", 2 + i % 250).c_str()));
  peers.push_back(ip("198.51.100.3"));
  host->set_peers(peers);
  REQUIRE(host.until([&] { return host.heard.mtu == 1350; }));
  peers.back() = ip("203.0.113.3");
  host->set_peers(peers);
  REQUIRE(host.until([&] { return host.heard.mtu == 1250; }));
  peers.pop_back();
  host->set_peers(peers);
  REQUIRE(host.until([&] { return host.heard.mtu == 1450; }));
}

TEST_CASE("a VTEP on loopback says nothing about the way") {
  Underlay underlay;
  run("ip addr add 192.0.2.99/32 dev lo");
  auto options = default_options();
  options.local.address = ip("192.0.2.99");
  Switch host{options};
  host->start();
  CHECK(host->guest_mtu() == 1450);
  run("ip link set u0 mtu 4000");
  host->set_peers({ip("192.0.2.2")});
  REQUIRE(host.until([&] { return host.heard.mtu == 3950; }));
}

TEST_CASE("a device of ours that somebody changes or removes is put right") {
  Underlay underlay;
  Switch host;
  host->start();
  take(host->add_network(vni(100)));
  host.run_for(std::chrono::milliseconds{300});
  CHECK(host->counters().put_back == 0);  // our own doing
  run("ip link set dvx100 mtu 1200");
  run("ip link set dvx100 nomaster");
  CHECK(host.until([] {
    return link("dvx100").at("mtu") == 65535 && link("dvx100").value("master", "") != "";
  }));
  run("ip link set dvbr100 address 02:00:00:00:00:99");
  CHECK(host.until([] { return link("dvbr100").at("address") == "02:d0:b0:00:00:64"; }));
  run("ip link set dvpunt mtu 1300");
  CHECK(host.until([] { return link("dvpunt").at("mtu") == 1500; }));
  const auto so_far = host->counters().put_back;
  CHECK(so_far >= 3);
  run("ip link del dvx100");
  CHECK(host.until([] { return succeeds("ip link show dvx100"); }));
  CHECK(host.until([] {
    return run("bridge fdb show dev dvx100").find("00:00:00:00:00:00 dst 169.254.77.65") !=
           std::string::npos;
  }));
  CHECK(host->counters().put_back > so_far);
  CHECK_FALSE(host.heard.troubles.empty());
}

TEST_CASE("somebody who changes devices of ours again and again is answered once a second") {
  Underlay underlay;
  Switch host;
  host->start();
  take(host->add_network(vni(100)));
  struct Case {
    const char* harm;
    std::function<bool()> right;
  };
  const std::vector<Case> cases{
      {"ip link set dvx100 alias x", [] { return link("dvx100").at("ifalias") != "x"; }},
      {"ip link set dvbr100 mtu 1200", [] { return link("dvbr100").at("mtu") == 65535; }},
      {"bridge link set dev dvx100 learning on",
       [] {
         return run("bridge -d link show dev dvx100").find("learning off") != std::string::npos;
       }},
      {"ip link del dvx100", [] { return succeeds("ip link show dvx100"); }},
      {"ip link set dvpunt mtu 1300", [] { return link("dvpunt").at("mtu") == 1500; }},
      {"ip link del dvpunt", [] { return succeeds("ip link show dvpunt"); }}};
  for (const auto& [harm, right] : cases) {
    CAPTURE(harm);
    host.run_for(std::chrono::milliseconds{2200});  // nothing is suspect any more
    const auto before = host->counters().put_back;
    const auto began = std::chrono::steady_clock::now();
    std::uint64_t done = 0;
    while (std::chrono::steady_clock::now() - began < std::chrono::milliseconds{1500}) {
      done += succeeds(harm) ? 1 : 0;
      host.run_for(std::chrono::milliseconds{5});
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    const auto answered = host->counters().put_back - before;
    CAPTURE(done);
    CHECK(answered >= 1);
    CHECK(static_cast<double>(answered) <= 2 * (took.count() + 1));  // at once, and by the audit
    CHECK(host.until(right));
  }
  CHECK(host.until([&] { return host->problem().empty(); }));
}

TEST_CASE("a punt that goes comes back, whatever else changes meanwhile") {
  Underlay underlay;
  Switch host;
  host->start();
  take(host->add_network(vni(100)));
  take(host->add_network(vni(101)));
  const auto is_right = [&](const char* vxlan) {
    return succeeds("ip link show dvpunt") && host->problem().empty() &&
           run(std::string{"bridge fdb show dev "} + vxlan)
                   .find("00:00:00:00:00:00 dst 169.254.77.65 via dvpunt") != std::string::npos;
  };
  REQUIRE(host.until([&] { return is_right("dvx101"); }));
  host->remove_network(vni(100));  // its devices wait for somebody to use them again
  run("ip link del dvpunt");
  CHECK(host.until([&] { return is_right("dvx101"); }));
  // The second time in a second it waits; so does what is new meanwhile.
  run("ip link del dvpunt");
  host.run_for(std::chrono::milliseconds{20});
  CHECK_FALSE(host->problem().empty());
  run("ip link set u0 mtu 1400");
  take(host->add_network(vni(102)));
  run("ip link del dvx101");
  CHECK(host.until([&] { return is_right("dvx101") && is_right("dvx102"); }));
  CHECK(host.until([] { return link("dvpunt").at("mtu") == 1400; }));
}

TEST_CASE("a bridge whose name somebody takes comes back when that is free; others miss nothing") {
  Underlay underlay;
  Switch host;
  host->start();
  take(host->add_network(vni(100)));
  take(host->add_network(vni(101)));
  host.run_for(std::chrono::milliseconds{100});
  run("ip link del dvbr100");
  run("ip link add dvbr100 type veth peer name other");
  CHECK(host.until([&] { return host->problem().find("dvbr100") != std::string::npos; }));
  run("ip link del dvpunt");
  CHECK(host.until([&] {
    return run("bridge fdb show dev dvx101")
               .find("00:00:00:00:00:00 dst 169.254.77.65 via dvpunt") != std::string::npos;
  }));
  run("ip link del dvbr100");
  CHECK(host.until([&] {
    return succeeds("ip link show dvx100") && link("dvx100").value("master", "") == "dvbr100" &&
           host->problem().empty();
  }));
  CHECK(run("bridge fdb show dev dvx100").find("via dvpunt") != std::string::npos);
}

TEST_CASE(
    "a bridge that somebody removes is made again with its ports, and nothing else is complained "
    "of") {
  Underlay underlay;
  Guest guest{"port0", "02:00:00:00:00:0a", "10.0.0.1/24"};
  Switch host;
  host->start();
  host.add_guest(guest, vni(100));
  run("ip link del dvbr100");
  CHECK(host.until([] {
    return succeeds("ip link show dvbr100") && link("port0").value("master", "") == "dvbr100" &&
           link("dvx100").value("master", "") == "dvbr100";
  }));
  host.run_for(std::chrono::milliseconds{200});
  CHECK(
      host.heard.troubles ==
      std::vector<std::string>{"a device of network 100 was removed by somebody else: made again"});
}

TEST_CASE("the end: what is in use stays, and with the last network everything goes") {
  Underlay underlay;
  {
    Switch host;
    take(host->add_network(vni(1)));
    take(host->add_network(vni(2)));
    host->remove_network(vni(2));
    host->shutdown();
  }
  CHECK(succeeds("ip link show dvbr1"));
  CHECK(succeeds("ip link show dvpunt"));
  CHECK(succeeds("nft list table bridge dove"));
  CHECK_FALSE(succeeds("ip link show dvbr2"));
  {
    Switch host;
    host->forget_unclaimed();  // nobody claimed network 1
    host->shutdown();
  }
  CHECK_FALSE(succeeds("ip link show dvbr1"));
  CHECK_FALSE(succeeds("ip link show dvpunt"));
  CHECK(run("nft list ruleset") == "");
  CHECK(run("ip route show type unreachable") == "");
}

TEST_CASE("one that ends holds the namespace a moment longer: the next one waits for it") {
  // A process that it was starting when it was killed has its descriptors until it is another
  // program.
  enter_fresh_namespace();
  std::optional<NamespaceLock> held = *lock_namespace();
  std::promise<bool> taken;
  auto after = taken.get_future();
  std::thread next{[&] { taken.set_value(lock_namespace().ok()); }};  // in this namespace too
  CHECK(after.wait_for(std::chrono::milliseconds{100}) == std::future_status::timeout);
  held.reset();
  next.join();
  CHECK(after.get());
}

TEST_CASE("what a host lacks is said") {
  enter_fresh_namespace();
  asio::io_context io;
  Recorder heard;
  const auto refusal = [&](const DatapathOptions& options) {
    const auto opened = Datapath::open(io, options, heard);
    REQUIRE_FALSE(opened);
    return opened.error().message;
  };
  SECTION("nobody has the VTEP's address") {
    CHECK(refusal(default_options()) == "no device of this host has the VTEP's address 192.0.2.1");
  }
  run("ip link add u0 type veth peer name u1");
  run("ip addr add 192.0.2.1/24 dev u0");
  SECTION("the punt's addresses are in use") {
    run("ip addr add 169.254.77.65/16 dev u1");
    CHECK(refusal(default_options()).find("169.254.77.64/31 are in use on this host") !=
          std::string::npos);
  }
  SECTION("dvpunt is somebody's") {
    run("ip link add dvpunt type bridge");
    CHECK(refusal(default_options()).find("device dvpunt is there and is not dove's") == 0);
    CHECK(run("nft list ruleset") == "");
  }
  SECTION("another doved") {
    Switch first;
    CHECK(refusal(default_options()) == "another doved runs in this network namespace");
  }
  SECTION("no nft") {
    const std::string path = ::getenv("PATH");
    ::setenv("PATH", "/nonexistent", 1);
    const auto message = refusal(default_options());
    ::setenv("PATH", path.c_str(), 1);
    CHECK(message == "there is no nft in PATH: install the package nftables");
  }
  SECTION("a punt prefix of the wrong length") {
    auto options = default_options();
    options.punt_prefix = Prefix::parse("169.254.8.0/30");
    CHECK(refusal(options) ==
          "punt prefix 169.254.8.0/30 is wrong: expected a /31, as the VTEP is IPv4");
  }
}

}  // namespace
}  // namespace dove::agent::test
