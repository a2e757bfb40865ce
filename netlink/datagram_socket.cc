#include "netlink/datagram_socket.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "netlink/send_many.h"
#include "netlink/system_error.h"

namespace dove::netlink {
namespace {

void fill(sockaddr_in& to, const IpAddress& address, std::uint16_t port) {
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  std::memcpy(&to.sin_addr, address.wire().data(), sizeof to.sin_addr);
}

void fill(sockaddr_in6& to, const IpAddress& address, std::uint16_t port) {
  to.sin6_family = AF_INET6;
  to.sin6_port = htons(port);
  std::memcpy(&to.sin6_addr, address.wire().data(), sizeof to.sin6_addr);
}

template <class Address>
Status bind_to(int fd, const IpAddress& from) {
  Address own{};
  fill(own, from, 0);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&own), sizeof own) == 0) return {};
  return system_error("bind a UDP socket to " + from.to_string(), errno);
}

template <class Address>
Sent send_with(int fd, int family, std::span<const OutgoingDatagram> datagrams) {
  return send_many<Address>(fd, datagrams, [&](const OutgoingDatagram& datagram, Address& to) {
    if (datagram.to.address.family() != family) return ByteView{};
    fill(to, datagram.to.address, datagram.to.port);
    return datagram.bytes;
  });
}

}  // namespace

Result<DatagramSocket> DatagramSocket::open(const IpAddress& from) {
  FileDescriptor fd{::socket(from.family(), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (fd.get() < 0) return system_error("open a UDP socket", errno);
  // What comes in answer is nobody's: no room to keep it.
  const int least = 0;
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &least, sizeof least) != 0)
    return system_error("set up a UDP socket", errno);
  const auto bound =
      from.is_v4() ? bind_to<sockaddr_in>(fd.get(), from) : bind_to<sockaddr_in6>(fd.get(), from);
  if (!bound) return bound.error();
  return DatagramSocket{std::move(fd), from.family()};
}

Sent DatagramSocket::send(std::span<const OutgoingDatagram> datagrams) {
  return family_ == AF_INET ? send_with<sockaddr_in>(fd_.get(), family_, datagrams)
                            : send_with<sockaddr_in6>(fd_.get(), family_, datagrams);
}

}  // namespace dove::netlink
