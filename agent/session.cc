#include "agent/session.h"

#include <fmt/format.h>
#include <google/protobuf/arena.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/async_stream.h>

#include <algorithm>
#include <asio/post.hpp>
#include <atomic>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include "agent/session_message.h"
#include "api/completion_thread.h"
#include "api/convert.h"
#include "api/status.h"
#include "api/transport.h"
#include "dove/v1/agent.grpc.pb.h"

namespace dove::agent {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kKeysPerMessage = 512;
constexpr std::size_t kMessagesWaiting =
    1024;  // to be written: asks and forgets beyond are dropped
constexpr std::size_t kRequestsWaiting = 16384;
constexpr std::size_t kMessagesUnread = 64;  // received and not yet handled: then reading stops
constexpr std::size_t kMessagesKept = 8;     // for reuse, in each direction
constexpr std::chrono::seconds kLivedWell{5};

// A message in memory of its own that is reused.
template <class Type>
class Slot {
 public:
  Slot() : block_(kBlock), arena_{block_.data(), block_.size()} { clear(); }
  void clear() {
    arena_.Reset();
    message_ = google::protobuf::Arena::CreateMessage<Type>(&arena_);
    keys = 0;
  }
  Type& operator*() { return *message_; }
  Type* operator->() { return message_; }
  Type* get() { return message_; }

  std::size_t keys = 0;  // of an ask or a forget

 private:
  // An average message fits; what does not is allocated beside it and freed at clear().
  static constexpr std::size_t kBlock = 32 * 1024;
  std::vector<char> block_;
  google::protobuf::Arena arena_;
  Type* message_ = nullptr;
};

// Slots in stock, up to a few. Not thread-safe.
template <class Type>
class Stock {
 public:
  std::unique_ptr<Slot<Type>> take() {
    if (slots_.empty()) return std::make_unique<Slot<Type>>();
    auto slot = std::move(slots_.back());
    slots_.pop_back();
    return slot;
  }
  void give_back(std::unique_ptr<Slot<Type>> slot) {
    if (slots_.size() >= kMessagesKept) return;
    slot->clear();
    slots_.push_back(std::move(slot));
  }

 private:
  std::vector<std::unique_ptr<Slot<Type>>> slots_;
};

using Outbound = Slot<v1::FromAgent>;
using Inbound = Slot<v1::FromController>;

bool is_refusal(const Error& error) {
  return error.code != ErrorCode::kUnavailable && error.code != ErrorCode::kSystem;
}

}  // namespace

// One attempt and, if it goes well, one session. Keeps itself alive until gRPC is done with it.
//
// `mutex_` guards what gRPC's thread and the loop share. No gRPC call is made while it is held. The
// stream is finished once, when it is closed and nothing is being started, read or written.
class Session::Stream final : public std::enable_shared_from_this<Stream> {
 public:
  Stream(asio::io_context& loop, Session* session, const std::shared_ptr<grpc::Channel>& channel)
      : loop_{loop}, session_{session}, stub_{v1::AgentSession::NewStub(channel)} {}

  // --- on the loop thread
  void start(grpc::CompletionQueue& queue) {
    self_ = shared_from_this();
    stream_ = stub_->PrepareAsyncSession(&context_, &queue);
    stream_->StartCall(on_started_.tag());
  }

  // Nothing is delivered any more; the stream ends soon.
  void close() {
    session_ = nullptr;
    cancel();
  }

  // Ends the stream; why is delivered in time.
  void cancel() {
    context_.TryCancel();
    bool last = false;
    {
      const std::lock_guard lock{mutex_};
      closed_ = true;
      last = is_last();
    }
    if (last) finish();
  }

  bool is_done() const { return done_->load(); }
  void wait_until_done() const { done_->wait(false); }

