#include "controller/agent_service.h"

#include <fmt/format.h>

#include <atomic>
#include <optional>

#include "api/status.h"
#include "core/name.h"

namespace dove::controller {
namespace {

// Requests of one agent that wait for their reply; beyond, it is heard no further until one is
// done.
constexpr int kRequests = 256;

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

// Reads one message at a time, and pauses while too much of what it caused still waits. Ends when
// the stream breaks, when what comes is malformed, or when close() is called; lives until gRPC is
// done with it (self_), and longer while others hold it.
class AgentStream final : public grpc::ServerBidiReactor<v1::FromAgent, v1::FromController>,
                          public Peer,
                          public std::enable_shared_from_this<AgentStream> {
 public:
  AgentStream(Registry& registry, Sessions& sessions, const Outbox::Limits& limits)
      : Peer{limits}, registry_{registry}, sessions_{sessions} {}

  void start() {
    self_ = shared_from_this();
    StartRead(&incoming_);
  }

  void flush() override {
    if (const auto* message = outbox.begin_write()) StartWrite(message);
  }

  void close(const Error& reason) override { finish(api::to_status(reason)); }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return finish(grpc::Status::OK);
    const auto status = handle();
    if (!status) return finish(api::to_status(status.error()));
    read_on(false);
  }

  void OnWriteDone(bool ok) override {
    outbox.end_write();
    if (!ok) return finish(grpc::Status::OK);
    finish_if_due();
    flush();
    read_on(true);
  }

  void OnCancel() override { finish(grpc::Status::CANCELLED); }

  void OnDone() override {
    const auto self = std::move(self_);
    {
      const std::lock_guard lock{mutex_};
      done_ = true;
      if (!admitted_) return;
    }
    sessions_.end(*this);
  }

  Status handle() {
    switch (incoming_.message_case()) {
      case v1::FromAgent::kHello:
        return handle(incoming_.hello());
      case v1::FromAgent::kAsk:
        return handle(incoming_.ask(), [this] { sessions_.ask(*this, keys_); });
      case v1::FromAgent::kForget:
        return handle(incoming_.forget(), [this] { sessions_.forget(*this, keys_); });
      case v1::FromAgent::kRequest:
        return handle(incoming_.request());
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
    then();
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
    StartRead(&incoming_);
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
      if (finished_) return;
      finished_ = status;
    }
    finish_if_due();
  }

  void finish_if_due() {
    {
      const std::lock_guard lock{mutex_};
      if (!finished_ || finishing_ || starting_reads_ != 0 || !outbox.close()) return;
      finishing_ = true;
    }
    Finish(*finished_);
  }

  Registry& registry_;
  Sessions& sessions_;
  std::shared_ptr<AgentStream> self_;  // until OnDone

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
  bool done_ = false;
  std::optional<grpc::Status> finished_;
};

}  // namespace

grpc::ServerBidiReactor<v1::FromAgent, v1::FromController>* AgentService::Session(
    grpc::CallbackServerContext*) {
  const auto stream = std::make_shared<AgentStream>(registry_, sessions_, limits_);
  stream->start();
  return stream.get();
}

}  // namespace dove::controller
