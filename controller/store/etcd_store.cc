#include "controller/store/etcd_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>

#include "controller/store/etcd_client.h"
#include "controller/store/etcd_layout.h"
#include "controller/store/random_id.h"

namespace dove::controller {
namespace {

using namespace etcd_layout;
using std::chrono_literals::operator""ms;
using Clock = std::chrono::steady_clock;
using Deadline = EtcdClient::Deadline;

constexpr std::uint64_t kOpeningsKept = 256;
// Records of one answer, each of at most 1.5 MiB.
constexpr std::int64_t kPage = 128;
constexpr auto kShortPatience = 1500ms;  // of what is tried again soon
constexpr auto kLeaseInterval = std::chrono::milliseconds{EtcdStore::kLease} / 5;
constexpr auto kLookInterval = 500ms;
// As dovectl(8) tells of it.
constexpr const char* kUnknownOutcome =
    "; the outcome is unknown: the command may have been carried out, and may be given again";
constexpr std::chrono::minutes kBetweenCompactions{5};

Error damaged(std::string_view key) {
  return {ErrorCode::kSystem, fmt::format("store etcd: what is under \"{}\" is damaged", key)};
}

Error in_use(const rpc::KeyValue& active) {
  const bool for_ever = active.create_revision() != 0 && active.lease() == 0;
  return {ErrorCode::kConflict,
          fmt::format("store etcd: it is in use by another controller ({}){}", active.value(),
                      for_ever ? fmt::format(", which no controller has written: delete the key {}",
                                             kActiveKey)
                               : "")};
}

bool is_full(const Error& error) { return error.os_error == ENOSPC; }

}  // namespace

// The cluster as this controller knows it, and two threads: one keeps the lease, and nothing else
// makes it wait; one finds out what became of a commit that got no answer.
class EtcdStore::Cluster {
 public:
  explicit Cluster(Setup setup)
      : setup_{std::move(setup)}, client_{setup_.members, setup_.insecure} {}
  ~Cluster();

  // False: the waiting was given up.
  Result<bool> open();
  const std::string& id() const noexcept { return id_; }
  const std::vector<Opening>& openings() const noexcept { return openings_; }
  Result<Snapshot> read_all();
  Result<std::uint64_t> commit(const Transaction& transaction);
  bool takes_commits() const noexcept { return reached_ && closed().ok(); }
  Result<std::optional<std::uint64_t>> settle();

 private:
  // Commits are not made yet; they are made; they fail, because it is not known what became of one
  // or because one is not in its records yet; they fail for ever.
  enum class Phase : std::uint8_t { kOpening, kOpen, kUndecided, kLost };

  // A commit that may have been made.
  struct Doubt {
    stored::Commit commit;
    std::vector<Write> writes;
  };
  // What the last commit is found to be.
  enum class Written : std::uint8_t { kOurs, kDoubtful };

  Deadline soon() const { return Clock::now() + kShortPatience; }
  Deadline patient() const { return Clock::now() + setup_.patience; }

  Status try_open();
  Status find_store();
  Status take();
  Status take_free(Deadline deadline);
  Status read_commit();
  Status note_opening();
  Result<Snapshot> read_records();
  Status each_page(const char* prefix, const std::function<Status(const rpc::KeyValue&)>& visit);

  Result<rpc::TxnResponse> send(const rpc::TxnRequest& changes, Deadline deadline);
  Status send_or_lose(const rpc::TxnRequest& changes, Deadline deadline);
  Result<Written> write_commit(rpc::TxnRequest changes, const stored::Commit& commit,
                               Deadline deadline);
  Result<Written> recognise(const rpc::TxnResponse& refused);
  Status look_again(Deadline deadline);
  Error lose(const rpc::TxnResponse& refused);

  Result<stored::Commit> commit_after(const stored::Commit& last, std::uint64_t more) const;
  Status check(const Transaction& transaction) const;
  Status try_commit(const Transaction& transaction, stored::Commit& commit);
  Status write_chunks(const std::vector<Write>& writes, stored::Commit& commit);
  void made(const stored::Commit& commit, const std::vector<Write>& writes);
  Status finish(Deadline deadline);
  Status move_chunk(const std::string& key, Deadline deadline);

