#include "controller/agent_service.h"

#include <fmt/format.h>
#include <grpcpp/support/async_stream.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>

#include "api/status.h"
#include "core/name.h"

namespace dove::controller {

// What the streams of one queue share.
struct AgentService::Home {
  v1::AgentSession::AsyncService& service;
  api::CompletionThread& thread;
  Registry& registry;
  Sessions& sessions;
  const Outbox::Limits limits;
};

namespace {

// Requests of one agent that wait for their reply; beyond, it is heard no further until one is
// done.
constexpr int kRequests = 256;

constexpr unsigned kThreads = 4;

Result<Hello> parse_hello(const v1::Hello& message) {
  if (message.protocol() != api::kProtocol)
    return Error{ErrorCode::kInvalid, fmt::format("protocol {} is unknown, expected {}",
                                                  message.protocol(), api::kProtocol)};
  if (auto name = check_name("host name", message.host()); !name) return name.error();
  const auto vtep = api::parse_vtep(message.vtep(), message.vtep_port());
  if (!vtep) return vtep.error();
  return Hello{message.host(), *vtep, message.boot_id(), message.version()};
}

// Is it a request at all, or malformed? Whether it can be granted is the registry's question.
Status check_form(const v1::Request& request) {
  const auto network_status = [](std::uint32_t raw) -> Status {
    const auto vni = api::parse_vni(raw);
    return vni ? Status{} : Status{vni.error()};
  };
  if (request.has_leave()) return network_status(request.leave().vni());
  if (request.has_join() && request.join().network().empty())
    return network_status(request.join().vni());
  if (!request.has_announce()) return {};
  const auto& announce = request.announce();
  if (!api::parse_mac(announce.mac()) || !api::parse_ip(announce.ip()))
    return Error{ErrorCode::kInvalid, "an announcement has a MAC of 6 and an IP of 4 or 16 bytes"};
  return network_status(announce.vni());
}

Result<std::vector<MacAddress>> parse_group_macs(
    const google::protobuf::RepeatedPtrField<std::string>& list) {
  std::vector<MacAddress> macs;
  for (const auto& bytes : list) {
    const auto mac = api::parse_mac(bytes);
    if (!mac || !mac->is_multicast())
      return Error{ErrorCode::kInvalid, "a group is a multicast MAC of 6 bytes"};
    macs.push_back(*mac);
  }
  return macs;
}

Result<GroupListeners::Word> parse_groups(const v1::Groups& message) {
  const auto vni = api::parse_vni(message.vni());
  if (!vni) return vni.error();
  auto add = parse_group_macs(message.add());
  if (!add) return add.error();
  auto remove = parse_group_macs(message.remove());
  if (!remove) return remove.error();
  return GroupListeners::Word{*vni, message.full(), *std::move(add), *std::move(remove)};
}

// How many threads answer. More than the cores have no use, and each is woken by its own streams
// alone.
unsigned thread_count() {
  return std::clamp(std::thread::hardware_concurrency() / 2, 1U, kThreads);
}

// Waits for an agent; when one has come the next stream waits. Reads one message at a time, and
// pauses while too much of what it caused still waits. Ends when the stream breaks, when what comes
// is malformed, or when close() is called; lives until gRPC is done with it (self_), and longer
// while others hold it.
class AgentStream final : public Peer, public std::enable_shared_from_this<AgentStream> {
 public:
  using Home = AgentService::Home;

  explicit AgentStream(const Home& home)
      : Peer{home.limits}, home_{home}, registry_{home.registry}, sessions_{home.sessions} {}

  static void wait(const Home& home) {
    const auto stream = std::make_shared<AgentStream>(home);
    stream->self_ = stream;
    stream->context_.AsyncNotifyWhenDone(stream->on_gone_.tag());
    auto& queue = home.thread.server_queue();
    home.service.RequestSession(&stream->context_, &stream->stream_, &queue, &queue,
                                stream->on_begun_.tag());
  }

  void flush() override {
    if (const auto* message = outbox.begin_write()) stream_.Write(*message, on_written_.tag());
  }

  // Whoever does not read will not read this either.
  void close(const Error& reason) override {
    finish(api::to_status(reason));
    if (!is_finishing()) context_.TryCancel();
  }

