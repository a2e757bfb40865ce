#include "netlink/miss.h"

#include <linux/rtnetlink.h>

#include "tests/unit/netlink/golden.h"

namespace dove::netlink::test {
namespace {

// miss dev vx lladdr 02:00:00:00:00:99 STALE
constexpr std::string_view kMacMiss =
    "440000001e0000000000000000000000020000000400000004000001"
    "0a0002000200000000990000"
    "0800070000000000140003000000000005946a6605946a6600000000";
// miss 10.1.0.7 dev vx STALE
constexpr std::string_view kIpMiss =
    "400000001e0000000000000000000000020000000400000004000001"
    "080001000a010007"
    "0800070000000001"
    "1400030000000000"
    "0a946a660a946a6600000000";
// miss fd00::7 dev vx STALE
constexpr std::string_view kIp6Miss =
    "4c0000001e00000000000000000000000a0000000400000004000001"
    "14000100fd000000000000000000000000000007"
    "0800070000000001"
    "14000300000000000f946a660f946a6600000000";

TEST_CASE("misses as the kernel sends them") {
  const Golden mac{kMacMiss}, ip{kIpMiss}, ip6{kIp6Miss};
  CHECK(decode_miss(mac.message()) ==
        Miss{MacMiss{IfIndex{4}, *MacAddress::parse("02:00:00:00:00:99")}});
  CHECK(decode_miss(ip.message()) == Miss{IpMiss{IfIndex{4}, *IpAddress::parse("10.1.0.7")}});
  CHECK(decode_miss(ip6.message()) == Miss{IpMiss{IfIndex{4}, *IpAddress::parse("fd00::7")}});
}

TEST_CASE("what is no miss") {
  Golden other_type{kMacMiss};
  other_type.data()[4] = std::byte{RTM_NEWNEIGH};
  CHECK_FALSE(decode_miss(other_type.message()));
  Golden no_address{kMacMiss};
  no_address.data()[30] = std::byte{0x7f};  // the type of NDA_LLADDR
  CHECK_FALSE(decode_miss(no_address.message()));
  Golden short_address{kMacMiss};
  short_address.data()[28] = std::byte{9};  // its length
  CHECK_FALSE(decode_miss(short_address.message()));
  Golden both{kIp6Miss};
  both.data()[28 + 20 + 2] = std::byte{2};  // NDA_VNI becomes an NDA_LLADDR of four bytes: none
  CHECK(decode_miss(both.message()));
  for (std::size_t cut = 41; cut <= 52; ++cut) {
    const Golden shorter = Golden{kMacMiss}.shortened(cut);
    CHECK_FALSE(decode_miss(shorter.message()));
  }
}

}  // namespace
}  // namespace dove::netlink::test
