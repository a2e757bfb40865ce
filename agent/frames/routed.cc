// From the UDP header on:  6 checksum(2)  8 VXLAN flags  12 VNI(3)  16 destination MAC(6)
//                         22 source MAC(6)  28 end of what routing changes
#include "agent/frames/routed.h"

#include <array>

#include "agent/frames/bytes.h"
#include "agent/frames/punt.h"

namespace dove::agent {
namespace {

constexpr std::size_t kChecksum = 6;
constexpr std::size_t kVni = 12;
constexpr std::size_t kFrame = 16;
constexpr std::size_t kEnd = 28;

}  // namespace

void set_macs(ByteSpan frame, const RoutedMacs& macs) noexcept {
  put_bytes(frame, 0, macs.destination.wire());
  put_bytes(frame, 6, macs.source.wire());
}

bool change_inner(ByteSpan packet, const InnerChange& change) noexcept {
  const auto outer = parse_outer(packet);
  if (!outer) return false;
  if (outer->fragment_offset != 0) return true;
  if (outer->payload_bytes < kEnd) return false;

  const ByteSpan udp = packet.subspan(outer->header_bytes);
  const ByteSpan changed = udp.subspan(kVni, kEnd - kVni);
  std::array<std::byte, kEnd - kVni> before{};
  put_bytes(before, 0, changed);
  if (change.vni) put24(udp, kVni, change.vni->value());
  if (change.macs) set_macs(udp.subspan(kFrame), *change.macs);

  const std::uint16_t checksum = get16(udp, kChecksum);
  if (checksum == 0) return true;  // the sender has made none
  const std::uint16_t updated = checksum_update(checksum, before, changed);
  put16(udp, kChecksum, updated != 0 ? updated : 0xffff);
  return true;
}

std::optional<std::vector<std::byte>> inner_frame(const PuntedPackets& packets) {
  std::vector<std::byte> datagram;
  std::size_t covered = 0;
  for (const auto& packet : packets.packets) {
    const auto outer = parse_outer(packet);
    if (!outer) return std::nullopt;
    const std::size_t end = outer->fragment_offset + outer->payload_bytes;
    if (end > datagram.size()) datagram.resize(end);
    put_bytes(datagram, outer->fragment_offset, ByteView{packet}.subspan(outer->header_bytes));
    covered += outer->payload_bytes;
  }
  if (covered != datagram.size() || covered < kFrame + kEthernetHeader) return std::nullopt;
  datagram.erase(datagram.begin(), datagram.begin() + kFrame);
  return datagram;
}

}  // namespace dove::agent
