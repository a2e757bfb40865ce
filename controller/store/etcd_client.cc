#include "controller/store/etcd_client.h"

#include <fmt/format.h>
#include <grpcpp/client_context.h>

#include <cerrno>
#include <thread>

#include "api/status.h"
#include "api/transport.h"

namespace dove::controller {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kBetweenRounds{50};
constexpr const char* kRequireLeader =
    "hasleader";  // metadata of etcd's: no answer from a minority

// Its quota: an alarm that an operator takes off.
bool is_full(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED &&
         status.error_message().find("space") != std::string::npos;
}

// Whether the cluster has considered the request and refused it. All else (no connection, no
// leader, no answer in time, a member that is no etcd or has too much to do) leaves open what
// becomes of it, there or at another member.
bool is_refusal(const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::NOT_FOUND:
    case grpc::StatusCode::OUT_OF_RANGE:
      return true;
    default:
      return is_full(status);
  }
}

Error refusal(const std::string& where, const grpc::Status& status) {
  const auto text = fmt::format("store etcd:{}: {}", where, status.error_message());
  switch (status.error_code()) {
    case grpc::StatusCode::NOT_FOUND:
      return {ErrorCode::kNotFound, text};
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return {ErrorCode::kSystem, text, ENOSPC};
    default:
      return {ErrorCode::kSystem, text, EPROTO};
  }
}

std::string reason(const grpc::Status& status) {
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) return "no answer";
  if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED) return "it is no etcd";
  const auto message = api::to_error(status).message;
  return message.empty() ? "no reason given" : message;
}

}  // namespace

struct EtcdClient::Member {
  explicit Member(const std::shared_ptr<grpc::Channel>& channel)
      : kv{etcdserverpb::KV::NewStub(channel)}, lease{etcdserverpb::Lease::NewStub(channel)} {}
  const std::unique_ptr<etcdserverpb::KV::Stub> kv;
  const std::unique_ptr<etcdserverpb::Lease::Stub> lease;
};

EtcdClient::EtcdClient(std::vector<api::Address> members, bool insecure)
    : addresses_{std::move(members)}, insecure_{insecure}, members_(addresses_.size()) {}

EtcdClient::~EtcdClient() = default;

Result<std::shared_ptr<EtcdClient::Member>> EtcdClient::connected(std::size_t at) {
  const std::lock_guard lock{mutex_};
  auto& member = members_[at];
  if (!member) {
    const auto channel = api::make_channel(addresses_[at], insecure_, api::Messages::kOfAnyLength);
    if (!channel) return channel.error();
    member = std::make_shared<Member>(*channel);
  }
  return member;
}

// A new channel tries at once, an old one when it thinks that it is time again.
void EtcdClient::disconnect(std::size_t at, const std::shared_ptr<Member>& failed) {
  const std::lock_guard lock{mutex_};
  if (members_[at] == failed) members_[at].reset();
  if (current_ == at) current_ = (at + 1) % addresses_.size();
}

Status EtcdClient::call(Deadline deadline, std::chrono::milliseconds each, const Call& call) {
  std::string failures;
  for (std::size_t tries = 1;; ++tries) {
    std::size_t at = 0;
    {
      const std::lock_guard lock{mutex_};
      at = current_;
    }
    const auto member = connected(at);
    if (!member) return member.error();
    const auto where = addresses_[at].to_string();
    const auto left =
        std::max(std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()),
                 std::chrono::milliseconds{1});
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::min(each, left));
    context.AddMetadata(kRequireLeader, "true");
    const auto status = call(**member, context);
    if (status.ok()) return {};
    if (is_refusal(status)) {
      auto error = refusal(where, status);
      if (tries > 1) error.code = ErrorCode::kUnavailable;  // an earlier try may yet succeed
      return error;
    }
    disconnect(at, *member);
    if (tries <= addresses_.size())
      failures += fmt::format("{}{}: {}", failures.empty() ? "" : "; ", where, reason(status));
    if (Clock::now() + kBetweenRounds >= deadline)
      return Error{ErrorCode::kUnavailable, fmt::format("store etcd: {}", failures)};
    if (tries % addresses_.size() == 0) std::this_thread::sleep_for(kBetweenRounds);
  }
}

Result<etcdserverpb::RangeResponse> EtcdClient::range(const etcdserverpb::RangeRequest& request,
                                                      Deadline deadline) {
  etcdserverpb::RangeResponse response;
  const auto status = call(deadline, kTry, [&](const Member& member, grpc::ClientContext& context) {
    return member.kv->Range(&context, request, &response);
  });
  if (!status) return status.error();
  if (auto same = check_cluster(response.header().cluster_id()); !same) return same.error();
  return response;
}

Result<etcdserverpb::TxnResponse> EtcdClient::txn(const etcdserverpb::TxnRequest& request,
                                                  Deadline deadline) {
  etcdserverpb::TxnResponse response;
  const auto status = call(deadline, kTry, [&](const Member& member, grpc::ClientContext& context) {
    return member.kv->Txn(&context, request, &response);
  });
  if (!status) return status.error();
  if (auto same = check_cluster(response.header().cluster_id()); !same) return same.error();
  return response;
}

Status EtcdClient::check_cluster(std::uint64_t id) {
  const std::lock_guard lock{mutex_};
  if (cluster_ == 0) cluster_ = id;
  if (cluster_ == id) return {};
  return Error{ErrorCode::kSystem, "store etcd: the members are of different clusters", EPROTO};
}

Status EtcdClient::compact(std::int64_t revision, Deadline deadline) {
  etcdserverpb::CompactionRequest request;
  request.set_revision(revision);
  etcdserverpb::CompactionResponse response;
  return call(deadline, kTry, [&](const Member& member, grpc::ClientContext& context) {
    return member.kv->Compact(&context, request, &response);
  });
}

Result<std::int64_t> EtcdClient::grant_lease(std::chrono::seconds ttl, Deadline deadline) {
  etcdserverpb::LeaseGrantRequest request;
  request.set_ttl(ttl.count());
  etcdserverpb::LeaseGrantResponse response;
  const auto status = call(deadline, kTry, [&](const Member& member, grpc::ClientContext& context) {
    return member.lease->LeaseGrant(&context, request, &response);
  });
  if (!status) return status.error();
  return response.id();
}

Status EtcdClient::keep_lease(std::int64_t id, Deadline deadline) {
  etcdserverpb::LeaseKeepAliveRequest request;
  request.set_id(id);
  etcdserverpb::LeaseKeepAliveResponse response;
  const auto status =
      call(deadline, kLeaseTry, [&](const Member& member, grpc::ClientContext& context) {
        const auto stream = member.lease->LeaseKeepAlive(&context);
        const bool answered = stream->Write(request) && stream->Read(&response);
        stream->WritesDone();
        if (answered) context.TryCancel();  // one answer is all that is wanted
        const auto end = stream->Finish();
        return answered ? grpc::Status::OK : end;
      });
  if (!status) return status;
  if (response.ttl() > 0) return {};
  return Error{ErrorCode::kNotFound, "store etcd: the lease has ended"};
}

Status EtcdClient::revoke_lease(std::int64_t id, Deadline deadline) {
  etcdserverpb::LeaseRevokeRequest request;
  request.set_id(id);
  etcdserverpb::LeaseRevokeResponse response;
  return call(deadline, kTry, [&](const Member& member, grpc::ClientContext& context) {
    return member.lease->LeaseRevoke(&context, request, &response);
  });
}

}  // namespace dove::controller
