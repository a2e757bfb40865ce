#include "api/transport.h"

#include <absl/synchronization/mutex.h>
#include <fmt/format.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <future>
#include <thread>

#include "core/ip_address.h"

namespace dove::api {
namespace {

constexpr int kKeepaliveMs = 10'000;
constexpr int kKeepaliveTimeoutMs = 5'000;
// What may be under way unread on one stream. A fixed window needs no probing of the path, which
// otherwise adds a ping and its answer to every question.
constexpr int kWindowBytes = 1 << 20;

Error system_error(std::string_view what, const Address& address, int error) {
  return {ErrorCode::kSystem,
          fmt::format("{} \"{}\": {}", what, address.to_string(), std::strerror(error)), error};
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

// 0 when somebody accepted, else errno.
int try_connect(const std::string& path) noexcept {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, path.data(), path.size());  // parse_address() checked the length
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
    return errno == ENOENT ? Status{} : system_error("cannot listen on", address, errno);
  if (!S_ISSOCK(status.st_mode))
    return Error{ErrorCode::kConflict, fmt::format("cannot listen on \"{}\": the file is there "
                                                   "and is no socket",
                                                   address.to_string())};
  if (try_connect(address.path) != ECONNREFUSED)
    return Error{
        ErrorCode::kConflict,
        fmt::format("cannot listen on \"{}\": another process listens there", address.to_string())};
  if (::unlink(address.path.c_str()) != 0)
    return system_error("cannot replace the stale socket", address, errno);
  return {};
}

// gRPC does not say why it cannot bind. For an address in numbers this finds out.
Status check_bindable(const Address& address) {
  const auto ip = IpAddress::parse(address.host);
  if (!ip) return {};
  sockaddr_storage name{};
  socklen_t size = 0;
  if (ip->is_v4()) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&name);
    v4->sin_port = htons(address.port);
    std::memcpy(&v4->sin_addr, ip->wire().data(), 4);
    size = sizeof *v4;
  } else {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&name);
    v6->sin6_port = htons(address.port);
    std::memcpy(&v6->sin6_addr, ip->wire().data(), 16);
    size = sizeof *v6;
  }
  name.ss_family = static_cast<sa_family_t>(ip->family());
  const int fd = ::socket(ip->family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return system_error("cannot listen on", address, errno);
  const int one = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  const bool bound =
      ::bind(fd, reinterpret_cast<const sockaddr*>(&name), size) == 0 && ::listen(fd, 1) == 0;
  const int error = bound ? 0 : errno;
  ::close(fd);
  return bound ? Status{} : system_error("cannot listen on", address, error);
}

// Debian's Abseil looks for a cycle of locks at every lock that gRPC takes, and in that time holds
// one lock for all threads.
void stop_looking_for_deadlocks() {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
}

void raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

Status prepare(const Address& address, bool insecure) {
  if (const auto allowed = check_plaintext(address, insecure); !allowed) return allowed;
  return address.kind == Address::Kind::kUnix ? clear_socket(address) : check_bindable(address);
}

}  // namespace

Result<std::unique_ptr<grpc::Server>> start_server(grpc::ServerBuilder& builder,
                                                   std::span<const Address> addresses,
                                                   bool insecure) {
  stop_looking_for_deadlocks();
  raise_file_limit();
  // Without this two servers share a port and each gets half of the clients.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kKeepaliveMs / 2);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kWindowBytes);
  std::vector<int> ports(addresses.size(), 0);
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    if (const auto ready = prepare(addresses[i], insecure); !ready) return ready.error();
    builder.AddListeningPort(addresses[i].to_string(), grpc::InsecureServerCredentials(),
                             &ports[i]);
  }
  const Umask only_owner_and_group{0117};
  auto server = builder.BuildAndStart();
  if (server) return server;
  for (std::size_t i = 0; i < addresses.size(); ++i)
    if (ports[i] == 0)
      return Error{ErrorCode::kSystem,
                   fmt::format("cannot listen on \"{}\"", addresses[i].to_string())};
  return Error{ErrorCode::kSystem, "cannot start the server"};
}

bool shut_down(grpc::Server& server, std::chrono::milliseconds grace) {
  auto ended = std::make_shared<std::promise<void>>();
  auto end = ended->get_future();
  std::thread{[&server, grace, ended] {
    server.Shutdown(std::chrono::system_clock::now() + grace);
    ended->set_value();
  }}.detach();
  return end.wait_for(2 * grace) == std::future_status::ready;
}

Result<std::shared_ptr<grpc::Channel>> make_channel(const Address& address, bool insecure) {
  if (const auto allowed = check_plaintext(address, insecure); !allowed) return allowed.error();
  stop_looking_for_deadlocks();
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kWindowBytes);
  return grpc::CreateCustomChannel(address.to_string(), grpc::InsecureChannelCredentials(),
                                   arguments);
}

}  // namespace dove::api
