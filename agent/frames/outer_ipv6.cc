// Outer IPv6: 0 version, class, flow label(4)  4 payload length(2)  6 next header  7 hop limit
//             8 source(16)  24 destination(16)
// UDP:        0 source port(2)  2 destination port(2)  4 length(2)  6 checksum(2)
#include "agent/frames/outer_ipv6.h"

#include <array>

#include "agent/frames/bytes.h"

namespace dove::agent {
namespace {

constexpr std::size_t kIpv6Header = 40;
constexpr std::size_t kUdpHeader = 8;
constexpr std::uint8_t kUdp = 17;

}  // namespace

bool is_ipv6(ByteView packet) noexcept { return !packet.empty() && get8(packet, 0) >> 4U == 6; }

bool is_ipv6_udp(ByteView packet) noexcept {
  return is_ipv6(packet) && packet.size() >= kIpv6Header && get8(packet, 6) == kUdp;
}

std::optional<OuterHeader> parse_outer_ipv6(ByteView packet) noexcept {
  if (!is_ipv6_udp(packet) || packet.size() < kIpv6Header + kUdpHeader) return std::nullopt;
  const std::size_t payload = packet.size() - kIpv6Header;
  const ByteView udp = packet.subspan(kIpv6Header);
  if (get16(packet, 4) != payload || get16(udp, 6) == 0) return std::nullopt;
  return OuterHeader{
      .source = get_ip6(packet, 8), .header_bytes = kIpv6Header, .payload_bytes = payload};
}

std::optional<PlainDatagram> parse_plain_ipv6(ByteView packet) noexcept {
  const auto outer = parse_outer_ipv6(packet);
  if (!outer || outer->payload_bytes == kUdpHeader) return std::nullopt;
  const auto traffic_class = static_cast<std::uint8_t>(get16(packet, 0) >> 4U & 0xffU);
  return PlainDatagram{get8(packet, 7), traffic_class, packet.subspan(kIpv6Header + kUdpHeader)};
}

bool set_outer_destination_ipv6(ByteSpan packet, const Vtep& vtep) noexcept {
  if (!vtep.address.is_v6() || !parse_outer_ipv6(packet)) return false;

  const ByteSpan udp = packet.subspan(kIpv6Header, kUdpHeader);
  const ByteSpan address = packet.subspan(24, 16);
  std::array<std::byte, 2> port{};
  put16(port, 0, vtep.port);
  const auto with_address = checksum_update(get16(udp, 6), address, vtep.address.wire());
  const auto checksum = checksum_update(with_address, udp.subspan(2, 2), port);
  put_bytes(address, 0, vtep.address.wire());
  put_bytes(udp, 2, port);
  put16(udp, 6, checksum != 0 ? checksum : 0xffff);
  return true;
}

}  // namespace dove::agent
