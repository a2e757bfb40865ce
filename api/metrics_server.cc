#include "api/metrics_server.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "api/http_request.h"
#include "api/listener.h"
#include "core/file_descriptor.h"
#include "core/scheduling.h"

namespace dove::api {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kPage = "/metrics";
constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";
// What a client that was answered may still send before it is not listened to any more.
constexpr std::size_t kDrainLimit = 1 << 16;
// After this a client that does not hear its answer out is left.
constexpr std::chrono::seconds kEndTime{1};

}  // namespace

// Between the server's thread and the others.
struct MetricsServer::Mailbox {
  explicit Mailbox(FileDescriptor event) : wake{std::move(event)} {}

  // Of those that nobody has taken in yet the oldest makes room.
  void take(FileDescriptor connection, std::size_t most) {
    {
      const std::lock_guard lock{mutex};
      if (fresh.size() >= most) fresh.erase(fresh.begin());
      fresh.push_back(std::move(connection));
    }
    ring();
  }
  void post(Render render) {
    {
      const std::lock_guard lock{mutex};
      ready = std::move(render);
    }
    ring();
  }
  void stop() {
    {
      const std::lock_guard lock{mutex};
      stopping = true;
    }
    ring();
  }
  void ring() const noexcept { (void)!::eventfd_write(wake.get(), 1); }

  const FileDescriptor wake;
  std::mutex mutex;
  std::optional<Render> ready;
  std::vector<FileDescriptor> fresh;
  bool stopping = false;
};

// Belongs to its thread.
class MetricsServer::Server {
 public:
  Server(std::shared_ptr<Mailbox> mailbox, Collect collect, Limits limits)
      : mailbox_{std::move(mailbox)}, collect_{std::move(collect)}, limits_{limits} {}

  void run() {
    for (;;) {
      wait();
      for (std::size_t i = 0; i + 1 < polled_.size(); ++i)
        if (polled_[i + 1].revents != 0) serve(*connections_[i], polled_[i + 1].revents);
      if (polled_[0].revents != 0 && !read_mail()) return;
      expire();
      collect();
    }
  }

 private:
  // In this order.
  enum class Phase : std::uint8_t { kReading, kWaiting, kWriting, kEnding, kOver };
  struct Connection {
    explicit Connection(FileDescriptor socket) : fd{std::move(socket)} {}
    FileDescriptor fd;
    Phase phase = Phase::kReading;
    Clock::time_point deadline;
    bool head_only = false;
    std::uint64_t collection = 0;  // the first that is not older than the request
    std::string in;
    std::string out;
    std::size_t done = 0;  // bytes written, then bytes drained
  };

