#include "agent/datapath/programmer.h"

#include <fmt/format.h>

#include <algorithm>

#include "netlink/monitor.h"
#include "tests/integration/agent/host.h"

namespace dove::agent::test {
namespace {

const MacAddress kBroadcast = MacAddress::broadcast();
const char* const kGroup = "01:00:5e:00:00:05";

// What bridge(8) says the device does with frames for `mac`, in order of text.
std::string destinations(const std::string& address) {
  std::vector<std::string> all;
  for (const auto& entry : bridge_json("fdb show dev dvx100"))
    if (entry.at("mac") == address) all.push_back(entry.value("dst", "none"));
  std::sort(all.begin(), all.end());
  std::string text;
  for (const auto& one : all) text += (text.empty() ? "" : " ") + one;
  return text;
}

std::string state_of(const std::string& address) {
  for (const auto& entry : bridge_json("fdb show dev dvx100"))
    if (entry.at("mac") == address) return entry.value("state", "");
  return "absent";
}

Vtep at(int last) { return {ip(("192.0.2." + std::to_string(last)).c_str())}; }

struct OneNetwork {
  OneNetwork() {
    take(host->add_network(vni(100)));
    host->start();
  }
  std::vector<RefusedChange> apply(std::vector<KernelChange> changes) {
    return host->apply(changes);
  }
  MacKey key(const char* text) const { return {vni(100), mac(text)}; }
  Underlay underlay;
  Switch host;
};

TEST_CASE("entries have the state that makes the kernel age them, or not") {
  OneNetwork on;
  CHECK(on.apply({SetFdb{on.key("02:00:00:00:00:01"), at(2)},
                  SetLocalFdb{on.key("02:00:00:00:00:02")},
                  SetGroup{{vni(100), kBroadcast}, {at(2), at(3)}},
                  SetNeighbour{{vni(100), ip("10.0.0.1")}, mac("02:00:00:00:00:01")},
                  SetNeighbour{{vni(100), ip("fe80::1")}, mac("02:00:00:00:00:01")}})
            .empty());
  CHECK(destinations("02:00:00:00:00:01") == "192.0.2.2");
  CHECK(state_of("02:00:00:00:00:01") == "");  // dynamic: bridge(8) shows no state
  CHECK(destinations("02:00:00:00:00:02") == "0.0.0.0");
  CHECK(state_of("02:00:00:00:00:02") == "static");
  CHECK(destinations("ff:ff:ff:ff:ff:ff") == "192.0.2.2 192.0.2.3");
  CHECK(state_of("ff:ff:ff:ff:ff:ff") == "permanent");
  for (const auto& entry : ip_json("neigh show dev dvx100"))
    CHECK(entry.at("state").at(0) == "PERMANENT");
  CHECK(ip_json("neigh show dev dvx100").size() == 2);

  CHECK(on.apply({SetFdb{on.key("02:00:00:00:00:01"), at(9)},
                  SetFdb{on.key("02:00:00:00:00:02"), at(9)}})
            .empty());
  CHECK(destinations("02:00:00:00:00:01") == "192.0.2.9");
  CHECK(destinations("02:00:00:00:00:02") == "192.0.2.9");
  CHECK(state_of("02:00:00:00:00:02") == "");
}

TEST_CASE("what cannot be done is refused by its place, and the rest is done") {
  OneNetwork on;
  const MacKey elsewhere{vni(200), mac("02:00:00:00:00:01")};
  const auto refused =
      on.apply({SetFdb{elsewhere, at(2)}, SetFdb{on.key("02:00:00:00:00:01"), at(2)},
                SetFdb{on.key("02:00:00:00:00:02"), {ip("2001:db8::1")}},
                DeleteFdb{on.key("02:00:00:00:00:09")}, DeleteGroup{on.key(kGroup)},
                DeleteNeighbour{{vni(100), ip("10.9.9.9")}}, SetFdb{elsewhere, at(2)}});
  REQUIRE(refused.size() == 3);
  CHECK(refused[0].index == 0);
  CHECK(refused[0].error == std::errc::no_such_device);
  CHECK(refused[1].index == 2);
  CHECK(refused[2].index == 6);
  CHECK(destinations("02:00:00:00:00:01") == "192.0.2.2");
}

TEST_CASE("a group's list becomes what it should be, from anything to anything") {
  OneNetwork on;
  const std::vector<std::vector<int>> lists{{}, {2}, {2, 3}, {4}, {}, {2, 3, 4}, {3}, {}};
  for (const auto* group : {"ff:ff:ff:ff:ff:ff", kGroup})
    for (const auto& list : lists) {
      std::vector<Vtep> vteps;
      std::string wanted = list.empty() ? "0.0.0.0" : "";
      for (const int host : list) {
        vteps.push_back(at(host));
        wanted += (wanted.empty() ? "" : " ") + at(host).address.to_string();
      }
      CHECK(on.apply({SetGroup{on.key(group), vteps}}).empty());
      CHECK(destinations(group) == wanted);
    }
  CHECK(on.apply({DeleteGroup{on.key(kGroup)}}).empty());
  CHECK(destinations(kGroup).empty());
  CHECK(on.apply({SetGroup{on.key(kGroup), {at(2)}}}).empty());
  CHECK(destinations(kGroup) == "192.0.2.2");
}

// As the kernel tells of it.
TEST_CASE("a list of several is punted until it is whole") {
  OneNetwork on;
  auto monitor = *netlink::ChangeMonitor::open({.installs = netlink::Installs::kAll});
  const auto told = [&] {
    std::vector<netlink::KernelChange> changes;
    take(monitor.drain(changes));
    std::string text;
    for (const auto& change : changes) {
      const auto* set = std::get_if<netlink::FdbSet>(&change);
      const auto* gone = std::get_if<netlink::FdbGone>(&change);
      if (set == nullptr && gone == nullptr) continue;
      const auto& entry = set != nullptr ? set->entry : gone->entry;
      if (entry.mac != mac(kGroup)) continue;
      const bool punt = entry.via == IfIndex{ip_json("link show dvpunt").at(0).at("ifindex")};
      text += fmt::format("{}{} ", set != nullptr ? '+' : '-',
                          punt ? "punt" : entry.destination->to_string());
    }
    return text;
  };
  on.host.run_for(std::chrono::milliseconds{500});  // what the network's beginning told
  const auto audits = on.host->counters().audits;
  CHECK(on.apply({SetGroup{on.key(kGroup), {at(2), at(3)}}}).empty());
  CHECK(told() == "+punt +192.0.2.2 +192.0.2.3 -punt ");
  on.host.run_for(std::chrono::milliseconds{300});
  CHECK(on.host->counters().audits == audits);  // nothing of it was taken for another's
  CHECK(on.apply({SetGroup{on.key(kGroup), {at(2), at(3), at(4)}}}).empty());
  CHECK(told() == "+192.0.2.4 ");
  CHECK(on.apply({SetGroup{on.key(kGroup), {}}}).empty());
  (void)told();
  CHECK(on.apply({SetGroup{on.key(kGroup), {at(2), at(3)}}}).empty());
  CHECK(told().ends_with("+punt +192.0.2.2 +192.0.2.3 -punt "));
  CHECK(destinations(kGroup) == "192.0.2.2 192.0.2.3");
}

TEST_CASE("a list of 300 is one change, and only what differs is touched") {
  OneNetwork on;
  std::vector<Vtep> vteps;
  for (std::uint32_t i = 0; i < 300; ++i) vteps.push_back({IpAddress::v4(0x0a000001U + i)});
  CHECK(on.apply({SetGroup{{vni(100), kBroadcast}, vteps}}).empty());
  CHECK(bridge_json("fdb show dev dvx100").size() >= 300);
  vteps.erase(vteps.begin() + 100);
  CHECK(on.apply({SetGroup{{vni(100), kBroadcast}, vteps}}).empty());
  CHECK(destinations("ff:ff:ff:ff:ff:ff").find("10.0.0.101 ") == std::string::npos);
  CHECK(destinations("ff:ff:ff:ff:ff:ff").find("10.0.0.102 ") != std::string::npos);
}

TEST_CASE("an entry that ages or is taken is told once, our own deletions never") {
  OneNetwork on;
  on.apply({SetFdb{on.key("02:00:00:00:00:01"), at(2)}, SetFdb{on.key("02:00:00:00:00:02"), at(2)},
            SetNeighbour{{vni(100), ip("10.0.0.1")}, mac("02:00:00:00:00:01")},
            SetNeighbour{{vni(100), ip("10.0.0.2")}, mac("02:00:00:00:00:02")}});
  on.apply({DeleteFdb{on.key("02:00:00:00:00:01")}, DeleteNeighbour{{vni(100), ip("10.0.0.1")}}});
  // Deleted and made again before the news of the deletion was read: it is there.
  on.apply({DeleteFdb{on.key("02:00:00:00:00:02")}});
  on.apply({SetFdb{on.key("02:00:00:00:00:02"), at(3)}});
  on.host.run_for(std::chrono::milliseconds{200});
  CHECK(on.host.heard.fdb_gone.empty());
  CHECK(on.host.heard.neighbour_gone.empty());

  run("bridge fdb del 02:00:00:00:00:02 dev dvx100");
  run("ip neigh del 10.0.0.2 dev dvx100");
  REQUIRE(on.host.until(
      [&] { return !on.host.heard.fdb_gone.empty() && !on.host.heard.neighbour_gone.empty(); }));
  CHECK(on.host.heard.fdb_gone == std::vector{on.key("02:00:00:00:00:02")});
  CHECK(on.host.heard.neighbour_gone == std::vector{IpKey{vni(100), ip("10.0.0.2")}});
}

TEST_CASE("the kernel ages what no frame uses") {
  Underlay underlay;
  auto options = default_options();
  options.ageing = std::chrono::seconds{1};
  Switch host{options};
  take(host->add_network(vni(100)));
  host->start();
  const KernelChange change = SetFdb{{vni(100), mac("02:00:00:00:00:01")}, at(2)};
  CHECK(host->apply({&change, 1}).empty());
  CHECK(host.until([&] { return host.heard.fdb_gone.size() == 1; }, std::chrono::seconds{15}));
}

TEST_CASE("a local guest's entry and a list's destination that somebody takes come back") {
  OneNetwork on;
  on.apply({SetLocalFdb{on.key("02:00:00:00:00:05")},
            SetGroup{{vni(100), kBroadcast}, {at(2), at(3)}}, SetGroup{on.key(kGroup), {}}});
  on.host.run_for(std::chrono::milliseconds{50});
  run("bridge fdb del 02:00:00:00:00:05 dev dvx100");
  run("bridge fdb del ff:ff:ff:ff:ff:ff dev dvx100 dst 192.0.2.3");
  run(std::string{"bridge fdb del "} + kGroup + " dev dvx100");
  CHECK(on.host.until([] {
    return destinations("02:00:00:00:00:05") == "0.0.0.0" &&
           destinations("ff:ff:ff:ff:ff:ff") == "192.0.2.2 192.0.2.3" &&
           destinations(kGroup) == "0.0.0.0";
  }));
  CHECK(on.host->counters().put_back == 3);
  on.apply({SetGroup{{vni(100), kBroadcast}, {}}});
  on.host.run_for(std::chrono::milliseconds{50});
  CHECK(on.host->counters().put_back == 3);  // our own doing
}

TEST_CASE("what we take out ourselves nobody is said to have taken") {
  OneNetwork on;
  const SetGroup full{{vni(100), kBroadcast}, {at(2), at(3)}};
  const SetGroup empty{{vni(100), kBroadcast}, {}};
  for (const KernelChange& change : std::vector<KernelChange>{
           full, empty, full, empty, SetLocalFdb{on.key("02:00:00:00:00:05")},
           DeleteFdb{on.key("02:00:00:00:00:05")}, SetLocalFdb{on.key("02:00:00:00:00:05")},
           DeleteGroup{{vni(100), kBroadcast}}, full})
    on.apply({change});
  on.host.run_for(std::chrono::milliseconds{100});
  CHECK(on.host->counters().put_back == 0);
  CHECK(on.host.heard.troubles.empty());
}

TEST_CASE("a device that somebody removes has its lists again when it is made again") {
  OneNetwork on;
  on.apply({SetLocalFdb{on.key("02:00:00:00:00:05")},
            SetGroup{{vni(100), kBroadcast}, {at(2), at(3)}}, SetGroup{on.key(kGroup), {}}});
  on.host.run_for(std::chrono::milliseconds{50});
  run("ip link del dvx100");
  REQUIRE(on.host.until([&] { return !on.host.heard.troubles.empty(); }));
  CHECK(destinations("ff:ff:ff:ff:ff:ff") == "192.0.2.2 192.0.2.3");
  CHECK(destinations("02:00:00:00:00:05") == "0.0.0.0");
  CHECK(destinations(kGroup) == "0.0.0.0");
  CHECK(on.host.heard.troubles.size() == 1);
}

TEST_CASE("reconciliation finds what vanished unheard") {
  Underlay underlay;
  Switch host;  // not started: it hears nothing
  take(host->add_network(vni(100)));
  auto programmer = take(Programmer::open(Vtep{IpAddress::v4(0x0a630001)}));
  auto links = take(netlink::Links::open());
  programmer.add_network(vni(100), take(links.find("dvx100")).index);
  const std::vector<KernelChange> changes{
      SetFdb{{vni(100), mac("02:00:00:00:00:01")}, at(2)},
      SetFdb{{vni(100), mac("02:00:00:00:00:02")}, at(2)},
      SetLocalFdb{{vni(100), mac("02:00:00:00:00:05")}},
      SetGroup{{vni(100), kBroadcast}, {at(2), at(3)}},
      SetNeighbour{{vni(100), ip("10.0.0.1")}, mac("02:00:00:00:00:01")}};
  CHECK(programmer.apply(changes).empty());
  run("bridge fdb del 02:00:00:00:00:01 dev dvx100");
  run("bridge fdb del 02:00:00:00:00:05 dev dvx100");
  run("bridge fdb del ff:ff:ff:ff:ff:ff dev dvx100");
  run("ip neigh del 10.0.0.1 dev dvx100");

  const auto missing = programmer.mend(vni(100), take(programmer.differences(vni(100)))).missing;
  CHECK(missing.fdb == std::vector{MacKey{vni(100), mac("02:00:00:00:00:01")}});
  CHECK(missing.neighbours == std::vector{IpKey{vni(100), ip("10.0.0.1")}});
  CHECK(destinations("02:00:00:00:00:05") == "0.0.0.0");
  CHECK(destinations("ff:ff:ff:ff:ff:ff") == "192.0.2.2 192.0.2.3");
  CHECK(take(programmer.differences(vni(100))).empty());
}

TEST_CASE("a guest that is here no more is not kept from being reached elsewhere") {
  Underlay underlay;
  {
    Switch before;
    take(before->add_network(vni(100)));
    const std::vector<KernelChange> changes{SetLocalFdb{{vni(100), mac("02:00:00:00:00:05")}},
                                            SetLocalFdb{{vni(100), mac("02:00:00:00:00:06")}}};
    CHECK(before->apply(changes).empty());
  }
  Switch after;
  take(after->add_network(vni(100)));
  const KernelChange still_here = SetLocalFdb{{vni(100), mac("02:00:00:00:00:05")}};
  CHECK(after->apply({&still_here, 1}).empty());
  after->forget_unclaimed();
  CHECK(destinations("02:00:00:00:00:05") == "0.0.0.0");
  CHECK(destinations("02:00:00:00:00:06").empty());
}

}  // namespace
}  // namespace dove::agent::test
