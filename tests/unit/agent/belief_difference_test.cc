#include "agent/belief_difference.h"

#include "tests/catch.h"

namespace dove::agent {
namespace {

const Vni kVni = *Vni::from(10);
const MacAddress kMac{{2, 0, 0, 0, 0, 1}};
const MacAddress kGroup{{1, 0, 0x5e, 1, 2, 3}};

IpAddress ip(const char* text) { return *IpAddress::parse(text); }
Subnet subnet(const char* prefix, const char* gateway) {
  return {*Prefix::parse(prefix), ip(gateway)};
}
std::string name(HostId host) { return "h" + std::to_string(static_cast<std::uint32_t>(host)); }
std::vector<HostId> hosts(std::initializer_list<std::uint32_t> ids) {
  std::vector<HostId> all;
  for (const auto id : ids) all.push_back(HostId{id});
  return all;
}

TEST_CASE("belief differences: settings, field by field") {
  const NetworkSettings is{.vni = kVni,
                           .name = "red",
                           .tenant = "t",
                           .subnets = {subnet("10.1.0.0/24", "10.1.0.1")},
                           .denied = {*Prefix::parse("10.9.0.0/24")}};
  auto truth = is;
  CHECK(differences(is, truth).empty());
  truth.name = "blue";
  truth.tenant = "u";
  truth.learn = true;
  truth.subnets = {subnet("10.1.0.0/24", "10.1.0.2")};
  truth.denied.clear();
  CHECK(differences(is, truth) ==
        Words{"name red instead of blue", "tenant t instead of u", "learn off instead of on",
              "subnet 10.1.0.0/24 gateway 10.1.0.2 is missing",
              "subnet 10.1.0.0/24 gateway 10.1.0.1 is not the controller's",
              "denial of subnet 10.9.0.0/24 is not the controller's"});
}

TEST_CASE("belief differences: lists of hosts, by name") {
  CHECK(differences("flood list", hosts({1, 2}), hosts({2, 1}), name).empty());
  CHECK(differences("flood list", hosts({1, 2}), hosts({2, 3}), name) ==
        Words{"flood list without host h3", "flood list with host h1, which is not in it"});
  const GroupMembers is{{kGroup, hosts({1})}};
  CHECK(differences(is, is, name).empty());
  CHECK(differences(is, {}, name) ==
        Words{"group 01:00:5e:01:02:03 with host h1, which is not in it"});
  CHECK(differences(GroupMembers{}, is, name) == Words{"group 01:00:5e:01:02:03 without host h1"});
}

TEST_CASE("belief differences: hosts") {
  const HostRecord one{HostId{1}, "h1", Vtep{ip("192.0.2.1")}};
  const HostRecord two{HostId{2}, "h2", Vtep{ip("192.0.2.2")}};
  const HostRecord moved{HostId{1}, "h1", Vtep{ip("192.0.2.9")}};
  CHECK(differences(std::vector{one, two}, std::vector{two, one}).empty());
  CHECK(differences(std::vector{one}, std::vector{moved, two}) ==
        Words{"host h1 vtep 192.0.2.1 instead of host h1 vtep 192.0.2.9",
              "host h2 vtep 192.0.2.2 is missing"});
  CHECK(differences(std::vector{two}, std::vector<HostRecord>{}) ==
        Words{"host h2 vtep 192.0.2.2 is not the controller's"});
}

TEST_CASE("belief differences: an endpoint of this host") {
  const Attached is{"port tap0",
                    {.endpoint = "web",
                     .vni = kVni,
                     .mac = kMac,
                     .ips = {ip("10.1.0.5"), ip("10.1.0.6")},
                     .shared_ips = {ip("10.1.0.6")},
                     .state = Attachment::State::kActive,
                     .host = HostId{1},
                     .generation = 3}};
  auto truth = is.attachment;
  std::swap(truth.ips[0], truth.ips[1]);
  CHECK(differences(is, truth).empty());
  truth.generation = 4;
  truth.ips = {ip("10.1.0.6"), ip("10.1.0.7")};
  truth.shared_ips.clear();
  CHECK(differences(is, truth) == Words{"port tap0: endpoint web generation 3 instead of 4",
                                        "port tap0: ip 10.1.0.7 is missing",
                                        "port tap0: ip 10.1.0.5 is not the controller's",
                                        "port tap0: shared ip 10.1.0.6 is not the controller's"});
  CHECK(is_nowhere(is) == "port tap0: endpoint web is not active at this host");
  CHECK(is_elsewhere(truth) ==
        "endpoint web mac 02:00:00:00:00:01 is active at this host and has no port");
}

TEST_CASE("belief differences: bindings") {
  const MacKey mac{kVni, kMac};
  const BindingRecord here{MacBinding{.key = mac, .verdict = Verdict::kFound, .host = HostId{2}}};
  const BindingRecord routed{MacBinding{
      .key = mac, .verdict = Verdict::kFound, .host = HostId{3}, .target = Vni::from(20)}};
  CHECK(difference(mac, &here, &routed, name) ==
        "mac 02:00:00:00:00:01 at host h2 instead of at host h3 in network 20");
  const IpKey key{kVni, ip("10.1.0.5")};
  const BindingRecord of{
      IpBinding{.key = key, .verdict = Verdict::kFound, .mac = kMac, .router = true}};
  const BindingRecord denied{IpBinding{.key = key, .verdict = Verdict::kDenied}};
  CHECK(difference(key, &of, &denied, name) ==
        "ip 10.1.0.5 of 02:00:00:00:00:01 (a router) instead of denied");
  CHECK(difference(key, nullptr, &of, name) ==
        "ip 10.1.0.5 unknown instead of of 02:00:00:00:00:01 (a router)");
}

}  // namespace
}  // namespace dove::agent
