#include <linux/if_link.h>

#include "netlink/link.h"
#include "tests/unit/netlink/golden.h"
#include "tests/unit/netlink/links_golden.h"

namespace dove::netlink::test {
namespace {

TEST_CASE("a VXLAN device that is a bridge's port") {
  const auto link = decode_link(Golden{kVxlanLink}.message());
  REQUIRE(link);
  CHECK(link->index == IfIndex{4});
  CHECK(link->name == "vx");
  CHECK(link->kind == "vxlan");
  CHECK(link->alias == "mark");
  CHECK(link->mtu == 1400);
  CHECK(link->up);
  CHECK(link->running);
  CHECK(link->master == IfIndex{5});
  CHECK(link->mac);
  CHECK(link->addrgenmode == IN6_ADDR_GEN_MODE_NONE);
  CHECK(link->vxlan == VxlanAttributes{.vni = *Vni::from(10),
                                       .local = IpAddress::parse("127.0.0.1"),
                                       .learning = false,
                                       .proxy = true,
                                       .rsc = true,
                                       .l2miss = true,
                                       .l3miss = true,
                                       .ageing = 77});
  CHECK_FALSE(link->bridge);
  REQUIRE(link->port);
  CHECK(link->port->learning == true);
  CHECK(link->port->locked == false);
  CHECK(link->port->neigh_suppress == false);
}

TEST_CASE("a bridge") {
  const auto link = decode_link(Golden{kBridgeLink}.message());
  REQUIRE(link);
  CHECK(link->kind == "bridge");
  CHECK_FALSE(link->up);
  CHECK_FALSE(link->master);
  CHECK_FALSE(link->vxlan);
  CHECK(link->bridge == BridgeAttributes{.ageing = 300, .forward_delay = 15});
}

TEST_CASE("half a device is none, at whatever length it is cut") {
  const Golden whole{kVxlanLink};
  for (std::size_t cut = 4; cut < whole.bytes().size() - 16; cut += 4) {
    const Golden shorter = whole.shortened(cut);
    const auto link = decode_link(shorter.message());  // whole attributes may remain
    if (link) CHECK(link->name == "vx");
  }
  CHECK_FALSE(decode_link(whole.shortened(whole.bytes().size() - 36).message()));
  CHECK_FALSE(decode_link(Golden{kPort}.message()));  // family AF_BRIDGE is a port, no device
}

}  // namespace
}  // namespace dove::netlink::test
