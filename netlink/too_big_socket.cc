#include "netlink/too_big_socket.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>

#include <array>
#include <cerrno>

#include "netlink/system_error.h"
#include "netlink/udp_socket.h"

namespace dove::netlink {
namespace {

constexpr int kAtOnce = 64;

}  // namespace

std::optional<TooBig> parse_too_big(ByteView message, const IpAddress& own) {
  const auto icmp = load<icmp6_hdr>(message);
  if (!icmp || icmp->icmp6_type != ICMP6_PACKET_TOO_BIG) return std::nullopt;
  message = message.subspan(sizeof *icmp);
  const auto ip = load<ip6_hdr>(message);
  if (!ip || ip->ip6_nxt != IPPROTO_UDP) return std::nullopt;
  const auto udp = load<udphdr>(message.subspan(sizeof *ip));
  const auto address = [](const in6_addr& from) {
    return IpAddress::from_wire(std::as_bytes(std::span{from.s6_addr}));
  };
  if (!udp || address(ip->ip6_src) != own) return std::nullopt;
  return TooBig{{*address(ip->ip6_dst), ntohs(udp->uh_dport)}, ntohl(icmp->icmp6_mtu)};
}

Result<TooBigSocket> TooBigSocket::open(const IpAddress& own) {
  FileDescriptor fd{::socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMPV6)};
  if (fd.get() < 0) return system_error("open an ICMPv6 socket", errno);
  icmp6_filter only;
  ICMP6_FILTER_SETBLOCKALL(&only);
  ICMP6_FILTER_SETPASS(ICMP6_PACKET_TOO_BIG, &only);
  if (!set_option(fd.get(), IPPROTO_ICMPV6, ICMP6_FILTER, only))
    return system_error("set up an ICMPv6 socket", errno);
  const auto address = socket_address(own, 0);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return system_error("bind an ICMPv6 socket to " + own.to_string(), errno);
  return TooBigSocket{std::move(fd), own};
}

Result<bool> TooBigSocket::read(std::vector<TooBig>& out) {
  std::array<std::byte, sizeof(icmp6_hdr) + sizeof(ip6_hdr) + sizeof(udphdr)> buffer;
  for (int i = 0; i < kAtOnce; ++i) {
    const auto length = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
    if (length < 0) return system_error("read from an ICMPv6 socket", errno);
    if (const auto told =
            parse_too_big(std::span{buffer}.first(static_cast<std::size_t>(length)), own_))
      out.push_back(*told);
  }
  return true;
}

}  // namespace dove::netlink
