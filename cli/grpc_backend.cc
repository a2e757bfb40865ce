#include <fmt/format.h>
#include <grpc/support/log.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel_posix.h>
#include <grpcpp/support/channel_arguments.h>
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <optional>
#include <utility>

#include "api/status.h"
#include "cli/backend.h"
#include "cli/dial.h"
#include "dove/v1/local.grpc.pb.h"
#include "dove/v1/management.grpc.pb.h"

namespace dove::cli {
namespace {

constexpr std::chrono::seconds kConnectTimeout{5};
constexpr std::chrono::milliseconds kGreetingTimeout{2000};  // where there is another to try
constexpr std::chrono::seconds kAnswerTimeout{30};
constexpr int kLongestMessage = 64 << 20;

// What a call is for: one that was to change something may have done so though no answer came.
enum class Purpose : std::uint8_t { kShow, kChange };
constexpr std::string_view kUnknownOutcome =
    "; the outcome is unknown: the command may have been carried out, and may be given again";

// The connection to one kind of daemon, at the first of its addresses that answers.
class Line {
 public:
  Line(std::string_view daemon, Result<std::vector<api::Address>> addresses)
      : daemon_{daemon}, addresses_{std::move(addresses)} {}

  // Connects, unless it is connected. The channel stays this object's.
  Status open() {
    if (channel_ && !is_hung_up()) return {};
    channel_.reset();
    if (!addresses_) return addresses_.error();
    std::string failures;
    std::optional<std::pair<int, std::string>> silent;
    for (const auto& address : *addresses_) {
      const auto fd = dial(address, kConnectTimeout);
      if (fd && (addresses_->size() == 1 || greets(*fd))) {
        if (silent) ::close(silent->first);
        return use(*fd, address.to_string());
      }
      if (fd && silent) ::close(*fd);
      if (fd && !silent) silent.emplace(*fd, address.to_string());
      failures += fmt::format("{}{}: {}", failures.empty() ? "" : "; ", address.to_string(),
                              fd ? "silent" : fd.error().message);
    }
    if (silent) return use(silent->first, silent->second);  // it may be slow
    return Error{ErrorCode::kUnavailable, fmt::format("cannot reach {} at {}", daemon_, failures)};
  }

  const std::shared_ptr<grpc::Channel>& channel() const noexcept { return channel_; }

  // What to tell of a call that ended so. A connection that failed is not used again.
  Status verdict(const grpc::Status& status, Purpose purpose) {
    if (status.ok()) return {};
    auto error = api::to_error(status);
    // No daemon says this; gRPC does, of a connection that broke.
    if (status.error_code() == grpc::StatusCode::UNKNOWN) error.code = ErrorCode::kUnavailable;
    const bool lost = error.code == ErrorCode::kUnavailable && !api::is_answer(status);
    if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED)
      error.message = fmt::format("{} at {} does not know this request", daemon_, where_);
    else if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED)
      error.message = fmt::format("no answer from {} at {} within {} s", daemon_, where_,
                                  kAnswerTimeout.count());
    else if (error.code == ErrorCode::kUnavailable || error.message.empty())
      error.message = fmt::format("{} at {}: {}", daemon_, where_,
                                  error.message.empty() ? "no reason given" : error.message);
    if (lost && purpose == Purpose::kChange) error.message += kUnknownOutcome;
    if (error.code == ErrorCode::kUnavailable) channel_.reset();
    return error;
  }

  Error silence() const {
    return {ErrorCode::kUnavailable, fmt::format("{} at {} has ended the stream", daemon_, where_)};
  }

 private:
  // A server says its settings first (RFC 9113, 3.4). The kernel connects for a process that is
  // stopped, too.
  static bool greets(int fd) {
    pollfd polled{.fd = fd, .events = POLLIN, .revents = 0};
    return ::poll(&polled, 1, static_cast<int>(kGreetingTimeout.count())) > 0;
  }

  Status use(int fd, std::string where) {
    channel_ = channel_on(fd);
    fd_ = fd;
    where_ = std::move(where);
    return {};
  }

  // A daemon closes what has been idle for long.
  bool is_hung_up() const {
    pollfd socket{.fd = fd_, .events = POLLRDHUP, .revents = 0};
    return ::poll(&socket, 1, 0) == 1;
  }
  static std::shared_ptr<grpc::Channel> channel_on(int fd) {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(kLongestMessage);
    return grpc::CreateCustomInsecureChannelFromFd("dove", fd, arguments);
  }

  std::string_view daemon_;
  Result<std::vector<api::Address>> addresses_;
  std::string where_;  // the address of channel_
  std::shared_ptr<grpc::Channel> channel_;
  int fd_ = -1;  // its own
};

void bound(grpc::ClientContext& context, std::chrono::milliseconds extra = {}) {
  context.set_deadline(std::chrono::system_clock::now() + kAnswerTimeout + extra);
}

// How long the answer may be put off by what the request asks for.
template <class Request>
std::chrono::milliseconds wait_of(const Request& request) {
  if constexpr (requires { request.wait_ms(); })
    return std::chrono::milliseconds{request.wait_ms()};
  else
    return {};
}

