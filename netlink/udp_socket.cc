#include "netlink/udp_socket.h"

#include <linux/filter.h>
#include <netinet/in.h>

#include <cerrno>
#include <cstring>

#include "netlink/system_error.h"

namespace dove::netlink {
namespace {

bool hear_nothing(int fd) noexcept {
  sock_filter drop[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
  return set_option(fd, SOL_SOCKET, SO_ATTACH_FILTER, sock_fprog{1, drop});
}

}  // namespace

sockaddr_storage socket_address(const IpAddress& ip, std::uint16_t port) noexcept {
  sockaddr_storage address{};
  const auto wire = ip.wire();
  if (ip.is_v4()) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    std::memcpy(&v4.sin_addr, wire.data(), wire.size());
    std::memcpy(&address, &v4, sizeof v4);
  } else {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    std::memcpy(&v6.sin6_addr, wire.data(), wire.size());
    std::memcpy(&address, &v6, sizeof v6);
  }
  return address;
}

Result<FileDescriptor> open_udp(const IpAddress& from, const std::function<bool(int fd)>& set_up) {
  FileDescriptor fd{::socket(from.family(), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (fd.get() < 0) return system_error("open a UDP socket", errno);
  if (!hear_nothing(fd.get()) || (set_up && !set_up(fd.get())))
    return system_error("set up a UDP socket", errno);
  const auto own = socket_address(from, 0);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0)
    return system_error("bind a UDP socket to " + from.to_string(), errno);
  return fd;
}

}  // namespace dove::netlink