 private:
  // --- what gRPC says, on its queue's thread
  void begun(bool ok) {
    if (!ok) {  // the server stops, and no agent came
      const auto self = std::move(self_);
      return;
    }
    hold_ = home_.thread.hold();
    if (!hold_) {
      const std::lock_guard lock{mutex_};
      finished_ = grpc::Status::CANCELLED;
      finishing_ = told_ = true;
      reading_ = false;
      return;
    }
    wait(home_);
    stream_.Read(&incoming_, on_read_.tag());
  }

  void read(bool ok) {
    const auto status = ok ? handle() : Status{};
    if (ok && status) return read_on(false);
    finish(status ? grpc::Status::OK : api::to_status(status.error()));
    {
      const std::lock_guard lock{mutex_};
      reading_ = false;
    }
    leave_if_over();
  }

  void written(bool ok) {
    outbox.end_write();
    if (!ok) return finish(grpc::Status::OK);
    finish_if_due();
    flush();
    read_on(true);
  }

  // The agent has gone, or the stream was finished.
  void gone(bool /*always*/) {
    finish(grpc::Status::CANCELLED);
    {
      const std::lock_guard lock{mutex_};
      gone_ = true;
    }
    leave_if_over();
  }

  void told(bool /*whether it heard*/) {
    {
      const std::lock_guard lock{mutex_};
      told_ = true;
    }
    leave_if_over();
  }

  // gRPC has said everything that it will say.
  void leave_if_over() {
    std::shared_ptr<AgentStream> self;
    {
      const std::lock_guard lock{mutex_};
      if (!gone_ || !told_ || reading_ || done_) return;
      done_ = true;
      hold_.reset();
      self = std::move(self_);
      if (!admitted_) return;
    }
    sessions_.end(*this);
  }

  Status handle() {
    switch (incoming_.message_case()) {
      case v1::FromAgent::kHello:
        return handle(incoming_.hello());
      case v1::FromAgent::kAsk:
        return handle(incoming_.ask(), [this] { return ask(); });
      case v1::FromAgent::kForget:
        return handle(incoming_.forget(), [this] {
          sessions_.forget(*this, keys_);
          return Status{};
        });
      case v1::FromAgent::kApplied:
        if (!admitted_) return before_hello();
        sessions_.applied(*this, incoming_.applied().revision());
        return {};
      case v1::FromAgent::kRequest:
        return handle(incoming_.request());
      case v1::FromAgent::kGroups:
        return handle(incoming_.groups());
      default:
        return admitted_ ? Status{} : before_hello();
    }
  }

  Status handle(const v1::Hello& message) {
    if (greeted_) return Error{ErrorCode::kInvalid, "hello was said twice"};
    greeted_ = true;
    auto hello = parse_hello(message);
    if (!hello) return hello.error();
    pause();
    registry_.hello(shared_from_this(), *std::move(hello), [this](const Result<HostId>& admitted) {
      if (!admitted) return close(admitted.error());
      on_admitted();
    });
    return {};
  }

  // The stream may have ended meanwhile.
  void on_admitted() {
    {
      const std::lock_guard lock{mutex_};
      admitted_ = true;
      paused_ = false;
    }
    read_on(true);
    const std::unique_lock lock{mutex_};
    if (done_) sessions_.end(*this);
  }

  template <class Then>
  Status handle(const v1::Keys& message, Then then) {
    if (!admitted_) return before_hello();
    keys_.clear();
    if (auto status = api::parse_keys(message, keys_); !status) return status;
    return then();
  }

  Status ask() {
    std::optional<IpAddress> asker;
    if (keys_.size() == 1 && std::holds_alternative<IpKey>(keys_.front())) {
      const auto& bytes = incoming_.ask().sets(0).asker();
      asker = api::parse_ip(bytes);
      if (!asker && !bytes.empty())
        return Error{ErrorCode::kInvalid, "the asker's IP is neither 4 nor 16 bytes long"};
    }
    sessions_.ask(*this, keys_, asker);
    return {};
  }

  Status handle(const v1::Groups& message) {
    if (!admitted_) return before_hello();
    const auto word = parse_groups(message);
    if (!word) return word.error();
    sessions_.listen(*this, *word);
    return {};
  }