  // Asks when `ask`, else forgets. How many were not taken for want of room.
  // `asker`: of one key in a message of its own.
  std::size_t send_keys(bool ask, std::span<const Key> keys,
                        const std::optional<IpAddress>& asker = std::nullopt) {
    {
      const std::lock_guard lock{mutex_};
      while (!keys.empty()) {
        Outbound* slot = room_for_keys(ask);
        if (slot == nullptr) break;
        const auto part = keys.first(std::min(keys.size(), kKeysPerMessage - slot->keys));
        api::add_keys(part, ask ? (*slot)->mutable_ask() : (*slot)->mutable_forget());
        slot->keys += part.size();
        if (asker && slot->keys == 1)
          api::set_bytes((*slot)->mutable_ask()->mutable_sets(0)->mutable_asker(), *asker);
        keys = keys.subspan(part.size());
      }
    }
    write_next();
    return keys.size();
  }

  void send(const std::function<void(v1::FromAgent&)>& fill) {
    {
      const std::lock_guard lock{mutex_};
      unsent_.push_back(stock_out_.take());
      fill(**unsent_.back());
    }
    write_next();
  }

 private:
  // --- what gRPC says, on its thread
  void started(bool ok) {
    bool last = false;
    bool read = false;
    {
      const std::lock_guard lock{mutex_};
      starting_ = false;
      if (!ok) closed_ = true;
      read = !closed_;
      if (read) reading_ = stock_in_.take();
      last = is_last();
    }
    if (read) read_next();
    write_next();
    if (last) finish();
  }

  void read(bool ok) {
    bool more = false;
    bool last = false;
    {
      const std::lock_guard lock{mutex_};
      auto slot = std::move(reading_);
      if (ok) {
        unread_.push_back(std::move(slot));
        more = !closed_ && unread_.size() + handling_ < kMessagesUnread;
        if (more) reading_ = stock_in_.take();
      } else {
        closed_ = true;
      }
      last = is_last();
    }
    if (ok) deliver_soon();
    if (more) read_next();
    if (last) finish();
  }

  void written(bool ok) {
    bool last = false;
    {
      const std::lock_guard lock{mutex_};
      stock_out_.give_back(std::move(writing_));
      if (!ok) closed_ = true;
      last = is_last();
    }
    if (last) finish();
    write_next();
  }

  // The stream goes where the loop is, with its channel. Once done_ is set all of it may be gone.
  void finished(bool /*always*/) {
    deliver_soon(status_);
    const auto done = done_;
    asio::post(loop_, [self = std::move(self_)] {});
    done->store(true);
    done->notify_all();
  }

  // --- either
  // With the lock held. True, once: the caller must finish().
  bool is_last() {
    return closed_ && !starting_ && !reading_ && !writing_ && !std::exchange(finishing_, true);
  }
  void finish() { stream_->Finish(&status_, on_finished_.tag()); }
  void read_next() {
    auto* const message = reading_->get();
    stream_->Read(message, on_read_.tag());
  }

  // With the lock held.
  Outbound* room_for_keys(bool ask) {
    const auto kind = ask ? v1::FromAgent::kAsk : v1::FromAgent::kForget;
    if (!unsent_.empty() && (*unsent_.back())->message_case() == kind &&
        unsent_.back()->keys < kKeysPerMessage)
      return unsent_.back().get();
    if (unsent_.size() >= kMessagesWaiting) return nullptr;
    unsent_.push_back(stock_out_.take());
    return unsent_.back().get();
  }

  void write_next() {
    {
      const std::lock_guard lock{mutex_};
      if (closed_ || starting_ || writing_ || unsent_.empty()) return;
      writing_ = std::move(unsent_.front());
      unsent_.pop_front();
    }
    const auto& message = **writing_;
    stream_->Write(message, on_written_.tag());
  }

  void deliver_soon(const std::optional<grpc::Status>& outcome = std::nullopt) {
    {
      const std::lock_guard lock{mutex_};
      if (outcome) outcome_ = outcome;
      if (std::exchange(posted_, true)) return;
    }
    asio::post(loop_, [self = shared_from_this()] { self->deliver(); });
  }

  // --- on the loop thread
  void deliver() {
    std::deque<std::unique_ptr<Inbound>> batch;
    std::optional<grpc::Status> outcome;
    {
      const std::lock_guard lock{mutex_};
      posted_ = false;
      batch.swap(unread_);
      handling_ = batch.size();
      outcome = outcome_;
    }
    for (auto& slot : batch)
      if (session_ != nullptr) session_->receive(**slot);
    recycle(batch);
    if (outcome && session_ != nullptr) report(*outcome);
  }

