#include "agent/local_service.h"

#include <fmt/format.h>

#include <asio/post.hpp>
#include <deque>
#include <filesystem>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "agent/show.h"
#include "api/address.h"
#include "api/status.h"
#include "api/transport.h"
#include "dove/v1/local.grpc.pb.h"

namespace dove::agent {
namespace {

constexpr std::size_t kRowsPerMessage = 256;
constexpr std::size_t kEventsWaiting =
    4096;  // of one reader; beyond, it is told that some are lost
constexpr std::chrono::seconds kStopTime{2};

template <class T>
grpc::Status status_of(const Result<T>& result) {
  return result.ok() ? grpc::Status::OK : api::to_status(result.error());
}

// Writes a list that is known when it begins. Deletes itself.
template <class Reply>
class Listing final : public grpc::ServerWriteReactor<Reply> {
 public:
  void begin(std::deque<Reply> parts) {
    parts_ = std::move(parts);
    next();
  }
  void fail(const Error& error) { this->Finish(api::to_status(error)); }

 private:
  void next() {
    if (parts_.empty()) return this->Finish(grpc::Status::OK);
    this->StartWrite(&parts_.front());
  }
  void OnWriteDone(bool ok) override {
    parts_.pop_front();
    if (!ok) parts_.clear();
    next();
  }
  void OnDone() override { delete this; }

  std::deque<Reply> parts_;
};

template <class Reply, class Row>
std::deque<Reply> in_parts(std::vector<Row> rows) {
  std::deque<Reply> parts;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i % kRowsPerMessage == 0) parts.emplace_back();
    *parts.back().add_entries() = std::move(rows[i]);
  }
  return parts;
}

// One who watches. Events wait for a slow reader up to a limit. Alive until gRPC is done with it.
class Watcher final : public grpc::ServerWriteReactor<v1::Event>,
                      public std::enable_shared_from_this<Watcher> {
 public:
  void begin() { self_ = shared_from_this(); }

  void push(const v1::Event& event) {
    {
      const std::lock_guard lock{mutex_};
      if (closed_) return;
      if (lost_ || events_.size() >= kEventsWaiting)
        lost_ = true;
      else
        events_.push_back(event);
    }
    write_next();
  }

  // Any thread.
  void close() {
    {
      const std::lock_guard lock{mutex_};
      closed_ = true;
    }
    finish_if_idle();
  }
  bool is_closed() {
    const std::lock_guard lock{mutex_};
    return closed_;
  }

 private:
  void write_next() {
    {
      const std::lock_guard lock{mutex_};
      if (closed_ || writing_) return;
      if (events_.empty() && !std::exchange(lost_, false)) return;
      current_.Clear();  // stands for LOST_EVENTS
      if (!events_.empty()) {
        current_ = std::move(events_.front());
        events_.pop_front();
      }
      writing_ = true;
    }
    StartWrite(&current_);
  }

  void finish_if_idle() {
    {
      const std::lock_guard lock{mutex_};
      if (!closed_ || writing_ || std::exchange(finished_, true)) return;
    }
    Finish(grpc::Status::OK);
  }

  void OnWriteDone(bool ok) override {
    {
      const std::lock_guard lock{mutex_};
      writing_ = false;
      if (!ok) closed_ = true;
    }
    write_next();
    finish_if_idle();
  }
  void OnCancel() override { close(); }
  void OnDone() override { const auto self = std::move(self_); }

  std::shared_ptr<Watcher> self_;
  std::mutex mutex_;
  std::deque<v1::Event> events_;
  v1::Event current_;
  bool lost_ = false;
  bool writing_ = false;
  bool closed_ = false;
  bool finished_ = false;
};

// All who watch. The loop thread's.
class Audience final : public AgentWatcher {
 public:
  explicit Audience(Agent& agent) : agent_{agent} { agent_.set_watcher(this); }
  ~Audience() override { agent_.set_watcher(nullptr); }