  bool is_open() const;
  Status closed() const;
  void enter(Phase phase, const std::string& trouble = {});
  void keep_lease();
  void keep_watch();
  void take_back(std::int64_t ended);
  void decide();
  Status decide_doubt();
  void compact();

  const Setup setup_;
  EtcdClient client_;
  std::string id_;
  std::vector<Opening> openings_;

  std::atomic<std::int64_t> lease_ = 0;  // 0: none
  std::atomic<std::int64_t> ended_ = 0;  // a lease that is no more
  std::atomic<bool> reached_ = true;
  std::atomic<std::int64_t> written_ = 0;  // of "commit", by etcd's revision; 0: there is none

  std::mutex work_;  // held during all requests but the lease's; what follows, and written_
  std::int64_t created_ = 0;  // of "active", likewise; 0: this controller has not had it
  std::string last_bytes_;    // what "commit" says
  stored::Commit last_;
  std::vector<std::string> tried_;  // ids of commits asked for since, of which one may be made
  std::unordered_map<std::string, std::uint64_t> revisions_;  // of the records
  std::optional<Doubt> doubt_;
  std::optional<Snapshot> first_;  // until it is asked for

  mutable std::mutex mutex_;  // never held for long; what follows
  Phase phase_ = Phase::kOpening;
  std::string trouble_;  // of the latter two
  // What settle() has to tell, before commits are made again.
  std::optional<std::optional<std::uint64_t>> verdict_;
  bool stopping_ = false;
  std::condition_variable wake_;