  void recycle(std::deque<std::unique_ptr<Inbound>>& batch) {
    bool resume = false;
    {
      const std::lock_guard lock{mutex_};
      handling_ = 0;
      for (auto& slot : batch) stock_in_.give_back(std::move(slot));
      resume = !reading_ && !closed_ && !batch.empty() && unread_.size() < kMessagesUnread;
      if (resume) reading_ = stock_in_.take();
    }
    if (resume) read_next();
  }

  void report(const grpc::Status& status) {
    Session* const session = std::exchange(session_, nullptr);
    if (status.ok())
      return session->ended({ErrorCode::kUnavailable, "the controller ended the session"}, false);
    const Error error = api::to_error(status);
    session->ended(error, is_refusal(error));
  }

  asio::io_context& loop_;
  Session* session_;  // loop thread only; null: nobody listens any more
  const std::unique_ptr<v1::AgentSession::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<v1::FromAgent, v1::FromController>> stream_;
  grpc::Status status_;
  std::shared_ptr<Stream> self_;  // until finished()
  const std::shared_ptr<std::atomic<bool>> done_ = std::make_shared<std::atomic<bool>>(false);

  std::mutex mutex_;
  std::deque<std::unique_ptr<Outbound>> unsent_;
  std::unique_ptr<Outbound> writing_;
  std::unique_ptr<Inbound> reading_;
  std::deque<std::unique_ptr<Inbound>> unread_;
  std::size_t handling_ = 0;
  Stock<v1::FromAgent> stock_out_;
  Stock<v1::FromController> stock_in_;
  std::optional<grpc::Status> outcome_;
  bool posted_ = false;
  bool starting_ = true;
  bool closed_ = false;
  bool finishing_ = false;

  api::OperationOf<Stream, &Stream::started> on_started_{*this};
  api::OperationOf<Stream, &Stream::read> on_read_{*this};
  api::OperationOf<Stream, &Stream::written> on_written_{*this};
  api::OperationOf<Stream, &Stream::finished> on_finished_{*this};
};

Session::Session(asio::io_context& loop, grpc::CompletionQueue& queue, Options options,
                 DirectoryListener& listener)
    : loop_{loop},
      queue_{queue},
      options_{std::move(options)},
      listener_{listener},
      retry_timer_{loop},
      watch_timer_{loop},
      random_{std::random_device{}()} {
  info_.since = Clock::now();
  info_.store = options_.known;
  info_.problem = "not yet connected";
}

Session::~Session() {
  if (stream_) drop_stream();
  wait_until_ended();
}

void Session::wait_until_ended() const {
  for (const auto& stream : dropped_) stream->wait_until_done();
}

// It is kept until gRPC is done with it: until then it may post to the loop.
void Session::drop_stream() {
  stream_->close();
  dropped_.push_back(std::exchange(stream_, nullptr));
}

void Session::start() { connect(); }

void Session::stop() {
  stopped_ = true;
  retry_timer_.cancel();
  watch_timer_.cancel();
  if (stream_) drop_stream();
  ready_ = false;
  info_.connected = false;
  info_.problem = "doved is stopping";
  fail_requests({ErrorCode::kUnavailable, info_.problem});
}

Session::Info Session::info() const { return info_; }

void Session::connect() {
  // Before there is a new channel: while one to the same address is left, its backoff holds.
  std::erase_if(dropped_, [](const auto& stream) { return stream->is_done(); });
  const auto& address = options_.controllers[next_controller_];
  next_controller_ = (next_controller_ + 1) % options_.controllers.size();
  info_.controller = address.to_string();
  attempt_began_ = Clock::now();
  const auto channel = api::make_channel(address, options_.insecure);
  if (!channel) return ended(channel.error(), true);
  stream_ = std::make_shared<Stream>(loop_, this, *channel);
  stream_->start(queue_);
  say_hello();
  watch();
}

