// A store in an etcd cluster (3.4 or later), for one controller at a time: others wait until it
// ends, or until it has been silent for kLease, and then go on with what it has committed.
//
// Keys, all under "dove/" (values: etcd_layout.proto):
//   store                 schema and store id
//   active                who has the store; goes with that controller's lease
//   commit                the last commit: every commit rewrites it
//   record/KEY            a record: the revision of its commit (8 bytes, big-endian), and its value
//   opening/N             one time that a controller opened the store (N: 20 digits)
//   chunk/N               a part of a commit too large for one transaction of etcd's (N: 8 digits)
//
// Each change is made on the condition that "active" is this controller's and that "commit" is what
// it saw last, and opening the store is a commit too: whoever has lost the store, and a request
// that comes late, change nothing. A commit is confirmed when a majority of the members has it on
// disk. Revisions are the store's own count.
//
// When nobody answers for Setup::patience, it is not known whether the commit was made: it ends
// with kUnavailable, and so does every one after it, at once, until the cluster has answered; then
// settle() says what became of it. A lost member is not noticed, a lost majority so.
//
// It compacts the cluster's history now and then, which nothing of ours needs: one that holds
// nothing but DOVE's store needs no care but a defragmentation after much has been deleted.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/address.h"
#include "controller/store/store.h"

namespace dove::controller {

class EtcdStore final : public Store {
 public:
  // etcd grants no less than 2 s with its default timing; when its leader is lost, up to 2 s pass
  // in which no lease is kept.
  static constexpr std::chrono::seconds kLease{4};
  static constexpr std::chrono::milliseconds kPatience{5000};

  struct Setup {
    std::vector<api::Address> members;  // at least one
    bool insecure = false;
    std::string holder;  // what others are told of who has the store: host and process
    // kUnavailable: the cluster cannot be reached, kConflict: another controller has the store.
    // Waits a little and returns true, or false to give up.
    std::function<bool(const Error& why)> wait;
    // Once, from the store's thread or commit(): another controller has the store now, or somebody
    // has changed it. All that is known of it may be wrong, and no commit succeeds any more.
    std::function<void(const Error& why)> lost;
    // From the store's thread: no member has answered for kLease; or one answers again.
    std::function<void(const Status& status)> reached = [](const Status&) {};
    std::chrono::milliseconds patience = kPatience;
  };

  // Null: Setup::wait gave up. Refused: another schema, damage.
  static Result<std::unique_ptr<EtcdStore>> open(Setup setup);
  // Others have the store at once, if the cluster answers within a second.
  ~EtcdStore() override;

  const std::string& id() const noexcept override;
  const std::vector<Opening>& openings() const noexcept override;
  Result<Snapshot> read_all() override;
  Result<std::uint64_t> commit(const Transaction& transaction) override;
  bool takes_commits() const noexcept override;
  Result<std::optional<std::uint64_t>> settle() override;

 private:
  class Cluster;
  explicit EtcdStore(std::unique_ptr<Cluster> cluster);
  std::unique_ptr<Cluster> cluster_;
};

}  // namespace dove::controller