// One question, one answer.
template <class Reply, class Stub, class Request>
Result<Reply> ask(Line& line, Purpose purpose,
                  grpc::Status (Stub::*call)(grpc::ClientContext*, const Request&, Reply*),
                  const Request& request) {
  if (const auto opened = line.open(); !opened) return opened.error();
  grpc::ClientContext context;
  bound(context, wait_of(request));
  Reply reply;
  Stub stub{line.channel()};
  const auto status = line.verdict((stub.*call)(&context, request, &reply), purpose);
  if (!status) return status.error();
  return reply;
}

// One question, a stream of answers. `each` says with an error that it wants no more.
template <class Reply, class Stub, class Request, class Each>
Status read(Line& line,
            std::unique_ptr<grpc::ClientReader<Reply>> (Stub::*call)(grpc::ClientContext*,
                                                                     const Request&),
            const Request& request, bool endless, const Each& each) {
  if (const auto opened = line.open(); !opened) return opened;
  grpc::ClientContext context;
  if (!endless) bound(context);
  Stub stub{line.channel()};
  const auto reader = (stub.*call)(&context, request);
  Status wanted;
  for (Reply reply; wanted && reader->Read(&reply);) wanted = each(reply);
  if (!wanted) context.TryCancel();
  const auto status = line.verdict(reader->Finish(), Purpose::kShow);
  return wanted ? status : wanted;
}

class GrpcBackend final : public Backend {
 public:
  explicit GrpcBackend(Peers peers)
      : controller_{"dove-controller", std::move(peers.controllers)},
        doved_{"doved", std::vector{std::move(peers.doved)}} {}

  Result<v1::ChangeReply> change(const v1::ChangeRequest& request) override {
    return ask(controller_, Purpose::kChange, &v1::Management::Stub::Change, request);
  }
  Status show(const v1::ShowRequest& request, const Sink<v1::Object>& sink) override {
    return read(controller_, &v1::Management::Stub::Show, request, false,
                [&](const v1::ShowReply& reply) { return pass(reply.objects(), sink); });
  }

  Result<v1::SettleReply> settle(const v1::SettleRequest& request) override {
    return ask(controller_, Purpose::kShow, &v1::Management::Stub::Settle, request);
  }

  Result<v1::Port> port_add(const v1::PortAddRequest& request) override {
    return ask(doved_, Purpose::kChange, &v1::Local::Stub::PortAdd, request);
  }
  Status port_del(const v1::PortDelRequest& request) override {
    const auto reply = ask(doved_, Purpose::kChange, &v1::Local::Stub::PortDel, request);
    return reply ? Status{} : reply.error();
  }
  Status port_show(const v1::PortShowRequest& request, const Sink<v1::Port>& sink) override {
    return read(doved_, &v1::Local::Stub::PortShow, request, false,
                [&](const v1::PortShowReply& reply) { return pass(reply.ports(), sink); });
  }
  Result<v1::JoinReply> join(const v1::NetworkName& request) override {
    return ask(doved_, Purpose::kChange, &v1::Local::Stub::Join, request);
  }
  Result<v1::JoinReply> leave(const v1::NetworkName& request) override {
    return ask(doved_, Purpose::kChange, &v1::Local::Stub::Leave, request);
  }
  Status fdb_show(const v1::TableRequest& request, const Sink<v1::FdbEntry>& sink) override {
    return read(doved_, &v1::Local::Stub::FdbShow, request, false,
                [&](const v1::FdbReply& reply) { return pass(reply.entries(), sink); });
  }
  Status neighbour_show(const v1::TableRequest& request, const Sink<v1::Neighbour>& sink) override {
    return read(doved_, &v1::Local::Stub::NeighbourShow, request, false,
                [&](const v1::NeighbourReply& reply) { return pass(reply.entries(), sink); });
  }
  Result<v1::StatusReply> status() override {
    return ask(doved_, Purpose::kShow, &v1::Local::Stub::Status, v1::StatusRequest{});
  }
  Result<v1::CountersReply> counters() override {
    return ask(doved_, Purpose::kShow, &v1::Local::Stub::Counters, v1::CountersRequest{});
  }
  Result<v1::CheckReply> check(const v1::CheckRequest& request) override {
    return ask(doved_, Purpose::kShow, &v1::Local::Stub::Check, request);
  }
  Result<v1::AwaitReply> await(const v1::AwaitRequest& request) override {
    return ask(doved_, Purpose::kShow, &v1::Local::Stub::Await, request);
  }
  Status monitor(const std::function<Status(const v1::Event&)>& sink) override {
    const auto ended = read(doved_, &v1::Local::Stub::Monitor, v1::MonitorRequest{}, true, sink);
    return ended ? doved_.silence() : ended;
  }

 private:
  template <class List, class T>
  static Status pass(const List& list, const Sink<T>& sink) {
    for (const auto& item : list) sink(item);
    return {};
  }

  Line controller_;
  Line doved_;
};

}  // namespace

std::unique_ptr<Backend> make_backend(Peers peers) {
  // stderr carries one line of ours, not gRPC's and protobuf's.
  gpr_set_log_function([](gpr_log_func_args*) {});
  google::protobuf::SetLogHandler(nullptr);
  return std::make_unique<GrpcBackend>(std::move(peers));
}

}  // namespace dove::cli