  void add(std::shared_ptr<Watcher> watcher) { watchers_.push_back(std::move(watcher)); }
  void close() {
    for (const auto& watcher : std::exchange(watchers_, {})) watcher->close();
  }

  void on_port(const Port& port, bool deleted) override {
    if (watchers_.empty()) return;
    v1::Event event;
    event.set_kind(v1::Event::PORT);
    event.set_deleted(deleted);
    *event.mutable_port() = show(port, agent_.guest_mtu());
    tell(event);
  }
  void on_kernel_change(const KernelChange& change) override {
    if (watchers_.empty()) return;
    for (const auto& event : show_change(agent_, change)) tell(event);
  }
  void on_session() override {
    if (watchers_.empty()) return;
    v1::Event event;
    event.set_kind(v1::Event::SESSION);
    *event.mutable_session() = show_status(agent_);
    tell(event);
  }

 private:
  void tell(const v1::Event& event) {
    std::erase_if(watchers_, [](const auto& watcher) { return watcher->is_closed(); });
    for (const auto& watcher : watchers_) watcher->push(event);
  }

  Agent& agent_;
  std::vector<std::shared_ptr<Watcher>> watchers_;
};

// /run/dove is gone after a boot; anything deeper that is missing is a mistake in the path.
Result<void> make_directory(const std::filesystem::path& socket) {
  const auto directory = socket.parent_path();
  std::error_code error;
  if (directory.empty() || std::filesystem::is_directory(directory, error)) return {};
  std::filesystem::create_directory(directory, error);
  if (!error) return {};
  return Error{ErrorCode::kSystem, fmt::format("cannot make the directory of the socket \"{}\": {}",
                                               socket.string(), error.message())};
}

}  // namespace

// The handlers. Each carries its request to the loop and finishes it from there.
struct LocalService::Server final : v1::Local::CallbackService {
  Server(asio::io_context& io, Agent& the_agent)
      : loop{io}, agent{the_agent}, audience{the_agent} {}

  using Context = grpc::CallbackServerContext;
  using Unary = grpc::ServerUnaryReactor;

  Unary* PortAdd(Context* context, const v1::PortAddRequest* request, v1::Port* reply) override {
    auto* reactor = context->DefaultReactor();
    asio::post(loop, [=, this] {
      agent.ports().add(request->dev(), request->endpoint(), [=, this](const Result<Port>& port) {
        if (port) *reply = show(*port, agent.guest_mtu());
        reactor->Finish(status_of(port));
      });
    });
    return reactor;
  }

  Unary* PortDel(Context* context, const v1::PortDelRequest* request,
                 v1::PortDelReply* /*reply*/) override {
    auto* reactor = context->DefaultReactor();
    asio::post(loop, [=, this] {
      agent.ports().del(request->dev(),
                        [=](const Result<void>& status) { reactor->Finish(status_of(status)); });
    });
    return reactor;
  }

  Unary* Join(Context* context, const v1::NetworkName* request, v1::JoinReply* reply) override {
    auto* reactor = context->DefaultReactor();
    asio::post(loop, [=, this] {
      agent.ports().join(request->network(), [=](const Result<Vni>& vni) {
        if (vni) reply->set_vni(vni->value());
        reactor->Finish(status_of(vni));
      });
    });
    return reactor;
  }

  Unary* Leave(Context* context, const v1::NetworkName* request, v1::JoinReply* reply) override {
    auto* reactor = context->DefaultReactor();
    asio::post(loop, [=, this] {
      agent.ports().leave(request->network(), [=](const Result<Vni>& vni) {
        if (vni) reply->set_vni(vni->value());
        reactor->Finish(status_of(vni));
      });
    });
    return reactor;
  }

  Unary* Status(Context* context, const v1::StatusRequest* /*request*/,
                v1::StatusReply* reply) override {
    auto* reactor = context->DefaultReactor();
    asio::post(loop, [=, this] {
      *reply = show_status(agent);
      reactor->Finish(grpc::Status::OK);
    });
    return reactor;
  }