  Clock::time_point next_compaction_;  // the watching thread's own
  std::int64_t compact_to_ = 0;
  std::thread lease_keeper_;  // last
  std::thread watcher_;
};

// --- opening

Result<bool> EtcdStore::Cluster::open() {
  lease_keeper_ = std::thread{[this] { keep_lease(); }};
  while (true) {
    const auto status = try_open();
    if (status) break;
    const auto& error = status.error();
    const bool passes = error.code == ErrorCode::kUnavailable ||
                        error.code == ErrorCode::kConflict || is_full(error);
    if (!passes) return error;
    if (!setup_.wait(error)) return false;
  }
  compact_to_ = written_;
  next_compaction_ = Clock::now() + kBetweenCompactions;
  enter(Phase::kOpen);
  watcher_ = std::thread{[this] { keep_watch(); }};
  return true;
}

EtcdStore::Cluster::~Cluster() {
  {
    const std::lock_guard lock{mutex_};
    stopping_ = true;
    wake_.notify_all();
  }
  if (watcher_.joinable()) watcher_.join();
  if (lease_keeper_.joinable()) lease_keeper_.join();
  if (lease_ != 0) (void)client_.revoke_lease(lease_, Clock::now() + 1000ms);
}

Status EtcdStore::Cluster::try_open() {
  const std::lock_guard lock{work_};
  created_ = 0;
  tried_.clear();
  if (auto status = take(); !status) return status;
  if (auto status = find_store(); !status) return status;
  if (auto status = read_commit(); !status) return status;
  if (auto status = note_opening(); !status) return status;
  auto all = read_records();
  if (!all) return all.error();
  first_ = *std::move(all);
  return {};
}

// Makes the store this controller's. kConflict: another one has it. Who waits only reads.
Status EtcdStore::Cluster::take() {
  const auto found = client_.range(one(kActiveKey), patient());
  if (!found) return found.error();
  if (found->kvs_size() == 0) return take_free(patient());
  const auto& active = found->kvs(0);
  if (lease_ == 0 || active.lease() != lease_) return in_use(active);
  created_ = active.create_revision();
  return {};
}

// With a new lease. A controller that has had it takes it only if nobody else has had it since.
Status EtcdStore::Cluster::take_free(Deadline deadline) {
  const auto lease = client_.grant_lease(kLease, deadline);
  if (!lease) return lease.error();
  lease_ = *lease;
  rpc::TxnRequest request;
  require_created(request, kActiveKey, 0);
  if (created_ != 0) require_written(request, kCommitKey, written_);
  put(request, kActiveKey, setup_.holder, lease_);
  or_else_show(request, kActiveKey);
  const auto response = client_.txn(request, deadline);
  if (!response) {
    auto error = response.error();
    // The new lease has ended already: this process slept.
    if (error.code == ErrorCode::kNotFound) error.code = ErrorCode::kUnavailable;
    return error;
  }
  const auto active = shown(*response, 0);
  if (!response->succeeded() && active.lease() != lease_) return in_use(active);
  created_ = response->succeeded() ? response->header().revision() : active.create_revision();
  return {};
}

// Makes the store where there is none.
Status EtcdStore::Cluster::find_store() {
  const auto found = client_.range(one(kStoreKey), patient());
  if (!found) return found.error();
  stored::Store store;
  if (found->kvs_size() == 0) {
    const auto new_id = random_id();
    if (!new_id) return new_id.error();
    store.set_schema(kSchema);
    store.set_id(*new_id);
    rpc::TxnRequest request;
    require_created(request, kActiveKey, created_);
    require_created(request, kStoreKey, 0);
    put(request, kStoreKey, store.SerializeAsString());
    or_else_show(request, kStoreKey);
    const auto response = client_.txn(request, patient());
    if (!response) return response.error();
    const auto there = shown(*response, 0);
    if (!response->succeeded() && there.create_revision() == 0) return in_use({});
    if (!response->succeeded() && !store.ParseFromString(there.value())) return damaged(kStoreKey);
  } else if (!store.ParseFromString(found->kvs(0).value())) {
    return damaged(kStoreKey);
  }
  if (store.schema() != kSchema)
    return Error{ErrorCode::kSystem,
                 fmt::format("store etcd: it has schema {}, this controller knows {}",
                             store.schema(), kSchema)};
  if (store.id().size() != kIdSize) return damaged(kStoreKey);
  id_ = store.id();
  return {};
}

// What the last commit was. One that is not in its records yet is brought there.
Status EtcdStore::Cluster::read_commit() {
  const auto found = client_.range(one(kCommitKey), patient());
  if (!found) return found.error();
  last_.Clear();
  last_bytes_.clear();
  written_ = 0;
  if (found->kvs_size() == 0) return {};
  last_bytes_ = found->kvs(0).value();
  if (!last_.ParseFromString(last_bytes_)) return damaged(kCommitKey);
  written_ = found->kvs(0).mod_revision();
  return finish(patient());
}

// By an empty commit: whatever an earlier controller asked for, and comes late, finds another
// commit than it has seen.
Status EtcdStore::Cluster::note_opening() {
  std::uint64_t number = 0;
  openings_.clear();
  const auto read = each_page(kOpenings, [&](const rpc::KeyValue& kv) -> Status {
    stored::Opening opening;
    if (!opening.ParseFromString(kv.value())) return damaged(kv.key());
    openings_.push_back({opening.id(), opening.revision()});
    number = std::strtoull(kv.key().c_str() + std::string_view{kOpenings}.size(), nullptr, 10);
    return {};
  });
  if (!read) return read;
  const auto new_id = random_id();
  if (!new_id) return new_id.error();
  stored::Opening opening;
  opening.set_id(*new_id);
  opening.set_revision(last_.revision());
  ++number;
  rpc::TxnRequest changes;
  put(changes, number_key(kOpenings, number), opening.SerializeAsString());
  if (number > kOpeningsKept)
    erase_all(changes, kOpenings, number_key(kOpenings, number - kOpeningsKept + 1));
  erase_all(changes, kChunks, end_of(kChunks));  // of commits that were not made
  const auto commit = commit_after(last_, 0);
  if (!commit) return commit.error();
  if (const auto written = write_commit(changes, *commit, patient()); !written)
    return written.error();
  openings_.push_back({opening.id(), opening.revision()});
  if (openings_.size() > kOpeningsKept)
    openings_.erase(openings_.begin(), openings_.end() - std::ptrdiff_t{kOpeningsKept});
  return {};
}

// The pages are of different moments: nobody else writes.
Status EtcdStore::Cluster::each_page(const char* prefix,
                                     const std::function<Status(const rpc::KeyValue&)>& visit) {
  rpc::RangeRequest request;
  request.set_key(prefix);
  request.set_range_end(end_of(prefix));
  request.set_limit(kPage);
  while (true) {
    const auto page = client_.range(request, patient());
    if (!page) return page.error();
    for (const auto& kv : page->kvs()) {
      if (!kv.key().starts_with(prefix) || kv.key() < request.key()) return damaged(kv.key());
      if (auto status = visit(kv); !status) return status;
    }
    if (!page->more() || page->kvs_size() == 0) return {};
    request.set_key(page->kvs(page->kvs_size() - 1).key() + '\0');
  }
}

// The first one is what has been read while it could still be waited for.
Result<Snapshot> EtcdStore::Cluster::read_all() {
  const std::lock_guard lock{work_};
  auto first = std::exchange(first_, {});
  if (first && first->revision == last_.revision()) return *std::move(first);
  if (last_.chunks() != 0) {  // in part not in the records
    if (auto status = finish(patient()); !status) return status.error();
  }
  return read_records();
}

Result<Snapshot> EtcdStore::Cluster::read_records() {
  Snapshot snapshot{last_.revision(), {}};
  revisions_.clear();
  const auto status = each_page(kRecords, [&](const rpc::KeyValue& kv) -> Status {
    auto record = record_of(kv);
    if (!record) return damaged(kv.key());
    revisions_.emplace(record->key, record->revision);
    snapshot.records.push_back(*std::move(record));
    return {};
  });
  if (!status) return status.error();
  return snapshot;
}

// --- requests under the conditions

// On the condition that all is as this controller knows it, but for a lease that ended because the
// cluster was away or this process slept: that is had anew, if nobody has used the time. A response
// that has not succeeded shows "active" and "commit".
Result<rpc::TxnResponse> EtcdStore::Cluster::send(const rpc::TxnRequest& changes,
                                                  Deadline deadline) {
  for (int tries = 1;; ++tries) {
    rpc::TxnRequest request;
    require_created(request, kActiveKey, created_);
    require_written(request, kCommitKey, written_);
    // etcd counts anew when it is restored from a copy.
    if (written_ != 0) require_value(request, kCommitKey, last_bytes_);
    *request.mutable_success() = changes.success();
    or_else_show(request, kActiveKey);
    or_else_show(request, kCommitKey);
    auto response = client_.txn(request, deadline);
    if (!response || response->succeeded() || tries == 3) return response;
    const auto active = shown(*response, 0);
    const auto found = shown(*response, 1);
    if (found.mod_revision() != written_ || found.value() != last_bytes_) return response;
    if (active.lease() == lease_ && active.create_revision() != created_) {
      created_ = active.create_revision();  // had anew, but the answer was lost
    } else if (active.create_revision() == 0) {
      const auto taken = take_free(deadline);
      if (!taken && taken.error().code != ErrorCode::kConflict) return taken.error();
    } else {
      return response;
    }
  }
}

Status EtcdStore::Cluster::send_or_lose(const rpc::TxnRequest& changes, Deadline deadline) {
  const auto response = send(changes, deadline);
  if (!response) return response.error();
  return response->succeeded() ? Status{} : Status{lose(*response)};
}

// Makes the changes and this the last commit, at once. Asked again after kUnavailable, with another
// commit, it may find that the former one was made.
Result<EtcdStore::Cluster::Written> EtcdStore::Cluster::write_commit(rpc::TxnRequest changes,
                                                                     const stored::Commit& commit,
                                                                     Deadline deadline) {
  put(changes, kCommitKey, commit.SerializeAsString());
  tried_.push_back(commit.id());
  const auto response = send(changes, deadline);
  if (!response && is_full(response.error())) {
    // The one that takes the last room is carried out, and refused nevertheless.
    const auto seen = send({}, deadline);
    if (!seen) return Error{ErrorCode::kUnavailable, seen.error().message};
    if (!seen->succeeded()) return recognise(*seen);
  }
  if (!response) {
    if (response.error().code != ErrorCode::kUnavailable) tried_.pop_back();
    return response.error();
  }
  if (!response->succeeded()) return recognise(*response);
  written_ = response->header().revision();
  last_bytes_ = commit.SerializeAsString();
  last_ = commit;
  tried_.clear();
  return Written::kOurs;
}

// The last commit is another than the one that this controller knew: one that it has asked for
// itself, or the store is lost.
Result<EtcdStore::Cluster::Written> EtcdStore::Cluster::recognise(const rpc::TxnResponse& refused) {
  const auto found = shown(refused, 1);
  stored::Commit last;
  if (!last.ParseFromString(found.value())) return damaged(kCommitKey);
  if (std::find(tried_.begin(), tried_.end(), last.id()) == tried_.end()) return lose(refused);
  written_ = found.mod_revision();
  last_bytes_ = found.value();
  last_ = last;
  tried_.clear();
  return doubt_ && last.id() == doubt_->commit.id() ? Written::kDoubtful : Written::kOurs;
}

// Whether a commit that was asked for without an answer is the last one now.
Status EtcdStore::Cluster::look_again(Deadline deadline) {
  if (tried_.empty()) return {};
  const auto seen = send({}, deadline);
  if (!seen) return seen.error();
  if (seen->succeeded()) return {};
  const auto written = recognise(*seen);
  return written ? Status{} : Status{written.error()};
}

Error EtcdStore::Cluster::lose(const rpc::TxnResponse& refused) {
  const auto active = shown(refused, 0);
  const auto why =
      written_ != 0 && shown(refused, 1).create_revision() == 0 ? "what was in it is gone"
      : active.lease() == lease_ && active.create_revision() != 0
          ? "something else than a controller has changed it"
      : active.value().empty() ? std::string{"another controller has had it meanwhile"}
                               : fmt::format("another controller ({}) has it now", active.value());
  Error error{ErrorCode::kUnavailable, "store etcd: " + why};
  {
    const std::lock_guard lock{mutex_};
    if (phase_ == Phase::kOpening) return {ErrorCode::kConflict, error.message};
    if (phase_ == Phase::kLost) return error;
    phase_ = Phase::kLost;
    trouble_ = error.message;
  }
  setup_.lost(error);
  return error;
}

// --- commits

Result<stored::Commit> EtcdStore::Cluster::commit_after(const stored::Commit& last,
                                                        std::uint64_t more) const {
  auto new_id = random_id();
  if (!new_id) return new_id.error();
  stored::Commit commit;
  commit.set_revision(last.revision() + more);
  commit.set_id(*std::move(new_id));
  return commit;
}

Status EtcdStore::Cluster::check(const Transaction& transaction) const {
  for (const auto& [key, revision] : transaction.preconditions) {
    const auto at = revisions_.find(key);
    if ((at == revisions_.end() ? 0 : at->second) != revision)
      return Error{ErrorCode::kConflict, fmt::format("record \"{}\" has changed", key)};
  }
  return {};
}

Result<std::uint64_t> EtcdStore::Cluster::commit(const Transaction& transaction) {
  if (auto status = closed(); !status) return status.error();  // without waiting for work_
  const std::lock_guard lock{work_};
  if (auto status = closed(); !status) return status.error();
  if (auto status = check(transaction); !status) return status.error();
  auto commit = commit_after(last_, 1);
  if (!commit) return commit.error();
  if (auto status = try_commit(transaction, *commit); !status) {
    if (status.error().code != ErrorCode::kUnavailable) return status.error();
    doubt_ = Doubt{*commit, transaction.writes};
    enter(Phase::kUndecided, status.error().message);
    return Error{ErrorCode::kUnavailable, status.error().message + kUnknownOutcome};
  }
  made(*commit, transaction.writes);
  if (const auto finished = finish(patient()); !finished)
    enter(Phase::kUndecided, finished.error().message);
  return commit->revision();
}

Status EtcdStore::Cluster::try_commit(const Transaction& transaction, stored::Commit& commit) {
  rpc::TxnRequest changes;
  if (fits_in_one(transaction.writes)) {
    for (const auto& one : transaction.writes) write(changes, one, commit.revision());
  } else if (auto status = write_chunks(transaction.writes, commit); !status) {
    rpc::TxnRequest back;
    erase_all(back, kChunks, end_of(kChunks));
    if (status.error().code != ErrorCode::kUnavailable) (void)send(back, soon());
    return status;
  }
  const auto written = write_commit(std::move(changes), commit, patient());
  return written ? Status{} : Status{written.error()};
}

// Under keys that the commit's id is a part of: nobody takes them for another's.
Status EtcdStore::Cluster::write_chunks(const std::vector<Write>& writes, stored::Commit& commit) {
  std::uint32_t count = 0;
  for (const auto& chunk : chunks_of(writes)) {
    rpc::TxnRequest changes;
    put(changes, chunk_key(commit.id(), count++), chunk.SerializeAsString());
    if (auto status = send_or_lose(changes, patient()); !status) return status;
  }
  commit.set_chunks(count);
  return {};
}

void EtcdStore::Cluster::made(const stored::Commit& commit, const std::vector<Write>& writes) {
  for (const auto& [key, value] : writes) {
    if (value)
      revisions_.insert_or_assign(key, commit.revision());
    else
      revisions_.erase(key);
  }
}

// Brings the chunks of the last commit, if it has any, into the records. A controller that stops in
// the midst of it leaves the rest to the next one.
Status EtcdStore::Cluster::finish(Deadline deadline) {
  if (auto status = look_again(deadline); !status) return status;
  if (last_.chunks() == 0) return {};
  for (std::uint32_t i = 0; i < last_.chunks(); ++i) {
    if (auto status = move_chunk(chunk_key(last_.id(), i), deadline); !status) return status;
    deadline = std::max(deadline, soon());  // it goes on
  }
  const auto whole = commit_after(last_, 0);
  if (!whole) return whole.error();
  rpc::TxnRequest changes;
  erase_all(changes, kChunks, end_of(kChunks));
  const auto written = write_commit(std::move(changes), *whole, deadline);
  return written ? Status{} : Status{written.error()};
}

Status EtcdStore::Cluster::move_chunk(const std::string& key, Deadline deadline) {
  const auto found = client_.range(one(key), deadline);
  if (!found) return found.error();
  stored::Chunk chunk;
  if (found->kvs_size() == 0 || !chunk.ParseFromString(found->kvs(0).value())) return damaged(key);
  rpc::TxnRequest changes;
  for (const auto& one : chunk.writes()) {
    const auto value = one.has_value() ? std::optional{one.value()} : std::nullopt;
    write(changes, {one.key(), value}, last_.revision());
  }
  return send_or_lose(changes, deadline);
}

Result<std::optional<std::uint64_t>> EtcdStore::Cluster::settle() {
  const std::lock_guard lock{mutex_};
  if (phase_ != Phase::kOpen) return Error{ErrorCode::kUnavailable, trouble_};
  return std::exchange(verdict_, {}).value_or(std::nullopt);
}

bool EtcdStore::Cluster::is_open() const {
  const std::lock_guard lock{mutex_};
  return phase_ != Phase::kOpening;
}

Status EtcdStore::Cluster::closed() const {
  const std::lock_guard lock{mutex_};
  if (phase_ == Phase::kOpen && !verdict_) return {};
  return Error{ErrorCode::kUnavailable, trouble_ + "; nothing was changed"};
}

void EtcdStore::Cluster::enter(Phase phase, const std::string& trouble) {
  const std::lock_guard lock{mutex_};
  if (phase_ == Phase::kLost) return;
  phase_ = phase;
  if (!trouble.empty()) trouble_ = trouble;
}

// --- the threads

void EtcdStore::Cluster::keep_lease() {
  auto rest = kLeaseInterval;
  auto answered = Clock::now();
  std::unique_lock lock{mutex_};
  while (!wake_.wait_for(lock, rest, [this] { return stopping_; })) {
    const auto lease = lease_.load();
    rest = kLeaseInterval;
    if (lease == 0 || lease == ended_) continue;
    lock.unlock();
    const auto kept = client_.keep_lease(lease, soon());
    if (!kept) rest = 20ms;
    if (!kept && kept.error().code == ErrorCode::kNotFound) ended_ = lease;
    if (kept || kept.error().code != ErrorCode::kUnavailable) answered = Clock::now();
    const bool reached = Clock::now() - answered < kLease;
    // Whoever still waits for the store says so itself.
    if (is_open() && reached_.exchange(reached) != reached)
      setup_.reached(reached ? Status{} : kept);
    lock.lock();
  }
}

void EtcdStore::Cluster::keep_watch() {
  std::unique_lock lock{mutex_};
  while (!wake_.wait_for(lock, kLookInterval, [this] { return stopping_; })) {
    if (phase_ == Phase::kLost) continue;
    const bool undecided = phase_ == Phase::kUndecided;
    lock.unlock();
    if (undecided)
      decide();
    else
      take_back(ended_);
    compact();
    lock.lock();
  }
}

// The lease has ended: has anybody used the time?
void EtcdStore::Cluster::take_back(std::int64_t ended) {
  if (ended == 0 || ended != lease_) return;
  const std::lock_guard lock{work_};
  if (ended == lease_) (void)send_or_lose({}, soon());
}

void EtcdStore::Cluster::decide() {
  const std::lock_guard lock{work_};
  auto status = doubt_ ? decide_doubt() : Status{};
  if (status) status = finish(soon());
  if (!status) return enter(Phase::kUndecided, status.error().message);
  enter(Phase::kOpen);
}

// By an empty commit in the place of the doubtful one: if it can be made, the doubtful one cannot
// any more.
Status EtcdStore::Cluster::decide_doubt() {
  const auto nothing = commit_after(last_, 0);
  if (!nothing) return nothing.error();
  rpc::TxnRequest changes;
  erase_all(changes, kChunks, end_of(kChunks));
  const auto written = write_commit(std::move(changes), *nothing, soon());
  if (!written) return written.error();
  std::optional<std::uint64_t> verdict;
  if (*written == Written::kDoubtful) {
    made(doubt_->commit, doubt_->writes);
    verdict = doubt_->commit.revision();
  }
  doubt_.reset();
  const std::lock_guard telling{mutex_};
  verdict_ = verdict;
  return {};
}

// etcd keeps every value that ever was until it is told that nobody wants them.
void EtcdStore::Cluster::compact() {
  if (Clock::now() < next_compaction_) return;
  next_compaction_ = Clock::now() + kBetweenCompactions;
  if (compact_to_ != 0) (void)client_.compact(compact_to_, soon());
  compact_to_ = written_;
}

// --- the interface

EtcdStore::EtcdStore(std::unique_ptr<Cluster> cluster) : cluster_{std::move(cluster)} {}
EtcdStore::~EtcdStore() = default;

Result<std::unique_ptr<EtcdStore>> EtcdStore::open(Setup setup) {
  auto cluster = std::make_unique<Cluster>(std::move(setup));
  const auto opened = cluster->open();
  if (!opened) return opened.error();
  if (!*opened) return std::unique_ptr<EtcdStore>{};
  return std::unique_ptr<EtcdStore>{new EtcdStore{std::move(cluster)}};
}

const std::string& EtcdStore::id() const noexcept { return cluster_->id(); }
const std::vector<Opening>& EtcdStore::openings() const noexcept { return cluster_->openings(); }
Result<Snapshot> EtcdStore::read_all() { return cluster_->read_all(); }
Result<std::uint64_t> EtcdStore::commit(const Transaction& transaction) {
  return cluster_->commit(transaction);
}
bool EtcdStore::takes_commits() const noexcept { return cluster_->takes_commits(); }
Result<std::optional<std::uint64_t>> EtcdStore::settle() { return cluster_->settle(); }

}  // namespace dove::controller