void Session::say_hello() {
  stream_->send([this](v1::FromAgent& message) {
    auto& hello = *message.mutable_hello();
    hello.set_protocol(api::kProtocol);
    hello.set_host(options_.host);
    hello.set_vtep(api::to_bytes(options_.vtep.address));
    hello.set_vtep_port(options_.vtep.port);
    hello.set_boot_id(options_.boot_id);
    hello.set_store_id(info_.store.store_id);
    hello.set_revision(info_.store.revision);
    hello.set_version(options_.version);
  });
}

// Looks once a second for a controller that owes us something for too long.
void Session::watch() {
  const auto interval =
      std::min({options_.handshake, options_.reply, std::chrono::milliseconds{1000}});
  watch_timer_.expires_after(interval);
  watch_timer_.async_wait([this](const std::error_code& error) {
    if (error || !stream_) return;
    const auto now = Clock::now();
    const bool no_welcome = !ready_ && now >= attempt_began_ + options_.handshake;
    const bool no_reply = !waiting_.empty() && now >= waiting_.begin()->second.deadline;
    if (no_welcome || no_reply) {
      return ended({ErrorCode::kUnavailable, "the controller does not answer"}, false);
    }
    watch();
  });
}

void Session::ended(const Error& reason, bool refused) {
  watch_timer_.cancel();
  if (stream_) drop_stream();
  ++counters_.failures;
  if (ready_ && Clock::now() - info_.since >= kLivedWell) failures_in_row_ = 0;
  if (ready_) info_.since = Clock::now();
  ready_ = false;
  info_.connected = false;
  info_.problem = fmt::format("controller {}: {}", info_.controller, reason.message);
  fail_requests(reason);
  if (stopped_) return;
  listener_.on_session_lost({reason.code, info_.problem, reason.os_error}, refused);
  retry(refused);
}

void Session::retry(bool refused) {
  const unsigned doublings = std::min(failures_in_row_++, 16U);
  auto delay = std::min(options_.backoff_max, options_.backoff_min * (1U << doublings));
  if (refused) delay = options_.backoff_max;
  // Between half and all of it: hosts that lost one controller together do not come back together.
  std::uniform_int_distribution<std::int64_t> spread{delay.count() / 2, delay.count()};
  retry_timer_.expires_after(std::chrono::milliseconds{spread(random_)});
  retry_timer_.async_wait([this](const std::error_code& error) {
    if (!error && !stopped_) connect();
  });
}

template <class Value>
Value* Session::check(Result<Value>& parsed) {
  if (parsed) return &*parsed;
  ++counters_.malformed;
  return nullptr;
}

void Session::advance(std::uint64_t revision) {
  info_.store.revision = std::max(info_.store.revision, revision);
}

void Session::receive(const v1::FromController& message) {
  ++counters_.messages_received;
  if (message.has_welcome()) return receive_welcome(message.welcome());
  if (!ready_) return;
  switch (message.message_case()) {
    case v1::FromController::kBindings:
      return receive_bindings(message.bindings());
    case v1::FromController::kReply:
      return receive_reply(message.reply());
    case v1::FromController::kHosts:
      return receive_hosts(message.hosts());
    case v1::FromController::kFloodList:
      return receive_flood_list(message.flood_list());
    case v1::FromController::kGroupList:
      return receive_group_list(message.group_list());
    case v1::FromController::kNetwork:
      return receive_network(message.network());
    case v1::FromController::kLost:
      return receive_lost(message.lost());
    case v1::FromController::kReaddressed:
      return receive_readdressed(message.readdressed());
    case v1::FromController::kResync:
      return listener_.on_resync();
    default:
      return;
  }
}

void Session::receive_welcome(const v1::Welcome& welcome) {
  const bool new_store = welcome.store_id() != info_.store.store_id;
  if (new_store) info_.store = {.store_id = welcome.store_id(), .revision = 0};
  info_.self = HostId{welcome.host_id()};
  info_.router_mac = api::parse_mac(welcome.router_mac());
  if (info_.router_mac && !info_.router_mac->is_unicast()) info_.router_mac.reset();
  info_.connected = true;
  info_.problem.clear();
  info_.since = Clock::now();
  ready_ = true;
  ++counters_.sessions;
  listener_.on_session_ready(new_store, info_.self);
}