  void wait() {
    polled_.clear();
    polled_.push_back({mailbox_->wake.get(), POLLIN, 0});
    auto next = Clock::time_point::max();
    for (const auto& connection : connections_) {
      const auto events = connection->phase == Phase::kWriting   ? POLLOUT
                          : connection->phase == Phase::kWaiting ? 0
                                                                 : POLLIN;
      polled_.push_back({connection->fd.get(), static_cast<short>(events), 0});
      next = std::min(next, connection->deadline);
    }
    if (wanted_ && !collecting_) next = std::min(next, collect_from_);
    int timeout = -1;
    if (next != Clock::time_point::max())
      timeout = static_cast<int>(std::max<std::int64_t>(
          0, std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now()).count()));
    if (::poll(polled_.data(), polled_.size(), timeout) < 0)
      for (auto& one : polled_) one.revents = 0;
  }

  bool read_mail() {
    eventfd_t count = 0;
    (void)!::eventfd_read(mailbox_->wake.get(), &count);
    std::optional<Render> render;
    std::vector<FileDescriptor> fresh;
    {
      const std::lock_guard lock{mailbox_->mutex};
      if (mailbox_->stopping) return false;
      render = std::exchange(mailbox_->ready, std::nullopt);
      fresh = std::exchange(mailbox_->fresh, {});
    }
    if (render) answer(*render);
    for (auto& connection : fresh) add(std::move(connection));
    return true;
  }

  void answer(const Render& render) {
    collecting_ = false;
    const auto page = in_background(render);
    for (auto& connection : connections_)
      if (connection->phase == Phase::kWaiting && connection->collection <= collections_)
        respond(*connection, {200, kContentType, page});
  }

  void collect() {
    if (!wanted_ || collecting_ || Clock::now() < collect_from_) return;
    wanted_ = false;
    collecting_ = true;
    ++collections_;
    collect_from_ = Clock::now() + limits_.pause;
    collect_([mailbox = mailbox_](Render render) { mailbox->post(std::move(render)); });
  }

  // --- connections
  void add(FileDescriptor socket) {
    if (connections_.size() >= limits_.connections && !make_room()) return;
    connections_.push_back(std::make_unique<Connection>(std::move(socket)));
    connections_.back()->deadline = Clock::now() + limits_.patience;
  }

  // Who has its figures coming stays.
  bool make_room() {
    const auto slowest = std::find_if(connections_.begin(), connections_.end(),
                                      [](const auto& c) { return c->phase != Phase::kWaiting; });
    if (slowest == connections_.end()) return false;
    connections_.erase(slowest);
    return true;
  }

  void expire() {
    const auto now = Clock::now();
    for (auto& connection : connections_) {
      if (connection->deadline > now) continue;
      if (connection->phase == Phase::kWaiting)
        respond(*connection, {503, "text/plain", "the figures are not to be had now\n"});
      else
        connection->phase = Phase::kOver;
    }
    std::erase_if(connections_, [](const auto& c) { return c->phase == Phase::kOver; });
  }

  void serve(Connection& connection, short events) {
    switch (connection.phase) {
      case Phase::kReading:
        return read(connection);
      case Phase::kWaiting:
        if ((events & (POLLERR | POLLHUP)) != 0) connection.phase = Phase::kOver;
        return;
      case Phase::kWriting:
        return write(connection);
      case Phase::kEnding:
        return drain(connection);
      case Phase::kOver:
        return;
    }
  }

  void read(Connection& connection) {
    const auto got = receive(connection);
    if (got == 0) return;
    connection.in.append(buffer_.data(), got);
    const auto parsed = parse_http_request(connection.in);
    if (const auto* refused = std::get_if<HttpRefused>(&parsed))
      return respond(connection, {refused->status, "text/plain", "this is no request\n"});
    const auto* request = std::get_if<HttpRequest>(&parsed);
    if (request == nullptr) return;
    connection.in.clear();
    if (request->method != "GET" && request->method != "HEAD")
      return respond(connection, {405, "text/plain", "only GET and HEAD are answered\n"});
    connection.head_only = request->method == "HEAD";
    if (request->path != kPage)
      return respond(connection, {404, "text/plain", "there is nothing but /metrics\n"});
    connection.phase = Phase::kWaiting;
    connection.collection = collections_ + 1;
    wanted_ = true;
  }

  // How many bytes have come; the connection is over when none will.
  std::size_t receive(Connection& connection) {
    const auto got = ::recv(connection.fd.get(), buffer_.data(), buffer_.size(), 0);
    if (got > 0) return static_cast<std::size_t>(got);
    if (got == 0 || (errno != EAGAIN && errno != EINTR)) connection.phase = Phase::kOver;
    return 0;
  }

  void respond(Connection& connection, const HttpResponse& response) {
    connection.out = to_bytes(response, connection.head_only);
    connection.done = 0;
    connection.phase = Phase::kWriting;
    connection.deadline = Clock::now() + limits_.patience;
    write(connection);
  }

  void write(Connection& connection) {
    const auto& out = connection.out;
    const auto sent = ::send(connection.fd.get(), out.data() + connection.done,
                             out.size() - connection.done, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno != EAGAIN && errno != EINTR) connection.phase = Phase::kOver;
      return;
    }
    connection.done += static_cast<std::size_t>(sent);
    if (connection.done < out.size()) return;
    // What has come unread would make the kernel take the answer back when the socket is closed.
    ::shutdown(connection.fd.get(), SHUT_WR);
    connection.out = {};
    connection.done = 0;
    connection.phase = Phase::kEnding;
    connection.deadline = Clock::now() + kEndTime;
  }

  void drain(Connection& connection) {
    connection.done += receive(connection);
    if (connection.done > kDrainLimit) connection.phase = Phase::kOver;
  }

  const std::shared_ptr<Mailbox> mailbox_;
  const Collect collect_;
  const Limits limits_;
  std::vector<std::unique_ptr<Connection>> connections_;  // the oldest first
  std::vector<pollfd> polled_;                            // mailbox, connections
  std::array<char, 4096> buffer_;
  Clock::time_point collect_from_{};
  std::uint64_t collections_ = 0;  // begun
  bool wanted_ = false;
  bool collecting_ = false;
};

Result<std::unique_ptr<MetricsServer>> MetricsServer::open(const Address& address, bool insecure,
                                                           Collect collect, const Limits& limits) {
  if (auto allowed = check_plaintext(address, insecure); !allowed) return allowed.error();
  if (auto made = make_socket_directory(address); !made) return made.error();
  auto listener = Listener::open(std::span{&address, 1});
  if (!listener) return listener.error();
  const int event = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event < 0)
    return Error{ErrorCode::kSystem, "there is no file descriptor for the metrics", errno};
  auto mailbox = std::make_shared<Mailbox>(FileDescriptor{event});
  (*listener)->start([mailbox, most = limits.connections](int /*listener*/, int connection) {
    mailbox->take(FileDescriptor{connection}, most);
  });
  auto server = std::make_unique<Server>(mailbox, std::move(collect), limits);
  return std::unique_ptr<MetricsServer>{
      new MetricsServer{std::move(mailbox), std::move(server), *std::move(listener)}};
}

MetricsServer::MetricsServer(std::shared_ptr<Mailbox> mailbox, std::unique_ptr<Server> server,
                             std::unique_ptr<Listener> listener)
    : mailbox_{std::move(mailbox)},
      server_{std::move(server)},
      listener_{std::move(listener)},
      thread_{[raw = server_.get()] { raw->run(); }} {}

MetricsServer::~MetricsServer() {
  listener_->stop();
  mailbox_->stop();
  thread_.join();
}

}  // namespace dove::api
