#include "netlink/raw_socket.h"

#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "netlink/send_many.h"
#include "netlink/system_error.h"

namespace dove::netlink {
namespace {

// Where an IPv4 packet says it goes; empty for what is none.
std::optional<sockaddr_in> destination_v4(ByteView packet) {
  const auto header = load<iphdr>(packet);
  if (!header || header->version != 4 || header->ihl < 5) return std::nullopt;
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = header->daddr;
  return to;
}

std::optional<sockaddr_in6> destination_v6(ByteView packet) {
  const auto header = load<ip6_hdr>(packet);
  if (!header || (header->ip6_vfc >> 4U) != 6) return std::nullopt;
  sockaddr_in6 to{};
  to.sin6_family = AF_INET6;
  to.sin6_addr = header->ip6_dst;
  return to;
}

// A destination of family 0 is one that no socket here accepts: the send fails.
template <class Address, class Find>
Sent send_with(int fd, std::span<const ByteView> packets, Find find) {
  return send_many<Address>(fd, packets, [&](ByteView packet, Address& to) {
    const auto found = find(packet);
    if (found) to = *found;
    return found ? packet : ByteView{};
  });
}

}  // namespace

Result<RawSocket> RawSocket::open(int family, const RawSocketOptions& options) {
  constexpr const char* kWhat = "open a raw socket";
  // IPPROTO_RAW: the header comes with the packet, and nothing is received.
  FileDescriptor fd{::socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW)};
  if (fd.get() < 0) return system_error(kWhat, errno);
  const int on = 1;
  if (family == AF_INET6 && ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_HDRINCL, &on, sizeof on) != 0)
    return system_error(kWhat, errno);
  // Connection tracking, where there is any, leaves our fragments alone.
  if (family == AF_INET && ::setsockopt(fd.get(), IPPROTO_IP, IP_NODEFRAG, &on, sizeof on) != 0)
    return system_error(kWhat, errno);
  if (options.mark != 0 &&
      ::setsockopt(fd.get(), SOL_SOCKET, SO_MARK, &options.mark, sizeof options.mark) != 0)
    return system_error(kWhat, errno);
  return RawSocket{std::move(fd), family};
}

Sent RawSocket::send(std::span<const ByteView> packets) {
  return family_ == AF_INET ? send_with<sockaddr_in>(fd_.get(), packets, destination_v4)
                            : send_with<sockaddr_in6>(fd_.get(), packets, destination_v6);
}

}  // namespace dove::netlink
