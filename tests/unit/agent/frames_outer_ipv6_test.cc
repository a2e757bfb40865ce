#include "agent/frames/bytes.h"
#include "agent/frames/outer_ipv6.h"
#include "tests/catch.h"
#include "tests/unit/agent/hex.h"
#include "tests/unit/agent/kernel_frames.h"

namespace dove::agent {
namespace {

using Packet = std::vector<std::byte>;

const MacKey kB{*Vni::from(100), *MacAddress::parse("02:00:00:00:00:0b")};
const Vtep kVtep{*IpAddress::parse("2001:db8:0:77::a0b0")};

Packet changed(std::size_t at, unsigned value) {
  auto packet = hex(kernel::kPuntedIpv6);
  put8(packet, at, value);
  return packet;
}
// Over the pseudo header; 0 when right.
std::uint16_t udp_checksum(const Packet& packet) {
  const ByteView udp = ByteView{packet}.subspan(40);
  const auto sum = checksum_add(0, ByteView{packet}.subspan(8, 32));
  return checksum_fold(checksum_add(sum + 17 + static_cast<std::uint32_t>(udp.size()), udp));
}

TEST_CASE("punt over IPv6: a packet is a frame at once") {
  PuntAssembler assembler;
  const auto frame = assembler.add(hex(kernel::kPuntedIpv6), TimePoint{});
  REQUIRE(frame);
  CHECK(frame->destination == kB);
  CHECK(frame->source == *MacAddress::parse("02:00:00:00:00:0a"));
  REQUIRE(frame->packets.packets.size() == 1);
  CHECK(frame->packets.packets.front() == hex(kernel::kPuntedIpv6));
  CHECK(assembler.held_datagrams() == 0);
}

TEST_CASE("punt over IPv6: the header is told") {
  const auto outer = parse_outer(hex(kernel::kPuntedIpv6));
  REQUIRE(outer);
  CHECK(outer->source == *IpAddress::parse("2001:db8::1"));
  CHECK(outer->header_bytes == 40);
  CHECK(outer->payload_bytes == 66);
  CHECK(outer->is_whole());
}

TEST_CASE("punt over IPv6: what is no whole IPv6 packet with UDP is refused") {
  const auto whole = hex(kernel::kPuntedIpv6);
  for (std::size_t n = 0; n < whole.size(); ++n) CHECK(!parse_outer(std::span{whole}.first(n)));
  CHECK(!parse_outer(changed(0, 0x45)));
  CHECK(!parse_outer(changed(0, 0x70)));
  CHECK(!parse_outer(changed(5, 0x43)));  // longer than it is
  CHECK(!parse_outer(changed(6, 44)));    // a fragment
  CHECK(!parse_outer(changed(6, 6)));     // TCP
  auto unsummed = whole;
  put16(unsummed, 46, 0);
  CHECK(!parse_outer(unsummed));
}

TEST_CASE("punt over IPv6: what the TUN says by itself is told apart") {
  CHECK(is_ipv6_udp(hex(kernel::kPuntedIpv6)));
  CHECK(!is_ipv6_udp(hex(kernel::kTunChatter)));
  CHECK(!is_ipv6_udp(hex(kernel::kPunted)));
  CHECK(!is_ipv6_udp({}));
  CHECK(!parse_outer(hex(kernel::kTunChatter)));
}

TEST_CASE("punt over IPv6: sending on changes the destination and keeps the checksum right") {
  for (const std::uint16_t port : {std::uint16_t{4789}, std::uint16_t{8472}}) {
    auto packet = hex(kernel::kPuntedIpv6);
    REQUIRE(udp_checksum(packet) == 0);
    REQUIRE(set_outer_destination(packet, Vtep{kVtep.address, port}));
    CHECK(udp_checksum(packet) == 0);
    CHECK(get_ip6(packet, 24) == kVtep.address);
    CHECK(get16(packet, 42) == port);
    CHECK(get16(packet, 40) == 0xa191);  // the flow's entropy
    const auto outer = parse_outer(packet);
    REQUIRE(outer);
    CHECK(parse_inner(packet, *outer)->destination == kB);
  }
}

// A sum that comes to 0 is written as 0xffff (RFC 8200 8.1): 0 would mean that there is none.
TEST_CASE("punt over IPv6: there is a checksum whatever the destination") {
  auto packet = hex(kernel::kPuntedIpv6);
  REQUIRE(set_outer_destination(packet, kVtep));
  std::array<std::byte, 16> address{};
  put_bytes(address, 0, kVtep.address.wire());
  const unsigned sum = get16(packet, 46) + get16(address, 14);
  put16(address, 14, (sum & 0xffffU) + (sum >> 16U));
  packet = hex(kernel::kPuntedIpv6);
  REQUIRE(set_outer_destination(packet, Vtep{*IpAddress::from_wire(address)}));
  CHECK(get16(packet, 46) == 0xffff);
  CHECK(udp_checksum(packet) == 0);
}

TEST_CASE("punt over IPv6: a datagram is told as a socket could send it") {
  auto packet = hex(kernel::kPuntedIpv6);
  put8(packet, 0, 0x6b);
  put8(packet, 1, 0x80);
  const auto plain = parse_plain(packet);
  REQUIRE(plain);
  CHECK(plain->hop_limit == 64);
  CHECK(plain->traffic_class == 0xb8);
  CHECK(plain->payload.size() == packet.size() - 48);
  CHECK(plain->payload.data() == packet.data() + 48);
  CHECK(!parse_plain(hex(kernel::kTunChatter)));
}

TEST_CASE("punt over IPv6: what cannot be sent on is left as it is") {
  auto packet = hex(kernel::kPuntedIpv6);
  CHECK(!set_outer_destination(packet, Vtep{*IpAddress::parse("192.0.2.1")}));
  CHECK(packet == hex(kernel::kPuntedIpv6));
  auto chatter = hex(kernel::kTunChatter);
  CHECK(!set_outer_destination(chatter, kVtep));
  CHECK(chatter == hex(kernel::kTunChatter));
}

}  // namespace
}  // namespace dove::agent
