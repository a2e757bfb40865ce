#include "netlink/monitor.h"

#include "tests/unit/netlink/golden.h"
#include "tests/unit/netlink/links_golden.h"

namespace dove::netlink::test {
namespace {

// Deleted 02:00:00:00:00:01 dev vx dst 10.0.0.2 self stale
constexpr std::string_view kAged =
    "440000001d000000000000000000000007000000030000000400"
    "02010a0002000200000000010000080001000a000002"
    "1400030000000000140000000a00000000000000";

// dev br0 port p1 grp 239.1.2.3 temp proto kernel
constexpr std::string_view kJoined =
    "5000000054000000000000000000000007000000020000003800010034000100300001000300000000000000"
    "ef0102030000000000000000000000000800000008000100000000000500050002000000";

// Deleted dev br0 port p1 grp ff05::1:23 temp proto kernel
constexpr std::string_view kLeft =
    "5000000055000000000000000000000007000000020000003800010034000100300001000300000000020000"
    "ff05000000000000000000000001002386dd0000080001008b6400000500050002000000";

// dev br0 port p2 grp ff02::1:ff00:2 temp proto kernel
// dev br0 port p1 grp ff02::1:ff00:1 temp proto kernel
// dev br0 port br0 grp ff02::6a temp
constexpr std::string_view kGroups =
    "b000000056000200010000009021000000000000020000009800010034000100300001000400000000000000"
    "ff0200000000000000000001ff00000286dd0000080001001862000005000500020000003400010030000100"
    "0300000000000000ff0200000000000000000001ff00000186dd000008000100c56100000500050002000000"
    "2c000100280001000200000000000000ff02000000000000000000000000006a86dd0000080001002c610000";

template <class T>
T single(std::string_view hex) {
  std::vector<KernelChange> changes;
  decode_change(Golden{hex}.message(), changes);
  REQUIRE(changes.size() == 1);
  REQUIRE(std::holds_alternative<T>(changes[0]));
  return std::get<T>(changes[0]);
}

TEST_CASE("changes as the kernel tells them") {
  CHECK(single<LinkChanged>(kVxlanLink).link.name == "vx");
  CHECK(single<LinkGone>(kVxlanGone).index == IfIndex{4});
  CHECK(single<LinkGone>(kVxlanGone).name == "vx");
  const auto port = single<PortChanged>(kPort);
  CHECK(port.index == IfIndex{4});
  CHECK(port.bridge == IfIndex{5});
  CHECK(port.flags.learning == false);
  CHECK(port.flags.flood == true);
  const auto aged = single<FdbGone>(kAged);
  CHECK(aged.aged);
  CHECK(aged.entry.mac == MacAddress::parse("02:00:00:00:00:01"));
  CHECK(aged.entry.destination == IpAddress::parse("10.0.0.2"));
}

TEST_CASE("groups that a bridge heard joined and left") {
  const auto joined = single<GroupJoined>(kJoined).group;
  CHECK(joined == BridgeGroup{IfIndex{2}, IfIndex{3}, *IpAddress::parse("239.1.2.3")});
  const auto left = single<GroupLeft>(kLeft).group;
  CHECK(left == BridgeGroup{IfIndex{2}, IfIndex{3}, *IpAddress::parse("ff05::1:23")});
}

TEST_CASE("a table of groups, without the host's own") {
  std::vector<BridgeGroup> groups;
  decode_groups(Golden{kGroups}.message(), groups);
  REQUIRE(groups.size() == 2);
  CHECK(groups[0] == BridgeGroup{IfIndex{2}, IfIndex{4}, *IpAddress::parse("ff02::1:ff00:2")});
  CHECK(groups[1] == BridgeGroup{IfIndex{2}, IfIndex{3}, *IpAddress::parse("ff02::1:ff00:1")});
}

TEST_CASE("what is cut short names no group") {
  for (const std::size_t missing : {8U, 20U, 40U, 60U}) {
    std::vector<BridgeGroup> groups;
    decode_groups(Golden{kJoined}.shortened(missing).message(), groups);
    CHECK(groups.empty());
  }
}

TEST_CASE("where the frames of a group go") {
  const auto mac = [](const char* group) { return group_mac(*IpAddress::parse(group)); };
  CHECK(mac("239.129.2.3") == MacAddress::parse("01:00:5e:01:02:03"));
  CHECK(mac("ff05::1:ff12:3456") == MacAddress::parse("33:33:ff:12:34:56"));
}

TEST_CASE("leaving a bridge is told by the device itself, not as its end") {
  std::vector<KernelChange> changes;
  decode_change(Golden{kPortGone}.message(), changes);
  CHECK(changes.empty());
}

}  // namespace
}  // namespace dove::netlink::test
