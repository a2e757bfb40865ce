#include "netlink/log.h"

#include "tests/unit/netlink/golden.h"

namespace dove::netlink::test {
namespace {

// An ARP request of 02:00:00:00:00:07 (10.1.0.1) for 10.1.0.7 that came in at the bridge port with
// index 3, by: iifname "b" ether type arp meta mark set 0x1234 log prefix "q b" group 77
constexpr std::string_view kArp =
    "dc0000000004000000000000000000000700004d080001000806000008000a00712062000800060000000003080004"
    "000000000508000200000012341000080000060000020000000007000006000f000001000006001100000e00001200"
    "1000ffffffffffff0200000000070806000014000300000000006b0022a7000000000003874508000b000000000008"
    "000e000000000012001500ffffffffffff020000000007080600003200090000010800060400010200000000070a01"
    "00010000000000000a0100070000000000000000000000000000000000000000";

TEST_CASE("a logged packet as the kernel sends it") {
  const Golden golden{kArp};
  const auto packet = decode_logged(golden.message());
  REQUIRE(packet);
  CHECK(packet->family == 7);
  CHECK(packet->ether_type == 0x0806);
  CHECK(packet->device == IfIndex{5});
  CHECK(packet->port == IfIndex{3});
  CHECK(packet->source == MacAddress::parse("02:00:00:00:00:07"));
  CHECK(packet->mark == 0x1234);
  CHECK(packet->prefix == "q b");
  CHECK(packet->link_header.size() == 14);
  CHECK(packet->payload.size() == 46);
  CHECK(packet->payload[1] == std::byte{1});  // hardware type: Ethernet
}

TEST_CASE("another message, or half a one, is none") {
  Golden other{kArp};
  other.data()[4] = std::byte{1};
  CHECK_FALSE(decode_logged(other.message()));
  for (std::size_t cut = 3; cut <= 204; ++cut) {  // two bytes are padding
    const Golden shorter = Golden{kArp}.shortened(cut);
    const auto packet = decode_logged(shorter.message());
    if (packet) CHECK(packet->payload.empty());
  }
}

TEST_CASE("a sender's address of another size is left out") {
  Golden golden{kArp};
  constexpr std::size_t kLength = 0x41;  // the second byte of NFULA_HWADDR's length
  REQUIRE((golden.bytes()[kLength] == std::byte{6}));
  golden.data()[kLength] = std::byte{8};
  const auto packet = decode_logged(golden.message());
  REQUIRE(packet);
  CHECK_FALSE(packet->source);
}

}  // namespace
}  // namespace dove::netlink::test
