// Requests to an etcd cluster, by its API version 3, without a state of their own.
//
// Each goes to the member that answered last; when it does not answer, to the next, and so on until
// `patience` is over. So whatever changes something may be done although an earlier try got no
// answer: callers ask only for what may be asked twice. Thread-safe.
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

namespace etcd = ::etcdserverpb;

class EtcdClient {
 public:
  using Milliseconds = std::chrono::milliseconds;

  // Of one try.
  static constexpr Milliseconds kTry{1500};

  // `members`: at least one.
  explicit EtcdClient(std::vector<api::Address> members, bool insecure);
  ~EtcdClient();

  // kUnavailable: nobody answered, or no majority did; the outcome is unknown. Everything else is
  // an answer: the request was refused and has changed nothing. kSystem with ENOSPC: the cluster
  // has no room.
  Result<etcd::RangeResponse> range(const etcd::RangeRequest& request, Milliseconds patience);
  Result<etcd::TxnResponse> txn(const etcd::TxnRequest& request, Milliseconds patience);
  Status compact(std::int64_t revision, Milliseconds patience);
  Result<std::int64_t> grant_lease(std::chrono::seconds ttl, Milliseconds patience);
  // kNotFound: there is no such lease, or not any more.
  Status keep_lease(std::int64_t id, Milliseconds patience);
  Status revoke_lease(std::int64_t id, Milliseconds patience);

 private:
  struct Member;
  using Call = std::function<grpc::Status(const Member&, grpc::ClientContext&)>;
  Status call(Milliseconds patience, const Call& call);
  Result<std::shared_ptr<Member>> connected(std::size_t at);
  void disconnect(std::size_t at, const std::shared_ptr<Member>& failed);

  const std::vector<api::Address> addresses_;
  const bool insecure_;
  std::mutex mutex_;                              // what follows; not held during a request
  std::vector<std::shared_ptr<Member>> members_;  // null: not connected
  std::size_t current_ = 0;
};

}  // namespace dove::controller
