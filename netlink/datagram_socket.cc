#include "netlink/datagram_socket.h"

#include "netlink/send_many.h"
#include "netlink/udp_socket.h"

namespace dove::netlink {

Result<DatagramSocket> DatagramSocket::open(const IpAddress& from) {
  auto fd = open_udp(from);
  if (!fd) return fd.error();
  return DatagramSocket{std::move(*fd), from.family()};
}

Sent DatagramSocket::send(std::span<const OutgoingDatagram> datagrams) {
  return send_many<sockaddr_storage>(fd_.get(), datagrams,
                                     [&](const OutgoingDatagram& datagram, sockaddr_storage& to) {
                                       if (datagram.to.address.family() != family_)
                                         return ByteView{};
                                       to = socket_address(datagram.to.address, datagram.to.port);
                                       return datagram.bytes;
                                     });
}

}  // namespace dove::netlink
