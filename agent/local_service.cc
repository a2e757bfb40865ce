#include "agent/local_service.h"

#include <fmt/format.h>

#include <asio/post.hpp>
#include <deque>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "agent/local_request.h"
#include "agent/session_message.h"
#include "agent/show.h"
#include "api/address.h"
#include "api/listener.h"
#include "api/server_call.h"
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

// Of requests without words there is nothing to check.
template <class Request>
Status check(const Request& request) {
  if constexpr (requires { check_request(request); })
    return check_request(request);
  else
    return {};
}

// Writes a list, which is made on the loop.
template <class Request, class Reply>
class Listing final : public api::StreamCall<Request, Reply> {
 public:
  using Make = std::function<Result<std::deque<Reply>>(const Request&)>;
  Listing(asio::io_context& loop, Make make) : loop_{loop}, make_{std::move(make)} {}

 private:
  void begin(const Request& request) override {
    asio::post(loop_, [this, &request] {
      auto parts = make_if_right(request);
      if (!parts) return this->finish(api::to_status(parts.error()));
      parts_ = *std::move(parts);
      next();
    });
  }
  Result<std::deque<Reply>> make_if_right(const Request& request) {
    if (const auto status = check(request); !status) return status.error();
    return make_(request);
  }
  void next() {
    if (parts_.empty()) return this->finish(grpc::Status::OK);
    this->write(parts_.front());
  }
  void written(bool ok) override {
    parts_.pop_front();
    if (!ok) parts_.clear();
    next();
  }

  asio::io_context& loop_;
  const Make make_;
  std::deque<Reply> parts_;
};

template <class Reply, class Row>
Result<std::deque<Reply>> in_parts(Result<std::vector<Row>> rows) {
  if (!rows) return rows.error();
  std::deque<Reply> parts;
  for (std::size_t i = 0; i < rows->size(); ++i) {
    if (i % kRowsPerMessage == 0) parts.emplace_back();
    *parts.back().add_entries() = std::move((*rows)[i]);
  }
  return parts;
}

// One who watches. Events wait for a slow reader up to a limit.
class Watcher final : public api::StreamCall<v1::MonitorRequest, v1::Event> {
 public:
  // On the queue's thread: it begins to watch.
  using Begin = std::function<void(std::shared_ptr<Watcher>)>;
  explicit Watcher(Begin begin) : begin_{std::move(begin)} {}

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
  void begin(const v1::MonitorRequest& /*request*/) override {
    begin_(std::static_pointer_cast<Watcher>(shared_from_this()));
  }

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
    write(current_);
  }

  void finish_if_idle() {
    {
      const std::lock_guard lock{mutex_};
      if (!closed_ || writing_ || std::exchange(finished_, true)) return;
    }
    finish(grpc::Status::OK);
  }

  void written(bool ok) override {
    {
      const std::lock_guard lock{mutex_};
      writing_ = false;
      if (!ok) closed_ = true;
    }
    write_next();
    finish_if_idle();
  }
  void gone() override { close(); }

  const Begin begin_;
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

  void add(std::shared_ptr<Watcher> watcher) {
    if (watchers_.empty()) lists_ = group_lists(agent_);
    watchers_.push_back(std::move(watcher));
  }
  void close() {
    for (const auto& watcher : std::exchange(watchers_, {})) watcher->close();
  }

  void on_port(const Port& port, bool deleted) override {
    if (watchers_.empty()) return;
    v1::Event event;
    event.set_kind(v1::Event::PORT);
    event.set_deleted(deleted);
    *event.mutable_port() = show(agent_, port);
    tell(event);
  }
  void on_kernel_change(const KernelChange& change) override {
    if (watchers_.empty()) return;
    for (const auto& event : show_change(agent_, change, lists_)) tell(event);
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
  GroupLists lists_;  // as those who watch know them
};

}  // namespace

// The handlers. Each carries its request to the loop and finishes it from there.
struct LocalService::Server {
  using Service = v1::Local::AsyncService;

  Server(asio::io_context& io, api::CompletionThread& completions, Agent& the_agent)
      : loop{io}, thread{completions}, agent{the_agent}, audience{the_agent} {}

  void start() {
    serve_ports();
    serve_networks();
    serve_shows();
    api::serve_stream(service, thread, &Service::RequestMonitor, [this] {
      return std::make_shared<Watcher>([this](const std::shared_ptr<Watcher>& watcher) {
        asio::post(loop, [this, watcher] { stopping ? watcher->close() : audience.add(watcher); });
      });
    });
  }

  // A method whose handler runs on the loop, when the request makes sense.
  template <class Request, class Reply, class Owner, class Handler>
  void serve(api::RequestFunction<Owner, Request, grpc::ServerAsyncResponseWriter<Reply>> function,
             Handler handler) {
    api::serve_unary(service, thread, function,
                     [this, handler](const Request& request, Reply& reply, api::FinishCall finish) {
                       if (const auto status = check(request); !status)
                         return finish(api::to_status(status.error()));
                       asio::post(loop, [=, &request, &reply] { handler(request, reply, finish); });
                     });
  }

  // A method that lists what `make` makes on the loop.
  template <class Request, class Reply, class Owner, class Make>
  void list(api::RequestFunction<Owner, Request, grpc::ServerAsyncWriter<Reply>> function,
            Make make) {
    api::serve_stream(service, thread, function, [this, make] {
      return std::make_shared<Listing<Request, Reply>>(loop, make);
    });
  }

