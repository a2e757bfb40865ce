#include "controller/agent_service.h"

#include <grpcpp/alarm.h>
#include <grpcpp/support/async_stream.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>

#include "api/status.h"
#include "controller/conversation.h"

namespace dove::controller {

// What the streams of one queue share.
struct AgentService::Home {
  v1::AgentSession::AsyncService& service;
  api::CompletionThread& thread;
  Registry& registry;
  Sessions& sessions;
  const Outbox::Limits limits;
  const OperatorLog log;
};

namespace {

// Requests of one agent that wait for their reply; beyond, it is heard no further until one is
// done.
constexpr int kRequests = 256;

constexpr unsigned kThreads = 4;

// Who connects says hello within this time.
constexpr int kHelloSeconds = 10;

// How many threads answer. More than the cores have no use, and each is woken by its own streams
// alone.
unsigned thread_count() {
  return std::clamp(std::thread::hardware_concurrency() / 2, 1U, kThreads);
}

// Waits for an agent; when one has come the next stream waits. Reads one message at a time, and
// pauses while too much of what it caused still waits. Ends when the stream breaks, when what comes
// is malformed, or when close() is called; lives until gRPC is done with it (self_), and longer
// while others hold it.
class AgentStream final : public Peer,
                          private Conversation,
                          public std::enable_shared_from_this<AgentStream> {
 public:
  using Home = AgentService::Home;

  explicit AgentStream(const Home& home)
      : Peer{home.limits},
        Conversation{static_cast<Peer&>(*this), home.sessions},
        home_{home},
        registry_{home.registry},
        sessions_{home.sessions} {}

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
      reading_ = timed_ = false;
      return;
    }
    wait(home_);
    hello_deadline_.Set(&home_.thread.queue(),
                        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                     gpr_time_from_seconds(kHelloSeconds, GPR_TIMESPAN)),
                        on_late_.tag());
    stream_.Read(&incoming_, on_read_.tag());
  }

  void read(bool ok) {
    if (ok) note_heard();
    const auto status = ok ? hear(incoming_) : Status{};
    if (ok && status) return read_on(false);
    finish(status ? grpc::Status::OK : api::to_status(status.error()));
    {
      const std::lock_guard lock{mutex_};
      reading_ = false;
    }
    leave_if_over();
  }

  // An agent that is heard no further because so much waits for it shows by this that it is there.
  void written(bool ok) {
    if (ok && outbox.is_full()) note_heard();
    outbox.end_write();
    if (!ok) return finish(grpc::Status::OK);
    finish_if_due();
    flush();
    read_on(true);
  }

  // It is late for a hello; or there need not be one any more.
  void late(bool expired) {
    {
      const std::lock_guard lock{mutex_};
      timed_ = false;
    }
    if (expired && !is_greeted())
      finish(api::to_status({ErrorCode::kUnavailable, "no hello came in time"}));
    leave_if_over();
  }

  // The agent has gone, or the stream was finished.
  void gone(bool /*always*/) {
    finish(grpc::Status::CANCELLED);
    hello_deadline_.Cancel();
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
      if (!gone_ || !told_ || reading_ || timed_ || done_) return;
      done_ = true;
      hold_.reset();
      self = std::move(self_);
      if (!is_admitted()) return;
    }
    end();
  }

  void on_hello(Hello hello) override {
    hello_deadline_.Cancel();
    hello_ = hello;
    pause();
    registry_.hello(shared_from_this(), std::move(hello), [this](const Result<HostId>& admitted) {
      if (!admitted) return close(admitted.error());
      on_admitted();
    });
  }

  // The stream may have ended meanwhile.
  void on_admitted() {
    {
      const std::lock_guard lock{mutex_};
      admit();
      paused_ = false;
    }
    read_on(true);
    {
      const std::lock_guard lock{mutex_};
      if (!done_) return;
    }
    end();
  }

  // The session is over. No lock is held, and nothing of gRPC is under way.
  void end() {
    sessions_.end(*this);
    const auto& why = finished_->error_message();
    home_.log.disconnected(*hello_, why.empty() ? "the connection has ended" : why);
  }

  void on_request(v1::Request request) override {
    ++unanswered;
    registry_.request(shared_from_this(), std::move(request), [this] {
      --unanswered;
      read_on(true);
    });
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
      reading_ = !finished_ && !paused_ && unanswered < kRequests && !outbox.is_full();
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
  grpc::Alarm hello_deadline_;
  std::optional<Hello> hello_;

  std::mutex mutex_;  // everything below
  bool reading_ = true;
  bool timed_ = true;
  bool paused_ = false;
  int starting_reads_ = 0;
  bool finishing_ = false;
  bool gone_ = false;
  bool told_ = false;
  bool done_ = false;
  std::optional<grpc::Status> finished_;

  api::OperationOf<AgentStream, &AgentStream::begun> on_begun_{*this};
  api::OperationOf<AgentStream, &AgentStream::read> on_read_{*this};
  api::OperationOf<AgentStream, &AgentStream::written> on_written_{*this};
  api::OperationOf<AgentStream, &AgentStream::late> on_late_{*this};
  api::OperationOf<AgentStream, &AgentStream::gone> on_gone_{*this};
  api::OperationOf<AgentStream, &AgentStream::told> on_told_{*this};
};

}  // namespace

AgentService::AgentService(grpc::ServerBuilder& builder, Registry& registry, Sessions& sessions,
                           const Outbox::Limits& limits, OperatorLog log)
    : registry_{registry}, sessions_{sessions}, limits_{limits}, log_{log} {
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
    homes_.push_back(
        std::make_unique<Home>(Home{service_, thread, registry_, sessions_, limits_, log_}));
    AgentStream::wait(*homes_.back());
  }
  queues_.clear();
}

}  // namespace dove::controller
