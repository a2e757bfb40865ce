// VXLAN (RFC 7348 5): 0 flags, 08: there is a VNI  4 VNI(3)  8 the frame
#include "agent/datapath/announcer.h"

#include <vector>

#include "agent/frames/arp.h"
#include "agent/frames/bytes.h"
#include "agent/frames/nd.h"

namespace dove::agent {
namespace {

std::vector<std::byte> encapsulate(Vni vni, ByteView frame) {
  constexpr std::size_t kHeader = 8;
  std::vector<std::byte> packet(kHeader + frame.size());
  put8(packet, 0, 0x08);
  put24(packet, 4, vni.value());
  put_bytes(packet, kHeader, frame);
  return packet;
}

std::vector<std::byte> announcement(const TellGuests& moved) {
  const auto& ip = moved.address.ip;
  const auto bytes = [](const auto& frame) { return std::vector(frame.begin(), frame.end()); };
  if (ip.is_v4()) return bytes(build_arp_announcement(ip, moved.mac));
  return bytes(build_neighbour_advertisement({.asker = MacAddress::broadcast(),
                                              .asker_ip = {},
                                              .ip = ip,
                                              .mac = moved.mac,
                                              .router = moved.router}));
}

}  // namespace

Result<Announcer> Announcer::open(const IpAddress& from) {
  auto underlay = netlink::DatagramSocket::open(from);
  if (!underlay) return underlay.error();
  auto ports = netlink::PacketSocket::open();
  if (!ports) return ports.error();
  return Announcer{std::move(*underlay), std::move(*ports)};
}

void Announcer::carry(const CarryFrame& frame) {
  const auto packet = encapsulate(frame.vni, frame.frame);
  std::vector<netlink::OutgoingDatagram> copies;
  for (const auto& vtep : frame.vteps) copies.push_back({vtep, packet});
  const auto outcome = underlay_.send(copies);
  counters_.carried += outcome.sent;
  counters_.errors += outcome.failed;
}

void Announcer::tell(const TellGuests& moved, std::span<const IfIndex> ports) {
  const auto frame = announcement(moved);
  std::vector<netlink::OutgoingFrame> copies;
  for (const auto port : ports) copies.push_back({port, frame});
  const auto outcome = ports_.send(copies);
  counters_.told += outcome.sent;
  counters_.errors += outcome.failed;
}

}  // namespace dove::agent
