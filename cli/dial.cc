#include "cli/dial.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace dove::cli {
namespace {

Error reason(int error) { return {ErrorCode::kUnavailable, std::strerror(error), error}; }

// Bounds connect(), which is left to block: of a Unix socket whose backlog is full a non-blocking
// one would only say EAGAIN.
void set_timeout(int fd, std::chrono::milliseconds timeout) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(timeout);
  const std::chrono::microseconds rest = timeout - seconds;
  const timeval value{.tv_sec = seconds.count(), .tv_usec = rest.count()};
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &value, sizeof value);
}

Result<int> connect_to(const sockaddr* name, socklen_t size, std::chrono::milliseconds timeout) {
  const int fd = ::socket(name->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return reason(errno);
  set_timeout(fd, timeout);
  if (::connect(fd, name, size) == 0) {
    set_timeout(fd, std::chrono::milliseconds{0});
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
    return fd;
  }
  const int error = errno;
  ::close(fd);
  return reason(error == EAGAIN || error == EINPROGRESS ? ETIMEDOUT : error);
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
