// Outer IPv4:  0 version, header words  2 total length(2)  4 id(2)  6 flags, fragment offset in
// units
//              of 8 bytes(2)  8 ttl  9 protocol  10 checksum(2)  12 source(4)  16 destination(4)
// UDP:         0 source port(2)  2 destination port(2)  4 length(2)  6 checksum(2)
// VXLAN:       8 flags  12 VNI(3)
// Ethernet:   16 destination(6)  22 source(6)  28 type(2)
#include "agent/frames/punt.h"

#include "agent/frames/bytes.h"
#include "agent/frames/outer_ipv6.h"

namespace dove::agent {
namespace {

constexpr std::size_t kIpv4Header = 20;
constexpr std::uint8_t kUdp = 17;
constexpr std::uint16_t kMoreFragments = 0x2000;
constexpr std::uint16_t kOffsetMask = 0x1fff;
constexpr std::size_t kUdpHeader = 8;
constexpr std::size_t kInnerEnd = 30;  // UDP, VXLAN and inner Ethernet headers
constexpr std::uint8_t kVniFlag = 0x08;

// `frame` begins with its Ethernet header.
std::optional<IpAddress> ip_destination(ByteView frame) noexcept {
  const ByteView packet = frame.subspan(kEthernetHeader);
  const std::uint16_t type = get16(frame, 12);
  if (type == kEtherTypeIpv4 && packet.size() >= 20) return get_ip4(packet, 16);
  if (type == kEtherTypeIpv6 && packet.size() >= 40) return get_ip6(packet, 24);
  return std::nullopt;
}

bool is_ipv4_udp(ByteView packet) noexcept {
  if (packet.size() < kIpv4Header || get8(packet, 0) >> 4U != 4) return false;
  const std::size_t header = (get8(packet, 0) & 0x0fU) * 4U;
  return header >= kIpv4Header && header <= packet.size() && get16(packet, 2) == packet.size() &&
         get8(packet, 9) == kUdp && checksum_fold(checksum_add(0, packet.first(header))) == 0;
}

bool is_possible_fragment(const OuterHeader& outer) noexcept {
  const bool aligned = !outer.more_fragments || outer.payload_bytes % 8 == 0;
  return aligned && outer.payload_bytes != 0 &&
         outer.fragment_offset + outer.payload_bytes <= 0xffff - kIpv4Header;
}

// Within one datagram's fragments the UDP length speaks of all of them.
bool is_udp_length_possible(ByteView udp, const OuterHeader& outer) noexcept {
  const std::size_t length = get16(udp, 4);
  return outer.more_fragments ? length > outer.payload_bytes : length == outer.payload_bytes;
}

}  // namespace

std::optional<OuterHeader> parse_outer(ByteView packet) noexcept {
  if (is_ipv6(packet)) return parse_outer_ipv6(packet);
  if (!is_ipv4_udp(packet)) return std::nullopt;
  const std::size_t header = (get8(packet, 0) & 0x0fU) * 4U;
  const std::uint16_t fragment = get16(packet, 6);
  const OuterHeader outer{.source = get_ip4(packet, 12),
                          .id = get16(packet, 4),
                          .header_bytes = header,
                          .payload_bytes = packet.size() - header,
                          .fragment_offset = (fragment & kOffsetMask) * 8U,
                          .more_fragments = (fragment & kMoreFragments) != 0};
  if (!is_possible_fragment(outer)) return std::nullopt;
  return outer;
}

std::optional<InnerHeader> parse_inner(ByteView packet, const OuterHeader& outer) noexcept {
  const ByteView udp = packet.subspan(outer.header_bytes);
  if (outer.fragment_offset != 0 || udp.size() < kInnerEnd) return std::nullopt;
  if (!is_udp_length_possible(udp, outer) || (get8(udp, 8) & kVniFlag) == 0) return std::nullopt;
  const auto vni = Vni::from(get24(udp, 12));
  const MacAddress destination = get_mac(udp, 16);
  const MacAddress source = get_mac(udp, 22);
  if (!vni || destination.is_zero() || !source.is_unicast()) return std::nullopt;
  return InnerHeader{{*vni, destination}, source, ip_destination(udp.subspan(16))};
}

std::optional<PlainDatagram> parse_plain(ByteView packet) noexcept {
  if (is_ipv6(packet)) return parse_plain_ipv6(packet);
  constexpr std::size_t kHeaders = kIpv4Header + kUdpHeader;
  constexpr unsigned kPlain = 0x45;  // version 4, five words of header
  const auto outer = parse_outer(packet);
  if (!outer || packet.size() <= kHeaders || get8(packet, 0) != kPlain || get16(packet, 6) != 0)
    return std::nullopt;
  return PlainDatagram{get8(packet, 8), get8(packet, 1), packet.subspan(kHeaders)};
}

bool set_outer_destination(ByteSpan packet, const Vtep& vtep) noexcept {
  if (is_ipv6(packet)) return set_outer_destination_ipv6(packet, vtep);
  const auto outer = parse_outer(packet);
  if (!outer || !vtep.address.is_v4()) return false;

  const ByteSpan address = packet.subspan(16, 4);
  const auto change = [](ByteSpan field, ByteView value, std::uint16_t checksum) {
    const std::uint16_t updated = checksum_update(checksum, field, value);
    put_bytes(field, 0, value);
    return updated;
  };
  std::array<std::byte, 4> before{};
  put_bytes(before, 0, address);
  put16(packet, 10, change(address, vtep.address.wire(), get16(packet, 10)));
  if (outer->fragment_offset != 0 || outer->payload_bytes < kUdpHeader) return true;

  const ByteSpan udp = packet.subspan(outer->header_bytes, kUdpHeader);
  std::array<std::byte, 2> port{};
  put16(port, 0, vtep.port);
  const std::uint16_t old = get16(udp, 6);
  const std::uint16_t with_address = checksum_update(old, before, vtep.address.wire());
  const std::uint16_t updated = change(udp.subspan(2, 2), port, with_address);
  if (old != 0) put16(udp, 6, updated != 0 ? updated : 0xffff);
  return true;
}

}  // namespace dove::agent
