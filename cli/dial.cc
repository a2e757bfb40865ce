#include "cli/dial.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace dove::cli {
namespace {

Error reason(int error) { return {ErrorCode::kUnavailable, std::strerror(error), error}; }

int wait_connected(int fd, std::chrono::milliseconds timeout) {
  pollfd waiting{.fd = fd, .events = POLLOUT, .revents = 0};
  const int ready = ::poll(&waiting, 1, static_cast<int>(timeout.count()));
  if (ready < 0) return errno;
  if (ready == 0) return ETIMEDOUT;
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

Result<int> connect_to(const sockaddr* name, socklen_t size, std::chrono::milliseconds timeout) {
  const int fd = ::socket(name->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return reason(errno);
  int error = ::connect(fd, name, size) == 0 ? 0 : errno;
  if (error == EINPROGRESS) error = wait_connected(fd, timeout);
  if (error == 0) return fd;
  ::close(fd);
  return reason(error);
}

Result<int> dial_unix(const std::string& path, std::chrono::milliseconds timeout) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (path.size() >= sizeof name.sun_path) return reason(ENAMETOOLONG);
  std::memcpy(name.sun_path, path.data(), path.size());
  return connect_to(reinterpret_cast<const sockaddr*>(&name), sizeof name, timeout);
}

Result<int> dial_tcp(const api::Address& address, std::chrono::milliseconds timeout) {
  const addrinfo hints{.ai_flags = AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
  addrinfo* found = nullptr;
  const auto port = std::to_string(address.port);
  if (const int error = ::getaddrinfo(address.host.c_str(), port.c_str(), &hints, &found))
    return error == EAI_SYSTEM ? reason(errno)
                               : Error{ErrorCode::kUnavailable, ::gai_strerror(error)};
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list{found, &::freeaddrinfo};
  Result<int> fd = reason(EADDRNOTAVAIL);
  for (const addrinfo* next = found; next != nullptr && !fd; next = next->ai_next)
    fd = connect_to(next->ai_addr, next->ai_addrlen, timeout);
  if (!fd) return fd;
  const int one = 1;
  ::setsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

}  // namespace

Result<int> dial(const api::Address& address, std::chrono::milliseconds timeout) {
  return address.kind == api::Address::Kind::kUnix ? dial_unix(address.path, timeout)
                                                   : dial_tcp(address, timeout);
}

}  // namespace dove::cli
