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

TEST_CASE("leaving a bridge is told by the device itself, not as its end") {
  std::vector<KernelChange> changes;
  decode_change(Golden{kPortGone}.message(), changes);
  CHECK(changes.empty());
}

}  // namespace
}  // namespace dove::netlink::test
