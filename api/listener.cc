#include "api/listener.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <limits>

namespace dove::api {
namespace {

constexpr int kSpare = 64;           // descriptors that connections leave to everything else
constexpr int kAcceptsPerTurn = 64;  // at one socket, before the others have theirs
constexpr int kSilenceMs = 20'000;   // of a peer that acknowledges nothing of what it is sent
constexpr int kPauseMs = 100;        // when there is no descriptor even to hang up with

Error cannot_listen(const Address& address, std::string_view why, int error = 0) {
  return {error == 0 ? ErrorCode::kConflict : ErrorCode::kSystem,
          fmt::format("cannot listen on \"{}\": {}", address.to_string(), why), error};
}

Error cannot_listen(const Address& address, int error) {
  return cannot_listen(address, std::strerror(error), error);
}

// Sets the umask for as long as it lives: a socket's file must not be open to all even for a
// moment.
class Umask {
 public:
  explicit Umask(mode_t mask) noexcept : previous_{::umask(mask)} {}
  ~Umask() { ::umask(previous_); }
  Umask(const Umask&) = delete;
  Umask& operator=(const Umask&) = delete;

 private:
  mode_t previous_;
};

sockaddr_un name_of(const std::string& path) noexcept {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, path.data(), path.size());  // parse_address() checked the length
  return name;
}

// 0 when somebody accepted, else errno.
int try_connect(const std::string& path) noexcept {
  const auto name = name_of(path);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return errno;
  const int result = ::connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name);
  const int error = result == 0 ? 0 : errno;
  ::close(fd);
  return error;
}

// Makes way for a new socket at this path, or says why there is none.
Status clear_socket(const Address& address) {
  struct stat status {};
  if (::lstat(address.path.c_str(), &status) != 0)
    return errno == ENOENT ? Status{} : cannot_listen(address, errno);
  if (!S_ISSOCK(status.st_mode))
    return cannot_listen(address, "the file is there and is no socket");
  if (try_connect(address.path) != ECONNREFUSED)
    return cannot_listen(address, "another process listens there");
  return ::unlink(address.path.c_str()) == 0 ? Status{} : cannot_listen(address, errno);
}

void set_option(int fd, int level, int option, int value) noexcept {
  (void)::setsockopt(fd, level, option, &value, sizeof value);
}

// As far as it may be; gives how many descriptors there can be.
int raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  if (limit.rlim_cur != limit.rlim_max) {
    const auto before = std::exchange(limit.rlim_cur, limit.rlim_max);
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) limit.rlim_cur = before;
  }
  return static_cast<int>(std::min<rlim_t>(limit.rlim_cur, std::numeric_limits<int>::max()));
}

int open_reserve() noexcept { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

}  // namespace

Status make_socket_directory(const Address& address) {
  const auto directory = std::filesystem::path{address.path}.parent_path();
  std::error_code error;
  if (directory.empty() || std::filesystem::is_directory(directory, error)) return {};
  std::filesystem::create_directory(directory, error);
  if (!error) return {};
  return Error{ErrorCode::kSystem, fmt::format("cannot make the directory of the socket \"{}\": {}",
                                               address.path, error.message())};
}

Result<std::unique_ptr<Listener>> Listener::open(std::span<const Address> addresses) {
  std::unique_ptr<Listener> listener{new Listener};
  const int limit = raise_file_limit();
  listener->highest_ = std::max(limit / 2, std::min(limit, kConnections + kSpare) - kSpare);
  listener->wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  listener->reserve_ = open_reserve();
  if (listener->wake_ < 0 || listener->reserve_ < 0)
    return Error{ErrorCode::kSystem, fmt::format("cannot listen: {}", std::strerror(errno)), errno};
  for (const auto& address : addresses)
    if (auto status = listener->add(address); !status) return status.error();
  return listener;
}

Listener::~Listener() {
  stop();
  if (wake_ >= 0) ::close(wake_);
  if (reserve_ >= 0) ::close(reserve_);
}

Status Listener::add(const Address& address) {
  return address.kind == Address::Kind::kUnix ? add_unix(address) : add_tcp(address);
}

Status Listener::add_unix(const Address& address) {
  if (auto status = clear_socket(address); !status) return status;
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return cannot_listen(address, errno);
  sockets_.push_back({.fd = fd});
  const auto name = name_of(address.path);
  const Umask only_owner_and_group{0117};
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0)
    return cannot_listen(address, errno);
  sockets_.back().path = address.path;
  return ::listen(fd, SOMAXCONN) == 0 ? Status{} : cannot_listen(address, errno);
}

// On every address that the name has.
Status Listener::add_tcp(const Address& address) {
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const auto port = std::to_string(address.port);
  const int result = ::getaddrinfo(address.host.c_str(), port.c_str(), &hints, &found);
  if (result != 0) return cannot_listen(address, ::gai_strerror(result));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> all{found, ::freeaddrinfo};
  for (const auto* one = found; one != nullptr; one = one->ai_next) {
    const int fd =
        ::socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    if (fd < 0) return cannot_listen(address, errno);
    sockets_.push_back({.fd = fd});
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    // What it accepts has these too.
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, kSilenceMs);
    if (one->ai_family == AF_INET6) set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    if (::bind(fd, one->ai_addr, one->ai_addrlen) != 0 || ::listen(fd, SOMAXCONN) != 0)
      return cannot_listen(address, errno);
  }
  return {};
}

void Listener::start(Take take) {
  take_ = std::move(take);
  thread_ = std::thread{[this] { run(); }};
}

void Listener::stop() {
  stopping_ = true;
  (void)::eventfd_write(wake_, 1);
  if (thread_.joinable()) thread_.join();
  close_all();
}

void Listener::close_all() {
  for (const auto& socket : sockets_) {
    if (!socket.path.empty()) ::unlink(socket.path.c_str());
    ::close(socket.fd);
  }
  sockets_.clear();
}

void Listener::run() {
  std::vector<pollfd> polled{{.fd = wake_, .events = POLLIN, .revents = 0}};
  for (const auto& socket : sockets_)
    polled.push_back({.fd = socket.fd, .events = POLLIN, .revents = 0});
  while (!stopping_) {
    if (::poll(polled.data(), polled.size(), -1) < 0) {
      if (errno != EINTR) (void)::poll(nullptr, 0, kPauseMs);
      continue;
    }
    for (std::size_t i = 1; i < polled.size() && !stopping_; ++i)
      if (polled[i].revents != 0) accept_all(polled[i].fd);
  }
}

void Listener::accept_all(int listener) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
      return make_room(listener);
    if (fd < 0) continue;  // that connection is gone already
    if (fd < highest_) {
      take_(listener, fd);
      continue;
    }
    ++refused_;  // before whoever is hung up on can notice
    ::close(fd);
  }
}

// One who waits is hung up on by means of the reserve; else it would be reported again at once, and
// for ever.
void Listener::make_room(int listener) {
  if (reserve_ >= 0) ::close(reserve_);
  const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd >= 0) {
    ++refused_;
    ::close(fd);
  }
  reserve_ = open_reserve();
  if (fd >= 0) return;
  pollfd wake{.fd = wake_, .events = POLLIN, .revents = 0};
  (void)::poll(&wake, 1, kPauseMs);
}

}  // namespace dove::api