void Session::receive_bindings(const v1::Bindings& message) {
  bindings_.clear();
  for (const auto& part : message.bindings()) {
    auto binding = api::parse_binding(part, message.revision());
    if (auto* value = check(binding)) bindings_.push_back(*value);
  }
  listener_.on_bindings(bindings_);
  advance(message.revision());
}

void Session::receive_hosts(const v1::Hosts& message) {
  std::vector<HostRecord> hosts;
  for (const auto& part : message.hosts()) {
    auto host = api::parse_host(part);
    if (auto* value = check(host))
      hosts.push_back({.id = value->id, .name = std::move(value->name), .vtep = value->vtep});
  }
  listener_.on_hosts(hosts, message.full());
  advance(message.revision());
}

namespace {

std::vector<HostId> parse_hosts(const google::protobuf::RepeatedField<std::uint32_t>& ids) {
  std::vector<HostId> hosts;
  for (const auto id : ids) hosts.push_back(HostId{id});
  return hosts;
}

}  // namespace

void Session::receive_flood_list(const v1::FloodList& message) {
  auto vni = api::parse_vni(message.vni());
  if (check(vni) == nullptr) return;
  listener_.on_flood_list(*vni, parse_hosts(message.add()), parse_hosts(message.remove()),
                          message.full());
  advance(message.revision());
}

void Session::receive_group_list(const v1::GroupList& message) {
  auto vni = api::parse_vni(message.vni());
  if (check(vni) == nullptr) return;
  const auto group = api::parse_mac(message.group());
  if (!message.group().empty() && (!group || !group->is_multicast())) {
    ++counters_.malformed;
    return;
  }
  listener_.on_group_list(*vni, group, parse_hosts(message.add()), parse_hosts(message.remove()),
                          message.full());
  advance(message.revision());
}

void Session::receive_network(const v1::NetworkSettings& message) {
  auto settings = parse_network(message);
  if (check(settings) == nullptr) return;
  listener_.on_network(*settings);
  advance(message.revision());
}

void Session::receive_lost(const v1::Lost& message) {
  auto attachment = parse_attachment(message.attachment());
  if (check(attachment) != nullptr) listener_.on_lost(*attachment);
}

void Session::receive_readdressed(const v1::Readdressed& message) {
  auto attachment = parse_attachment(message.attachment());
  if (check(attachment) != nullptr) listener_.on_readdressed(*attachment);
  advance(message.revision());
}

void Session::receive_reply(const v1::Reply& reply) {
  const auto found = waiting_.find(reply.id());
  if (found == waiting_.end()) return;
  const auto done = std::move(found->second.done);
  waiting_.erase(found);
  if (reply.has_problem()) return done(api::parse_problem(reply.problem()));
  done(&reply);
  advance(reply.revision());
}

void Session::fail_requests(const Error& reason) {
  const auto failed = std::exchange(waiting_, {});
  const Error error{ErrorCode::kUnavailable,
                    fmt::format("controller {}: {}", info_.controller, reason.message)};
  for (const auto& [id, request] : failed)
    asio::post(loop_, [done = request.done, error] { done(error); });
}

void Session::request(const std::function<void(v1::Request&)>& fill, ReplyHandler done) {
  if (!ready_ || waiting_.size() >= kRequestsWaiting) {
    const auto why = ready_ ? std::string{"too many requests wait for the controller"}
                            : "no controller can be reached: " + info_.problem;
    asio::post(loop_, [done = std::move(done), error = Error{ErrorCode::kUnavailable, why}] {
      done(error);
    });
    return;
  }
  const auto id = next_request_++;
  waiting_[id] = {.deadline = Clock::now() + options_.reply, .done = std::move(done)};
  stream_->send([&](v1::FromAgent& message) {
    message.mutable_request()->set_id(id);
    fill(*message.mutable_request());
  });
}