  void serve_ports() {
    serve(&Service::RequestPortAdd, [this](const auto& request, auto& reply, const auto& finish) {
      const auto security =
          request.has_security() ? std::optional{request.security()} : std::nullopt;
      agent.ports().add({request.dev(), request.endpoint(), security, request.network()},
                        [this, &reply, finish](const Result<Port>& port) {
                          if (port) reply = show(agent, *port);
                          finish(status_of(port));
                        });
    });
    serve(&Service::RequestPortDel,
          [this](const auto& request, auto& /*reply*/, const auto& finish) {
            agent.ports().del(request.dev(),
                              [finish](const Result<void>& status) { finish(status_of(status)); });
          });
    list(&Service::RequestPortShow,
         [this](const v1::PortShowRequest& request) { return show_ports(request.dev()); });
  }

  Result<std::deque<v1::PortShowReply>> show_ports(const std::string& dev) const {
    v1::PortShowReply reply;
    for (const auto& port : agent.ports().list())
      if (dev.empty() || port.dev == dev) *reply.add_ports() = show(agent, port);
    if (!dev.empty() && reply.ports().empty())
      return Error{ErrorCode::kNotFound, fmt::format("device \"{}\" is no port", dev)};
    return std::deque<v1::PortShowReply>{std::move(reply)};
  }

  void serve_networks() {
    const auto tell = [](v1::JoinReply& reply, const api::FinishCall& finish) {
      return [&reply, finish](const Result<Vni>& vni) {
        if (vni) reply.set_vni(vni->value());
        finish(status_of(vni));
      };
    };
    serve(&Service::RequestJoin, [=, this](const auto& request, auto& reply, const auto& finish) {
      agent.ports().join(request.network(), tell(reply, finish));
    });
    serve(&Service::RequestLeave, [=, this](const auto& request, auto& reply, const auto& finish) {
      agent.ports().leave(request.network(), tell(reply, finish));
    });
    serve(&Service::RequestAwait, [this](const auto& request, auto& reply, const auto& finish) {
      agent.await(std::chrono::milliseconds{request.wait_ms()},
                  [&reply, finish](const Result<std::vector<Lag>>& lagging) {
                    for (const auto& lag : lagging ? *lagging : std::vector<Lag>{})
                      *reply.add_lagging() = to_message(lag);
                    finish(status_of(lagging));
                  });
    });
  }

  void serve_shows() {
    serve(&Service::RequestStatus,
          [this](const auto& /*request*/, auto& reply, const auto& finish) {
            reply = show_status(agent);
            finish(grpc::Status::OK);
          });
    serve(&Service::RequestCounters,
          [this](const auto& /*request*/, auto& reply, const auto& finish) {
            agent.figures([&reply, finish](const FigureSources& sources) {
              for (const auto& figure : figures(sources)) *reply.add_counters() = show(figure);
              finish(grpc::Status::OK);
            });
          });
    serve(&Service::RequestCheck, [this](const auto& request, auto& reply, const auto& finish) {
      agent.check(request.network(), request.fix(),
                  [this, &reply, finish](const Result<Agent::Checked>& checked) {
                    if (checked) reply = show(agent, *checked);
                    finish(status_of(checked));
                  });
    });
    list(&Service::RequestFdbShow, [this](const v1::TableRequest& request) {
      return in_parts<v1::FdbReply>(show_fdb(agent, request.network()));
    });
    list(&Service::RequestNeighbourShow, [this](const v1::TableRequest& request) {
      return in_parts<v1::NeighbourReply>(show_neighbours(agent, request.network()));
    });
  }

  asio::io_context& loop;
  api::CompletionThread& thread;
  Agent& agent;
  Audience audience;
  Service service;
  bool stopping = false;
  std::thread stopper;
  std::unique_ptr<api::Server> rpc;
};

Result<std::unique_ptr<LocalService>> LocalService::open(asio::io_context& loop,
                                                         grpc::ServerBuilder& builder,
                                                         api::CompletionThread& thread,
                                                         Agent& agent, const std::string& socket) {
  const auto address = api::parse_address("unix:" + socket);
  if (!address) return address.error();
  if (const auto made = api::make_socket_directory(*address); !made) return made.error();
  auto server = std::make_unique<Server>(loop, thread, agent);
  builder.RegisterService(&server->service);
  auto rpc = api::start_server(builder, std::span{&*address, 1}, false);
  if (!rpc) return rpc.error();
  server->rpc = *std::move(rpc);
  server->start();
  return std::unique_ptr<LocalService>{new LocalService{std::move(server)}};
}

LocalService::LocalService(std::unique_ptr<Server> server) : server_{std::move(server)} {}

LocalService::~LocalService() {
  if (server_->stopper.joinable()) server_->stopper.join();
}

void LocalService::stop(std::function<void(bool clean)> done) {
  server_->stopping = true;
  server_->audience.close();
  // Shutdown() waits for handlers, and they for the loop.
  server_->stopper = std::thread{[this, done = std::move(done)] {
    const bool clean = server_->rpc->shut_down(kStopTime);
    asio::post(server_->loop, [done, clean] { done(clean); });
  }};
}

}  // namespace dove::agent
