// What the sockets that only send UDP share. For the sources of this folder.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <functional>

#include "core/ip_address.h"
#include "core/result.h"
#include "netlink/file_descriptor.h"

namespace dove::netlink {

// As big as either family's: the kernel takes it with the length of the whole.
sockaddr_storage socket_address(const IpAddress& ip, std::uint16_t port) noexcept;

template <class T>
bool set_option(int fd, int level, int option, const T& value) noexcept {
  return ::setsockopt(fd, level, option, &value, sizeof value) == 0;
}

// Never blocks, keeps nothing of what is sent to it, and sends from this address and a port that
// the kernel chooses. `set_up` comes before it is bound; false: errno says why it cannot be.
Result<FileDescriptor> open_udp(const IpAddress& from,
                                const std::function<bool(int fd)>& set_up = {});

}  // namespace dove::netlink
