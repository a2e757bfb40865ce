#include "netlink/packet_socket.h"

#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "netlink/send_many.h"
#include "netlink/system_error.h"

namespace dove::netlink {

Result<PacketSocket> PacketSocket::open() {
  const int fd = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return system_error("open a packet socket", errno);
  return PacketSocket{FileDescriptor{fd}};
}

Sent PacketSocket::send(std::span<const OutgoingFrame> frames, std::uint32_t mark) {
  if (mark != mark_ && ::setsockopt(fd_.get(), SOL_SOCKET, SO_MARK, &mark, sizeof mark) != 0)
    return {.failed = frames.size(), .first_error = {errno, std::generic_category()}};
  mark_ = mark;
  return send_many<sockaddr_ll>(fd_.get(), frames, [](const OutgoingFrame& frame, sockaddr_ll& to) {
    to.sll_family = AF_PACKET;
    to.sll_ifindex = static_cast<int>(frame.device);
    to.sll_halen = ETH_ALEN;
    if (const auto header = load<ether_header>(frame.frame)) to.sll_protocol = header->ether_type;
    return frame.frame;
  });
}

}  // namespace dove::netlink