  Unary* Counters(Context* context, const v1::CountersRequest* /*request*/,
                  v1::CountersReply* reply) override {
    auto* reactor = context->DefaultReactor();
    asio::post(loop, [=, this] {
      agent.counters([=](const Agent::CounterList& list) {
        for (const auto& one : list) {
          auto* counter = reply->add_counters();
          counter->set_name(one.name);
          counter->set_value(one.value);
          counter->set_dev(one.device);
        }
        reactor->Finish(grpc::Status::OK);
      });
    });
    return reactor;
  }

  grpc::ServerWriteReactor<v1::PortShowReply>* PortShow(
      Context* /*context*/, const v1::PortShowRequest* request) override {
    auto* listing = new Listing<v1::PortShowReply>;
    asio::post(loop, [=, this, dev = request->dev()] {
      v1::PortShowReply reply;
      for (const auto& port : agent.ports().list())
        if (dev.empty() || port.dev == dev) *reply.add_ports() = show(port, agent.guest_mtu());
      if (!dev.empty() && reply.ports().empty())
        return listing->fail({ErrorCode::kNotFound, fmt::format("device \"{}\" is no port", dev)});
      listing->begin({reply});
    });
    return listing;
  }

  grpc::ServerWriteReactor<v1::FdbReply>* FdbShow(Context* /*context*/,
                                                  const v1::TableRequest* request) override {
    auto* listing = new Listing<v1::FdbReply>;
    asio::post(loop, [=, this, network = request->network()] {
      auto rows = show_fdb(agent, network);
      rows ? listing->begin(in_parts<v1::FdbReply>(*std::move(rows))) : listing->fail(rows.error());
    });
    return listing;
  }

  grpc::ServerWriteReactor<v1::NeighbourReply>* NeighbourShow(
      Context* /*context*/, const v1::TableRequest* request) override {
    auto* listing = new Listing<v1::NeighbourReply>;
    asio::post(loop, [=, this, network = request->network()] {
      auto rows = show_neighbours(agent, network);
      rows ? listing->begin(in_parts<v1::NeighbourReply>(*std::move(rows)))
           : listing->fail(rows.error());
    });
    return listing;
  }

  grpc::ServerWriteReactor<v1::Event>* Monitor(Context* /*context*/,
                                               const v1::MonitorRequest* /*request*/) override {
    const auto watcher = std::make_shared<Watcher>();
    watcher->begin();
    asio::post(loop, [this, watcher] { stopping ? watcher->close() : audience.add(watcher); });
    return watcher.get();
  }

  asio::io_context& loop;
  Agent& agent;
  Audience audience;
  bool stopping = false;
  std::thread stopper;
  std::unique_ptr<grpc::Server> rpc;
};

Result<std::unique_ptr<LocalService>> LocalService::open(asio::io_context& loop, Agent& agent,
                                                         const std::string& socket) {
  const auto address = api::parse_address("unix:" + socket);
  if (!address) return address.error();
  if (const auto made = make_directory(socket); !made) return made.error();
  auto server = std::make_unique<Server>(loop, agent);
  grpc::ServerBuilder builder;
  builder.RegisterService(server.get());
  auto rpc = api::start_server(builder, std::span{&*address, 1}, false);
  if (!rpc) return rpc.error();
  server->rpc = *std::move(rpc);
  return std::unique_ptr<LocalService>{new LocalService{std::move(server)}};
}

LocalService::LocalService(std::unique_ptr<Server> server) : server_{std::move(server)} {}

LocalService::~LocalService() {
  if (server_->stopper.joinable()) server_->stopper.join();
}

void LocalService::stop(std::function<void()> done) {
  server_->stopping = true;
  server_->audience.close();
  // Shutdown() waits for handlers, and they for the loop.
  server_->stopper = std::thread{[this, done = std::move(done)] {
    server_->rpc->Shutdown(std::chrono::system_clock::now() + kStopTime);
    asio::post(server_->loop, done);
  }};
}

}  // namespace dove::agent