namespace {

const Error kNoAttachment{ErrorCode::kInvalid, "the controller's reply has no attachment"};

Result<Attachment> attachment_of(const Result<const v1::Reply*>& reply) {
  if (!reply) return reply.error();
  if (!(*reply)->has_attachment()) return kNoAttachment;
  return parse_attachment((*reply)->attachment());
}

Result<NetworkSettings> network_of(const Result<const v1::Reply*>& reply) {
  if (!reply) return reply.error();
  return parse_network((*reply)->network());
}

Status status_of(const Result<const v1::Reply*>& reply) {
  if (!reply) return reply.error();
  return {};
}

Result<Directory::Prepared> prepared_of(const Result<const v1::Reply*>& reply) {
  auto attachment = attachment_of(reply);
  if (!attachment) return attachment.error();
  auto network = network_of(reply);
  if (!network) return network.error();
  return Directory::Prepared{*std::move(attachment), *std::move(network)};
}

}  // namespace

void Session::join(const std::string& network, Completion<NetworkSettings> done) {
  request([&](v1::Request& out) { out.mutable_join()->set_network(network); },
          [done = std::move(done)](const auto& reply) { done(network_of(reply)); });
}

void Session::join(Vni vni, Completion<NetworkSettings> done) {
  request([&](v1::Request& out) { out.mutable_join()->set_vni(vni.value()); },
          [done = std::move(done)](const auto& reply) { done(network_of(reply)); });
}

void Session::leave(Vni vni, Completion<void> done) {
  request([&](v1::Request& out) { out.mutable_leave()->set_vni(vni.value()); },
          [done = std::move(done)](const auto& reply) { done(status_of(reply)); });
}

void Session::prepare(const std::string& endpoint, Completion<Prepared> done) {
  request([&](v1::Request& out) { out.mutable_prepare()->set_endpoint(endpoint); },
          [done = std::move(done)](const auto& reply) { done(prepared_of(reply)); });
}

void Session::activate(const std::string& endpoint, std::uint64_t generation,
                       Completion<Attachment> done) {
  const auto fill = [&](v1::Request& out) {
    out.mutable_activate()->set_endpoint(endpoint);
    out.mutable_activate()->set_generation(generation);
  };
  request(fill, [done = std::move(done)](const auto& reply) { done(attachment_of(reply)); });
}

void Session::detach(const std::string& endpoint, std::uint64_t generation, Completion<void> done) {
  const auto fill = [&](v1::Request& out) {
    out.mutable_detach()->set_endpoint(endpoint);
    out.mutable_detach()->set_generation(generation);
  };
  request(fill, [done = std::move(done)](const auto& reply) { done(status_of(reply)); });
}

void Session::announce(const IpKey& address, MacAddress mac, std::optional<bool> router,
                       Completion<void> done) {
  const auto fill = [&](v1::Request& out) {
    out.mutable_announce()->set_vni(address.vni.value());
    out.mutable_announce()->set_ip(api::to_bytes(address.ip));
    out.mutable_announce()->set_mac(api::to_bytes(mac));
    if (router) out.mutable_announce()->set_router(*router);
  };
  request(fill, [done = std::move(done)](const auto& reply) { done(status_of(reply)); });
}

void Session::ask(std::span<const Key> keys, const std::optional<IpAddress>& asker) {
  if (!ready_ || keys.empty()) return;
  const bool one_ip = keys.size() == 1 && std::holds_alternative<IpKey>(keys.front());
  const auto dropped = stream_->send_keys(true, keys, one_ip ? asker : std::nullopt);
  counters_.keys_asked += keys.size() - dropped;
  counters_.keys_dropped += dropped;
}

void Session::forget(std::span<const Key> keys) {
  if (!ready_ || keys.empty()) return;
  counters_.keys_dropped += stream_->send_keys(false, keys);
}

void Session::groups(Vni vni, std::span<const MacAddress> add, std::span<const MacAddress> remove,
                     bool full) {
  if (!ready_) return;
  stream_->send([&](v1::FromAgent& message) {
    auto& groups = *message.mutable_groups();
    groups.set_vni(vni.value());
    groups.set_full(full);
    for (const auto& mac : add) groups.add_add(api::to_bytes(mac));
    for (const auto& mac : remove) groups.add_remove(api::to_bytes(mac));
  });
}

void Session::applied(std::uint64_t revision) {
  if (!ready_) return;
  stream_->send([&](v1::FromAgent& message) { message.mutable_applied()->set_revision(revision); });
}

}  // namespace dove::agent