  Status handle(v1::Request request) {
    if (!admitted_) return before_hello();
    if (auto status = check_form(request); !status) return status;
    {
      const std::lock_guard lock{mutex_};
      ++requests_;
    }
    registry_.request(shared_from_this(), std::move(request), [this] {
      {
        const std::lock_guard lock{mutex_};
        --requests_;
      }
      read_on(true);
    });
    return {};
  }

  static Status before_hello() {
    return Error{ErrorCode::kInvalid, "expected hello as the first message"};
  }

  // --- reading. `reading_`: a read is outstanding, or its message is being handled.
  void pause() {
    const std::lock_guard lock{mutex_};
    paused_ = true;
  }

  // `if_idle`: called by someone else than the one who has handled the last message.
  void read_on(bool if_idle) {
    {
      const std::lock_guard lock{mutex_};
      if (if_idle && reading_) return;
      reading_ = !finished_ && !paused_ && requests_ < kRequests && !outbox.is_full();
      if (!reading_) return;
      ++starting_reads_;
    }
    stream_.Read(&incoming_, on_read_.tag());
    {
      const std::lock_guard lock{mutex_};
      --starting_reads_;
    }
    finish_if_due();
  }

  // --- ending: once, and not between the decision to start an operation and its start
  void finish(const grpc::Status& status) {
    {
      const std::lock_guard lock{mutex_};
      if (!finished_) finished_ = status;
    }
    finish_if_due();  // it may have been put off until now
  }

  bool is_finishing() {
    const std::lock_guard lock{mutex_};
    return finishing_;
  }

  void finish_if_due() {
    {
      const std::lock_guard lock{mutex_};
      if (!finished_ || finishing_ || starting_reads_ != 0 || !outbox.close()) return;
      finishing_ = true;
    }
    stream_.Finish(*finished_, on_told_.tag());
  }

  const Home& home_;
  Registry& registry_;
  Sessions& sessions_;
  grpc::ServerContext context_;
  grpc::ServerAsyncReaderWriter<v1::FromController, v1::FromAgent> stream_{&context_};
  std::shared_ptr<AgentStream> self_;  // until gRPC is done
  api::CompletionThread::Hold hold_;   // likewise

  // Used by the one who handles the message, and there is one at a time.
  v1::FromAgent incoming_;
  std::vector<Key> keys_;
  bool greeted_ = false;
  std::atomic<bool> admitted_ = false;

  std::mutex mutex_;  // everything below
  bool reading_ = true;
  bool paused_ = false;
  int requests_ = 0;
  int starting_reads_ = 0;
  bool finishing_ = false;
  bool gone_ = false;
  bool told_ = false;
  bool done_ = false;
  std::optional<grpc::Status> finished_;

  api::OperationOf<AgentStream, &AgentStream::begun> on_begun_{*this};
  api::OperationOf<AgentStream, &AgentStream::read> on_read_{*this};
  api::OperationOf<AgentStream, &AgentStream::written> on_written_{*this};
  api::OperationOf<AgentStream, &AgentStream::gone> on_gone_{*this};
  api::OperationOf<AgentStream, &AgentStream::told> on_told_{*this};
};

}  // namespace

AgentService::AgentService(grpc::ServerBuilder& builder, Registry& registry, Sessions& sessions,
                           const Outbox::Limits& limits)
    : registry_{registry}, sessions_{sessions}, limits_{limits} {
  builder.RegisterService(&service_);
  for (unsigned i = 0; i < thread_count(); ++i) queues_.push_back(builder.AddCompletionQueue());
}

AgentService::~AgentService() = default;

bool AgentService::stop(std::chrono::milliseconds patience) {
  return std::all_of(threads_.begin(), threads_.end(),
                     [&](const auto& thread) { return thread->stop(patience); });
}

void AgentService::start() {
  for (auto& queue : queues_) {
    auto& thread =
        *threads_.emplace_back(std::make_unique<api::CompletionThread>(std::move(queue)));
    homes_.push_back(std::make_unique<Home>(Home{service_, thread, registry_, sessions_, limits_}));
    AgentStream::wait(*homes_.back());
  }
  queues_.clear();
}

}  // namespace dove::controller
