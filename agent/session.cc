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
constexpr std::size_t kWordsBeforeGroups = 16;  // to be written: what listens is told later then
constexpr std::size_t kMessagesUnread = 64;     // received and not yet handled: then reading stops
constexpr std::size_t kMessagesKept = 8;        // for reuse, in each direction
constexpr std::chrono::seconds kLivedWell{5};
constexpr std::size_t kProblemText = 1024;
constexpr std::chrono::milliseconds kLongestWait{std::chrono::minutes{10}};
constexpr int kWordsInLease = 3;
constexpr std::chrono::milliseconds kOftenAlive{50};  // at the most

// A message in memory of its own that is reused. Of one that has more to say than fits, the rest is
// allocated beside it and freed at clear().
template <class Type>
class Slot {
 public:
  explicit Slot(std::size_t size)
      : block_{std::make_unique_for_overwrite<char[]>(size)}, arena_{block_.get(), size} {
    clear();
  }
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
  std::unique_ptr<char[]> block_;
  google::protobuf::Arena arena_;
  Type* message_ = nullptr;
};

// Slots of one size in stock, up to a few. Not thread-safe.
template <class Type>
class Stock {
 public:
  explicit Stock(std::size_t size) : size_{size} {}
  std::unique_ptr<Slot<Type>> take() {
    if (slots_.empty()) return std::make_unique<Slot<Type>>(size_);
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
  const std::size_t size_;
  std::vector<std::unique_ptr<Slot<Type>>> slots_;
};

using Outbound = Slot<v1::FromAgent>;
using Inbound = Slot<v1::FromController>;

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
    stream_ = stub_->PrepareAsyncSession(context_.get(), &queue);
    stream_->StartCall(on_started_.tag());
  }

  // Nothing is delivered any more; the stream ends soon.
  void close() {
    session_ = nullptr;
    cancel();
  }

  // Ends the stream; why is delivered in time.
  void cancel() {
    if (context_) context_->TryCancel();
    bool last = false;
    {
      const std::lock_guard lock{mutex_};
      closed_ = true;
      last = is_last();
    }
    if (last) finish();
  }

  // Whether words wait to be written.
  bool is_busy() {
    const std::lock_guard lock{mutex_};
    return writing_ || !unsent_.empty();
  }

  // Whether few are waiting; if not, the session is told when they are.
  bool has_room() {
    const std::lock_guard lock{mutex_};
    room_wanted_ = unsent_.size() >= kWordsBeforeGroups;
    return !room_wanted_;
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
      unsent_.push_back(words_.take());
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
    bool room = false;
    {
      const std::lock_guard lock{mutex_};
      (writing_->keys == 0 ? words_ : keys_).give_back(std::move(writing_));
      if (!ok) closed_ = true;
      last = is_last();
      room = unsent_.size() < kWordsBeforeGroups && std::exchange(room_wanted_, false);
    }
    if (room) asio::post(loop_, [self = shared_from_this()] { self->tell_of_room(); });
    if (last) finish();
    write_next();
  }

  // The channel goes where the loop is, with its connection. Once done_ is set all of the stream
  // may be gone.
  void finished(bool /*always*/) {
    deliver_soon(status_);
    const auto done = done_;
    asio::post(loop_, [self = std::move(self_)] { self->release(); });
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
    unsent_.push_back(keys_.take());
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
  void release() {
    stream_.reset();
    context_.reset();
    stub_.reset();
  }

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

  void tell_of_room() {
    if (session_ != nullptr) session_->tell_groups();
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
  std::unique_ptr<v1::AgentSession::Stub> stub_;
  std::unique_ptr<grpc::ClientContext> context_ = std::make_unique<grpc::ClientContext>();
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
  Stock<v1::FromAgent> keys_{32 * 1024};  // asks and forgets; most of the others are short
  Stock<v1::FromAgent> words_{1024};
  Stock<v1::FromController> stock_in_{32 * 1024};
  std::optional<grpc::Status> outcome_;
  bool posted_ = false;
  bool room_wanted_ = false;
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
      reader_{listener, counters_.malformed},
      retry_timer_{loop},
      watch_timer_{loop},
      random_{std::random_device{}()} {
  info_.since = Clock::now();
  info_.store = options_.known;
  info_.problem = "not yet connected";
  failures_.resize(options_.controllers.size());
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
  answer_clock_.stop();
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
    hello.set_opening(info_.store.opening);
    hello.set_version(options_.version);
  });
}

