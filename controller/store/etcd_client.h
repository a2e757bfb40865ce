// Requests to an etcd cluster, by its API version 3, without a state of their own.
//
// Each goes to the member that answered last; when it does not answer, to the next, and so on until
// the deadline. So whatever changes something may be done although an earlier try got no answer:
// callers ask only for what may be asked twice. Thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "api/address.h"
#include "controller/etcd.grpc.pb.h"
#include "core/result.h"

namespace dove::controller {

class EtcdClient {
 public:
  using Deadline = std::chrono::steady_clock::time_point;

  // Of one try.
  static constexpr std::chrono::milliseconds kTry{1500};
  // Of one try to keep a lease: it goes on to another member while there is time.
  static constexpr std::chrono::milliseconds kLeaseTry{500};

  // `members`: at least one.
  explicit EtcdClient(std::vector<api::Address> members, bool insecure);
  ~EtcdClient();

  // kUnavailable: nobody answered, or no majority did; the outcome is unknown. Everything else is
  // an answer: the request was refused and has changed nothing; but one of kSystem with ENOSPC, the
  // cluster has no room, may have been carried out by a transaction that took the last of it.
  Result<etcdserverpb::RangeResponse> range(const etcdserverpb::RangeRequest& request,
                                            Deadline deadline);
  Result<etcdserverpb::TxnResponse> txn(const etcdserverpb::TxnRequest& request, Deadline deadline);
  Status compact(std::int64_t revision, Deadline deadline);
  Result<std::int64_t> grant_lease(std::chrono::seconds ttl, Deadline deadline);
  // kNotFound: there is no such lease, or not any more.
  Status keep_lease(std::int64_t id, Deadline deadline);
  Status revoke_lease(std::int64_t id, Deadline deadline);

 private:
  struct Member;
  using Call = std::function<grpc::Status(const Member&, grpc::ClientContext&)>;
  Status call(Deadline deadline, std::chrono::milliseconds each, const Call& call);
  Result<std::shared_ptr<Member>> connected(std::size_t at);
  Status check_cluster(std::uint64_t id);
  void disconnect(std::size_t at, const std::shared_ptr<Member>& failed);

  const std::vector<api::Address> addresses_;
  const bool insecure_;
  std::mutex mutex_;                              // what follows; not held during a request
  std::vector<std::shared_ptr<Member>> members_;  // null: not connected
  std::size_t current_ = 0;
  std::uint64_t cluster_ = 0;  // 0: nobody has answered yet
};

}  // namespace dove::controller
