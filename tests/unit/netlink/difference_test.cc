#include "netlink/link.h"
#include "tests/catch.h"

namespace dove::netlink::test {
namespace {

TEST_CASE("nothing differs from itself") {
  const VxlanAttributes vxlan{.vni = *Vni::from(10)};
  CHECK(difference(vxlan, vxlan).empty());
  CHECK(difference(BridgeAttributes{}, BridgeAttributes{}).empty());
}

TEST_CASE("every attribute that differs is named") {
  const VxlanAttributes wanted{.vni = *Vni::from(10)};
  const VxlanAttributes has{.vni = *Vni::from(11),
                            .local = IpAddress::parse("192.0.2.1"),
                            .port = 8472,
                            .learning = false,
                            .proxy = true,
                            .rsc = true,
                            .l2miss = true,
                            .l3miss = true,
                            .ageing = 1,
                            .limit = 2,
                            .ttl = 3,
                            .tos = 4,
                            .group = IpAddress::parse("2001:db8::1"),
                            .lower = IfIndex{7},
                            .udp_checksum = false,
                            .udp_zero_checksum6_tx = true,
                            .udp_zero_checksum6_rx = true,
                            .other_features = true};
  CHECK(difference(has, wanted) ==
        "vni 11 instead of 10, local 192.0.2.1 instead of none, port 8472 instead of 4789, "
        "learning off instead of on, proxy on instead of off, rsc on instead of off, "
        "l2miss on instead of off, l3miss on instead of off, ageing 1 instead of 300, "
        "limit 2 instead of 0, ttl 3 instead of 0, tos 4 instead of 0, "
        "group 2001:db8::1 instead of none, dev 7 instead of none, udpcsum off instead of on, "
        "udp6zerocsumtx on instead of off, udp6zerocsumrx on instead of off, "
        "other features on instead of off");
  CHECK(difference(BridgeAttributes{.ageing = 1,
                                    .forward_delay = 15,
                                    .stp = true,
                                    .vlan_filtering = true,
                                    .multicast_snooping = false,
                                    .multicast_querier = true},
                   BridgeAttributes{}) ==
        "ageing 1 instead of 300, forward_delay 15 instead of 0, stp on instead of off, "
        "vlan_filtering on instead of off, mcast_snooping off instead of on, "
        "mcast_querier on instead of off");
}

}  // namespace
}  // namespace dove::netlink::test