// Looks once a second for a controller that owes us something for too long, and sees to it that it
// hears of us.
void Session::watch() {
  auto interval = std::min({options_.handshake, options_.reply, std::chrono::milliseconds{1000}});
  if (alive_every_.count() != 0) interval = std::min(interval, alive_every_);
  watch_timer_.expires_after(interval);
  watch_timer_.async_wait([this, interval](const std::error_code& error) {
    if (error || !stream_) return;
    const auto now = Clock::now();
    const bool no_welcome = !ready_ && now >= attempt_began_ + options_.handshake;
    const bool no_reply = std::any_of(waiting_.begin(), waiting_.end(), [&](const auto& request) {
      return now >= request.second.deadline;
    });
    if (no_welcome || no_reply) {
      return ended({ErrorCode::kUnavailable, "the controller does not answer"}, false);
    }
    // Rather early than with the next look.
    if (ready_ && alive_every_.count() != 0 && now + interval > said_alive_ + alive_every_)
      say_alive();
    watch();
  });
}

void Session::say_alive() {
  said_alive_ = Clock::now();
  if (!stream_->is_busy()) stream_->send([](v1::FromAgent& message) { message.mutable_alive(); });
}

void Session::ended(const Error& reason, bool refused) {
  watch_timer_.cancel();
  if (stream_) drop_stream();
  ++counters_.failures;
  if (ready_ && Clock::now() - info_.since >= kLivedWell) failures_in_row_ = 0;
  if (ready_) info_.since = Clock::now();
  ready_ = false;
  info_.connected = false;
  const auto text = fmt::format("controller {}: {}", info_.controller, reason.message);
  note_failure(text);
  fail_requests(reason);
  if (stopped_) return;
  listener_.on_session_lost({reason.code, text, reason.os_error}, refused);
  retry(refused);
}

// Of the one that was tried last.
void Session::note_failure(const std::string& text) {
  failures_[(next_controller_ + failures_.size() - 1) % failures_.size()] = text;
  info_.problem.clear();
  for (const auto& failure : failures_)
    if (!failure.empty()) info_.problem += (info_.problem.empty() ? "" : "; ") + failure;
}

// The controllers are tried one after another; longer and longer it rests between such rounds.
void Session::retry(bool refused) {
  const auto failures = failures_in_row_++;
  const auto controllers = static_cast<unsigned>(options_.controllers.size());
  const bool round_over = (failures + 1) % controllers == 0;
  const unsigned doublings = round_over ? std::min(failures / controllers, 16U) : 0;
  auto delay = std::min(options_.backoff_max, options_.backoff_min * (1U << doublings));
  if (refused) delay = options_.backoff_refused;
  // Between half and all of it: hosts that lost one controller together do not come back together.
  std::uniform_int_distribution<std::int64_t> spread{delay.count() / 2, delay.count()};
  retry_timer_.expires_after(std::chrono::milliseconds{spread(random_)});
  retry_timer_.async_wait([this](const std::error_code& error) {
    if (!error && !stopped_) connect();
  });
}

void Session::advance(std::uint64_t revision) {
  info_.store.revision = std::max(info_.store.revision, revision);
}

void Session::receive(const v1::FromController& message) {
  ++counters_.messages_received;
  if (message.has_welcome()) return receive_welcome(message.welcome());
  if (!ready_) return;
  if (message.has_reply()) return receive_reply(message.reply());
  const auto came = std::chrono::steady_clock::now();
  const auto revision = reader_.read(message);
  if (message.has_bindings())
    if (const auto took = answer_clock_.answered(reader_.bindings(), came))
      counters_.answer_time.add(*took);
  advance(revision);
}

void Session::receive_welcome(const v1::Welcome& welcome) {
  const bool new_store = welcome.store_id() != info_.store.store_id || welcome.other_past();
  if (new_store) info_.store = {.store_id = welcome.store_id(), .revision = 0};
  info_.store.opening = welcome.opening();
  info_.self = HostId{welcome.host_id()};
  reader_.set_self(info_.self, options_.vtep);
  info_.router_mac = api::parse_mac(welcome.router_mac());
  if (info_.router_mac && !info_.router_mac->is_unicast()) info_.router_mac.reset();
  info_.connected = true;
  info_.problem.clear();
  failures_.assign(failures_.size(), {});
  changed_groups_.clear();
  info_.since = Clock::now();
  ready_ = true;
  alive_every_ = std::chrono::milliseconds{welcome.lease_ms() / kWordsInLease};
  if (welcome.lease_ms() != 0) alive_every_ = std::max(alive_every_, kOftenAlive);
  watch();
  ++counters_.sessions;
  listener_.on_session_ready(new_store, info_.self);
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

void Session::request(const std::function<void(v1::Request&)>& fill, ReplyHandler done,
                      std::chrono::milliseconds extra) {
  if (!ready_ || waiting_.size() >= kRequestsWaiting) {
    const auto why = ready_ ? std::string{"too many requests wait for the controller"}
                            : "no controller can be reached: " + info_.problem;
    asio::post(loop_, [done = std::move(done), error = Error{ErrorCode::kUnavailable, why}] {
      done(error);
    });
    return;
  }
  const auto id = next_request_++;
  waiting_[id] = {.deadline = Clock::now() + options_.reply + extra, .done = std::move(done)};
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

std::vector<Lag> lags_of(const v1::Reply& reply) {
  std::vector<Lag> all;
  for (const auto& lag : reply.lagging()) all.push_back(parse_lag(lag));
  return all;
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

void Session::learn(const MacKey& guest, const Heard& heard, Completion<Attachment> done) {
  const auto fill = [&](v1::Request& out) {
    auto& learn = *out.mutable_learn();
    learn.set_vni(guest.vni.value());
    learn.set_mac(api::to_bytes(guest.mac));
    for (const auto& ip : heard.ips) learn.add_ips(api::to_bytes(ip));
    learn.set_claimed(heard.claimed);
    learn.set_check(heard.check);
  };
  request(fill, [done = std::move(done)](const auto& reply) { done(attachment_of(reply)); });
}

void Session::unlearn(const MacKey& guest, std::span<const IpAddress> ips, Completion<void> done) {
  const auto fill = [&](v1::Request& out) {
    auto& unlearn = *out.mutable_unlearn();
    unlearn.set_vni(guest.vni.value());
    unlearn.set_mac(api::to_bytes(guest.mac));
    for (const auto& ip : ips) unlearn.add_ips(api::to_bytes(ip));
  };
  request(fill, [done = std::move(done)](const auto& reply) { done(status_of(reply)); });
}

void Session::keep(std::span<const MacKey> guests, Completion<void> done) {
  const auto fill = [&](v1::Request& out) {
    auto& keep = *out.mutable_keep();
    for (const auto& guest : guests) {
      auto* set = keep.add_sets();
      set->set_vni(guest.vni.value());
      set->add_macs(api::to_bytes(guest.mac));
    }
  };
  request(fill, [done = std::move(done)](const auto& reply) { done(status_of(reply)); });
}

void Session::ask(std::span<const Key> keys, const std::optional<IpAddress>& asker) {
  if (!ready_ || keys.empty()) return;
  const bool one_ip = keys.size() == 1 && std::holds_alternative<IpKey>(keys.front());
  const auto dropped = stream_->send_keys(true, keys, one_ip ? asker : std::nullopt);
  counters_.keys_asked += keys.size() - dropped;
  if (dropped == 0) answer_clock_.asked(keys.front(), std::chrono::steady_clock::now());
  counters_.keys_dropped += dropped;
}

void Session::forget(std::span<const Key> keys) {
  if (!ready_ || keys.empty()) return;
  counters_.keys_dropped += stream_->send_keys(false, keys);
}

void Session::all_groups(Vni vni, std::span<const MacAddress> listened) {
  if (!ready_) return;
  changed_groups_.erase(vni);
  stream_->send([&](v1::FromAgent& message) {
    auto& groups = *message.mutable_groups();
    groups.set_vni(vni.value());
    groups.set_full(true);
    for (const auto& mac : listened) groups.add_add(api::to_bytes(mac));
  });
}

void Session::group(const MacKey& group, bool listened) {
  if (!ready_) return;
  // The opposite of what has not been told yet: then there is nothing to tell.
  auto& changes = changed_groups_[group.vni];
  const auto [change, added] = changes.try_emplace(group.mac, listened);
  if (!added && change->second != listened) changes.erase(change);
  if (changes.empty()) changed_groups_.erase(group.vni);
  tell_groups();
}

// Guests may change their minds faster than the controller reads: then it is told of each group
// once, when there is room.
void Session::tell_groups() {
  if (!ready_ || changed_groups_.empty() || !stream_->has_room()) return;
  for (const auto& changed : std::exchange(changed_groups_, {}))
    stream_->send([&](v1::FromAgent& message) {
      auto& groups = *message.mutable_groups();
      groups.set_vni(changed.first.value());
      for (const auto& [mac, listened] : changed.second)
        (listened ? groups.add_add() : groups.add_remove())->assign(api::to_bytes(mac));
    });
}

void Session::replicate(Vni vni, std::uint64_t revision, std::uint64_t digest) {
  if (!ready_) return;
  stream_->send([&](v1::FromAgent& message) {
    message.mutable_replicate()->set_vni(vni.value());
    message.mutable_replicate()->set_revision(revision);
    message.mutable_replicate()->set_digest(digest);
  });
}

void Session::prove_interest(Vni vni, std::uint32_t keys, std::uint64_t digest) {
  if (!ready_) return;
  stream_->send([&](v1::FromAgent& message) {
    message.mutable_interest()->set_vni(vni.value());
    message.mutable_interest()->set_keys(keys);
    message.mutable_interest()->set_digest(digest);
  });
}

void Session::knows_hosts(std::uint64_t revision) {
  if (!ready_) return;
  stream_->send(
      [&](v1::FromAgent& message) { message.mutable_knows_hosts()->set_revision(revision); });
}

void Session::applied(const Progress::Point& point, const std::string& problem) {
  if (!ready_) return;
  stream_->send([&](v1::FromAgent& message) {
    message.mutable_applied()->set_number(point.number);
    message.mutable_applied()->set_revision(point.revision);
    message.mutable_applied()->set_problem(problem.substr(0, kProblemText));
  });
}

void Session::mark(Completion<void> done) {
  request([](v1::Request& out) { out.mutable_mark(); },
          [done = std::move(done)](const auto& reply) { done(status_of(reply)); });
}

void Session::await(std::chrono::milliseconds wait, Completion<std::vector<Lag>> done) {
  wait = std::min(wait, kLongestWait);
  const auto milliseconds = static_cast<std::uint32_t>(wait.count());
  request([&](v1::Request& out) { out.mutable_await()->set_wait_ms(milliseconds); },
          [done = std::move(done)](const Result<const v1::Reply*>& reply) {
            done(reply ? Result{lags_of(**reply)} : reply.error());
          },
          wait);
}

}  // namespace dove::agent
