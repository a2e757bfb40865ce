#include "controller/store/etcd_store.h"

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>

#include "controller/etcd_layout.pb.h"
#include "controller/store/etcd_client.h"
#include "controller/store/random_id.h"

namespace dove::controller {
namespace {

namespace layout = ::dove::etcd;
using std::chrono_literals::operator""ms;

constexpr const char* kStoreKey = "dove/store";
constexpr const char* kActiveKey = "dove/active";
constexpr const char* kCommitKey = "dove/commit";
constexpr const char* kRecords = "dove/record/";
constexpr const char* kOpeningKeys = "dove/opening/";
constexpr const char* kChunks = "dove/chunk/";
constexpr std::uint32_t kSchema = 1;
constexpr std::uint64_t kOpenings = 256;  // kept

// Of one transaction. etcd takes 128 writes and 1.5 MiB by default.
constexpr std::size_t kMostWrites = 100;
constexpr std::size_t kMostBytes = 512 * 1024;
// Of one answer. gRPC takes 4 MiB; records are a few KiB at most.
constexpr std::int64_t kPage = 256;
constexpr auto kShortPatience = 1500ms;  // of what is tried again soon
constexpr std::chrono::minutes kBetweenCompactions{5};

// The end of the range of all keys that begin with `prefix`, whose last byte is not 0xff.
std::string end_of(std::string prefix) {
  ++prefix.back();
  return prefix;
}

std::string number_key(std::string_view prefix, std::uint64_t number) {
  return fmt::format("{}{:020}", prefix, number);
}

constexpr std::size_t kStampSize = 8;

// A record's value, behind the revision of its commit.
std::string stamped(std::uint64_t revision, std::string_view value) {
  std::string bytes(kStampSize, '\0');
  for (std::size_t i = 0; i < kStampSize; ++i)
    bytes[i] = static_cast<char>(revision >> (8 * (kStampSize - 1 - i)) & 0xff);
  return bytes.append(value);
}

std::optional<std::uint64_t> stamp_of(std::string_view bytes) {
  if (bytes.size() < kStampSize) return std::nullopt;
  std::uint64_t revision = 0;
  for (std::size_t i = 0; i < kStampSize; ++i)
    revision = revision << 8 | static_cast<unsigned char>(bytes[i]);
  return revision;
}

Error damaged(std::string_view key) {
  return {ErrorCode::kSystem, fmt::format("store etcd: what is under \"{}\" is damaged", key)};
}

// --- requests

etcd::RangeRequest one(const std::string& key) {
  etcd::RangeRequest request;
  request.set_key(key);
  return request;
}

void put(etcd::TxnRequest& request, const std::string& key, std::string value,
         std::int64_t lease = 0) {
  auto* write = request.add_success()->mutable_request_put();
  write->set_key(key);
  write->set_value(std::move(value));
  write->set_lease(lease);
}

void erase(etcd::TxnRequest& request, const std::string& key, const std::string& end = {}) {
  auto* range = request.add_success()->mutable_request_delete_range();
  range->set_key(key);
  range->set_range_end(end);
}

void write(etcd::TxnRequest& request, const Write& one, std::uint64_t revision) {
  const auto key = kRecords + one.key;
  if (one.value)
    put(request, key, stamped(revision, *one.value));
  else
    erase(request, key);
}

// When the key was made, or last written: 0 for one that is not there.
void require_created(etcd::TxnRequest& request, const std::string& key, std::int64_t at) {
  auto* compare = request.add_compare();
  compare->set_target(etcd::Compare::CREATE);
  compare->set_key(key);
  compare->set_create_revision(at);
}

void require_written(etcd::TxnRequest& request, const std::string& key, std::int64_t at) {
  auto* compare = request.add_compare();
  compare->set_target(etcd::Compare::MOD);
  compare->set_key(key);
  compare->set_mod_revision(at);
}

void or_else_show(etcd::TxnRequest& request, const std::string& key) {
  *request.add_failure()->mutable_request_range() = one(key);
}

// What or_else_show() asked for, in its order; a key that is not there is all zeros.
etcd::KeyValue shown(const etcd::TxnResponse& response, int at) {
  if (at >= response.responses_size()) return {};
  const auto& range = response.responses(at).response_range();
  return range.kvs_size() == 0 ? etcd::KeyValue{} : range.kvs(0);
}

std::size_t size_of(const Write& write) {
  return write.key.size() + (write.value ? write.value->size() : 0);
}

bool fits_in_one(const std::vector<Write>& writes) {
  std::size_t bytes = 0;
  for (const auto& write : writes) bytes += size_of(write);
  return writes.size() <= kMostWrites && bytes <= kMostBytes;
}

// Each fits into one transaction by itself.
std::vector<layout::Chunk> chunks_of(const std::vector<Write>& writes) {
  std::vector<layout::Chunk> chunks;
  std::size_t bytes = 0;
  for (const auto& write : writes) {
    bytes += size_of(write);
    if (chunks.empty() || bytes > kMostBytes ||
        static_cast<std::size_t>(chunks.back().writes_size()) == kMostWrites) {
      chunks.emplace_back();
      bytes = size_of(write);
    }
    auto* to = chunks.back().add_writes();
    to->set_key(write.key);
    if (write.value) to->set_value(*write.value);
  }
  return chunks;
}

Error in_use(const etcd::KeyValue& active) {
  return {ErrorCode::kConflict,
          fmt::format("store etcd: it is in use by another controller ({})", active.value())};
}

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

std::string chunk_key(const std::string& commit_id, std::uint64_t number) {
  return number_key(kChunks + hex(commit_id) + "/", number);
}

}  // namespace

// The cluster as this controller knows it, and the thread that keeps the lease and finds out what
// became of a commit that got no answer.
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
  Result<std::optional<std::uint64_t>> settle();

 private:
  // What commits do: they are made; they fail, because it is not known what became of one, or
  // because one is not in its records yet; they fail for ever.
  enum class Phase : std::uint8_t { kOpen, kUndecided, kLost };

  // A commit that may have been made.
  struct Doubt {
    layout::Commit commit;
    std::vector<Write> writes;
  };
  enum class Written : std::uint8_t { kThis, kDoubtful };

  Status try_open();
  Status find_store();
  Status take();
  Status take_free();
  Status read_commit();
  Status note_opening();
  Status each_page(const char* prefix, const std::function<Status(const etcd::KeyValue&)>& visit);

  Result<etcd::TxnResponse> send(const etcd::TxnRequest& changes,
                                 std::chrono::milliseconds patience);
  Status send_or_lose(const etcd::TxnRequest& changes, std::chrono::milliseconds patience);
  Result<Written> write_commit(etcd::TxnRequest changes, const layout::Commit& commit,
                               std::chrono::milliseconds patience);
  Status write_chunks(const std::vector<Write>& writes, layout::Commit& commit);
  Status move_chunk(const std::string& key, std::chrono::milliseconds patience);
  Error lose(const etcd::KeyValue& active);
  Result<layout::Commit> next_commit() const;
  Status check(const Transaction& transaction) const;
  void made(const layout::Commit& commit, const std::vector<Write>& writes);
  Status finish(std::chrono::milliseconds patience);

  Status closed() const;
  void enter(Phase phase, const std::string& trouble = {});
  void keep();
  void keep_lease();
  void decide();
  void compact();

  const Setup setup_;
  EtcdClient client_;
  std::string id_;
  std::vector<Opening> openings_;

  std::atomic<std::int64_t> lease_ = 0;  // 0: none

  std::mutex work_;           // held during all requests but the lease's; what follows
  std::int64_t created_ = 0;  // of "active", by etcd's revision; 0: this controller has not had it
  std::int64_t written_ = 0;  // of "commit", likewise; 0: there is none
  layout::Commit last_;       // what "commit" says
  std::unordered_map<std::string, std::uint64_t> revisions_;  // of the records
  std::optional<Doubt> doubt_;

  mutable std::mutex mutex_;  // never held for long; what follows
  Phase phase_ = Phase::kOpen;
  std::string trouble_;  // of the latter two
  // What settle() has to tell, before commits are made again.
  std::optional<std::optional<std::uint64_t>> verdict_;
  bool stopping_ = false;
  std::condition_variable wake_;

  std::chrono::steady_clock::time_point next_compaction_;  // the thread's own
  std::int64_t compact_to_ = 0;
  std::thread keeper_;  // last
};

// --- opening

Result<bool> EtcdStore::Cluster::open() {
  const std::lock_guard lock{work_};
  while (true) {
    const auto status = try_open();
    if (status) break;
    const auto code = status.error().code;
    if (code != ErrorCode::kUnavailable && code != ErrorCode::kConflict) return status.error();
    if (!setup_.wait(status.error())) return false;
  }
  compact_to_ = written_;
  next_compaction_ = std::chrono::steady_clock::now() + kBetweenCompactions;
  keeper_ = std::thread{[this] { keep(); }};
  return true;
}

EtcdStore::Cluster::~Cluster() {
  {
    const std::lock_guard lock{mutex_};
    stopping_ = true;
    wake_.notify_one();
  }
  if (keeper_.joinable()) keeper_.join();
  if (lease_ != 0) (void)client_.revoke_lease(lease_, 1000ms);
}

Status EtcdStore::Cluster::try_open() {
  created_ = 0;
  if (auto status = find_store(); !status) return status;
  if (auto status = take(); !status) return status;
  if (auto status = read_commit(); !status) return status;
  return note_opening();
}

// Makes the store where there is none.
Status EtcdStore::Cluster::find_store() {
  const auto new_id = random_id();
  if (!new_id) return new_id.error();
  layout::Store store;
  store.set_schema(kSchema);
  store.set_id(*new_id);
  etcd::TxnRequest request;
  require_created(request, kStoreKey, 0);
  put(request, kStoreKey, store.SerializeAsString());
  or_else_show(request, kStoreKey);
  const auto response = client_.txn(request, setup_.patience);
  if (!response) return response.error();
  if (!response->succeeded() && !store.ParseFromString(shown(*response, 0).value()))
    return damaged(kStoreKey);
  if (store.schema() != kSchema)
    return Error{ErrorCode::kSystem,
                 fmt::format("store etcd: it has schema {}, this controller knows {}",
                             store.schema(), kSchema)};
  if (store.id().size() != kIdSize) return damaged(kStoreKey);
  id_ = store.id();
  return {};
}

// Makes the store this controller's. kConflict: another one has it.
Status EtcdStore::Cluster::take() {
  const auto found = client_.range(one(kActiveKey), setup_.patience);
  if (!found) return found.error();
  if (found->kvs_size() != 0) {
    const auto& active = found->kvs(0);
    if (lease_ == 0 || active.lease() != lease_) return in_use(active);
    created_ = active.create_revision();
    return {};
  }
  return take_free();
}

// With a new lease. A controller that has had it takes it only if nobody else has had it since.
Status EtcdStore::Cluster::take_free() {
  const auto lease = client_.grant_lease(kLease, setup_.patience);
  if (!lease) return lease.error();
  lease_ = *lease;
  etcd::TxnRequest request;
  require_created(request, kActiveKey, 0);
  if (created_ != 0) require_written(request, kCommitKey, written_);
  put(request, kActiveKey, setup_.holder, lease_);
  or_else_show(request, kActiveKey);
  const auto response = client_.txn(request, setup_.patience);
  if (!response) return response.error();
  const auto active = shown(*response, 0);
  if (!response->succeeded() && active.lease() != lease_) return in_use(active);
  created_ = response->succeeded() ? response->header().revision() : active.create_revision();
  return {};
}

// What the last commit was. One that is not in its records yet is brought there.
Status EtcdStore::Cluster::read_commit() {
  const auto found = client_.range(one(kCommitKey), setup_.patience);
  if (!found) return found.error();
  last_.Clear();
  written_ = 0;
  if (found->kvs_size() == 0) return {};
  if (!last_.ParseFromString(found->kvs(0).value())) return damaged(kCommitKey);
  written_ = found->kvs(0).mod_revision();
  return finish(setup_.patience);
}

Status EtcdStore::Cluster::note_opening() {
  std::uint64_t number = 0;
  openings_.clear();
  const auto read = each_page(kOpeningKeys, [&](const etcd::KeyValue& kv) -> Status {
    layout::Opening opening;
    if (!opening.ParseFromString(kv.value())) return damaged(kv.key());
    openings_.push_back({opening.id(), opening.revision()});
    number = std::strtoull(kv.key().c_str() + std::string_view{kOpeningKeys}.size(), nullptr, 10);
    return {};
  });
  if (!read) return read;
  const auto new_id = random_id();
  if (!new_id) return new_id.error();
  layout::Opening opening;
  opening.set_id(*new_id);
  opening.set_revision(last_.revision());
  ++number;
  etcd::TxnRequest changes;
  put(changes, number_key(kOpeningKeys, number), opening.SerializeAsString());
  if (number > kOpenings)
    erase(changes, kOpeningKeys, number_key(kOpeningKeys, number - kOpenings + 1));
  erase(changes, kChunks, end_of(kChunks));  // of commits that were not made
  const auto response = send(changes, setup_.patience);
  if (!response) return response.error();
  if (!response->succeeded()) return in_use(shown(*response, 0));
  openings_.push_back({opening.id(), opening.revision()});
  if (openings_.size() > kOpenings)
    openings_.erase(openings_.begin(), openings_.end() - static_cast<std::ptrdiff_t>(kOpenings));
  return {};
}

// The pages are of different moments: nobody else writes.
Status EtcdStore::Cluster::each_page(const char* prefix,
                                     const std::function<Status(const etcd::KeyValue&)>& visit) {
  etcd::RangeRequest request;
  request.set_key(prefix);
  request.set_range_end(end_of(prefix));
  request.set_limit(kPage);
  while (true) {
    const auto page = client_.range(request, setup_.patience);
    if (!page) return page.error();
    for (const auto& kv : page->kvs())
      if (auto status = visit(kv); !status) return status;
    if (!page->more() || page->kvs_size() == 0) return {};
    request.set_key(page->kvs(page->kvs_size() - 1).key() + '\0');
  }
}

Result<Snapshot> EtcdStore::Cluster::read_all() {
  const std::lock_guard lock{work_};
  Snapshot snapshot{last_.revision(), {}};
  revisions_.clear();
  const auto status = each_page(kRecords, [&](const etcd::KeyValue& kv) -> Status {
    const auto revision = stamp_of(kv.value());
    if (!revision) return damaged(kv.key());
    auto key = kv.key().substr(std::string_view{kRecords}.size());
    revisions_.emplace(key, *revision);
    snapshot.records.push_back({std::move(key), kv.value().substr(kStampSize), *revision});
    return {};
  });
  if (!status) return status.error();
  return snapshot;
}

// --- commits

// On the condition that all is as this controller knows it, but for a lease that ended because the
// cluster was away or this process slept: that is had anew, if nobody has used the time. A response
// that has not succeeded shows "active" and "commit".
Result<etcd::TxnResponse> EtcdStore::Cluster::send(const etcd::TxnRequest& changes,
                                                   std::chrono::milliseconds patience) {
  for (bool again = false;; again = true) {
    etcd::TxnRequest request;
    require_created(request, kActiveKey, created_);
    require_written(request, kCommitKey, written_);
    *request.mutable_success() = changes.success();
    or_else_show(request, kActiveKey);
    or_else_show(request, kCommitKey);
    auto response = client_.txn(request, patience);
    if (!response || response->succeeded() || again) return response;
    const bool free = shown(*response, 0).create_revision() == 0 &&
                      shown(*response, 1).mod_revision() == written_;
    if (!free) return response;
    const auto taken = take_free();
    if (!taken && taken.error().code != ErrorCode::kConflict) return taken.error();
  }
}

Status EtcdStore::Cluster::send_or_lose(const etcd::TxnRequest& changes,
                                        std::chrono::milliseconds patience) {
  const auto response = send(changes, patience);
  if (!response) return response.error();
  return response->succeeded() ? Status{} : Status{lose(shown(*response, 0))};
}

// Makes the changes and this the last commit, at once. kDoubtful: it found that the doubtful one
// was made instead.
Result<EtcdStore::Cluster::Written> EtcdStore::Cluster::write_commit(
    etcd::TxnRequest changes, const layout::Commit& commit, std::chrono::milliseconds patience) {
  put(changes, kCommitKey, commit.SerializeAsString());
  const auto response = send(changes, patience);
  if (!response) return response.error();
  if (response->succeeded()) {
    written_ = response->header().revision();
    last_ = commit;
    return Written::kThis;
  }
  const auto found = shown(*response, 1);
  layout::Commit last;
  if (!last.ParseFromString(found.value())) return damaged(kCommitKey);
  const bool doubtful = doubt_ && last.id() == doubt_->commit.id();
  if (last.id() != commit.id() && !doubtful) return lose(shown(*response, 0));
  written_ = found.mod_revision();
  last_ = last;
  return doubtful ? Written::kDoubtful : Written::kThis;
}

Error EtcdStore::Cluster::lose(const etcd::KeyValue& active) {
  const auto why =
      active.create_revision() == created_ ? "something else than a controller has changed it"
      : active.value().empty()             ? std::string{"another controller has had it meanwhile"}
                               : fmt::format("another controller ({}) has it now", active.value());
  const Error error{ErrorCode::kUnavailable, "store etcd: " + why};
  bool first = false;
  {
    const std::lock_guard lock{mutex_};
    first = phase_ != Phase::kLost;
    phase_ = Phase::kLost;
    trouble_ = error.message;
  }
  if (first) setup_.lost(error);
  return error;
}

Result<layout::Commit> EtcdStore::Cluster::next_commit() const {
  auto new_id = random_id();
  if (!new_id) return new_id.error();
  layout::Commit commit;
  commit.set_revision(last_.revision() + 1);
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
  auto commit = next_commit();
  if (!commit) return commit.error();
  etcd::TxnRequest changes;
  Status status;
  if (fits_in_one(transaction.writes))
    for (const auto& one : transaction.writes) write(changes, one, commit->revision());
  else
    status = write_chunks(transaction.writes, *commit);
  if (status) {
    const auto written = write_commit(changes, *commit, setup_.patience);
    if (!written) status = written.error();
  }
  if (!status) {
    if (status.error().code != ErrorCode::kUnavailable) return status.error();
    doubt_ = Doubt{*commit, transaction.writes};
    enter(Phase::kUndecided, status.error().message);
    return Error{ErrorCode::kUnavailable,
                 status.error().message + "; it is not known whether the change was made"};
  }
  made(*commit, transaction.writes);
  if (const auto finished = finish(setup_.patience); !finished)
    enter(Phase::kUndecided, finished.error().message);
  return commit->revision();
}

// Under keys that the commit's id is a part of: nobody takes them for another's.
Status EtcdStore::Cluster::write_chunks(const std::vector<Write>& writes, layout::Commit& commit) {
  std::uint32_t count = 0;
  for (const auto& chunk : chunks_of(writes)) {
    etcd::TxnRequest changes;
    put(changes, chunk_key(commit.id(), count++), chunk.SerializeAsString());
    if (auto status = send_or_lose(changes, setup_.patience); !status) return status;
  }
  commit.set_chunks(count);
  return {};
}

void EtcdStore::Cluster::made(const layout::Commit& commit, const std::vector<Write>& writes) {
  for (const auto& [key, value] : writes) {
    if (value)
      revisions_.insert_or_assign(key, commit.revision());
    else
      revisions_.erase(key);
  }
}

// Brings the chunks of the last commit, if it has any, into the records. A controller that stops in
// the midst of it leaves the rest to the next one.
Status EtcdStore::Cluster::finish(std::chrono::milliseconds patience) {
  if (last_.chunks() == 0) return {};
  for (std::uint32_t i = 0; i < last_.chunks(); ++i)
    if (auto status = move_chunk(chunk_key(last_.id(), i), patience); !status) return status;
  auto new_id = random_id();
  if (!new_id) return new_id.error();
  auto whole = last_;
  whole.set_chunks(0);
  whole.set_id(*std::move(new_id));
  etcd::TxnRequest changes;
  erase(changes, kChunks, end_of(kChunks));
  const auto written = write_commit(std::move(changes), whole, patience);
  return written ? Status{} : Status{written.error()};
}

Status EtcdStore::Cluster::move_chunk(const std::string& key, std::chrono::milliseconds patience) {
  const auto found = client_.range(one(key), patience);
  if (!found) return found.error();
  layout::Chunk chunk;
  if (found->kvs_size() == 0 || !chunk.ParseFromString(found->kvs(0).value())) return damaged(key);
  etcd::TxnRequest changes;
  for (const auto& one : chunk.writes()) {
    const auto value = one.has_value() ? std::optional{one.value()} : std::nullopt;
    write(changes, {one.key(), value}, last_.revision());
  }
  return send_or_lose(changes, patience);
}

Result<std::optional<std::uint64_t>> EtcdStore::Cluster::settle() {
  const std::lock_guard lock{mutex_};
  if (phase_ != Phase::kOpen) return Error{ErrorCode::kUnavailable, trouble_};
  return std::exchange(verdict_, {}).value_or(std::nullopt);
}

Status EtcdStore::Cluster::closed() const {
  const std::lock_guard lock{mutex_};
  if (phase_ == Phase::kOpen && !verdict_) return {};
  return Error{ErrorCode::kUnavailable, trouble_};
}

void EtcdStore::Cluster::enter(Phase phase, const std::string& trouble) {
  const std::lock_guard lock{mutex_};
  if (phase_ == Phase::kLost) return;
  phase_ = phase;
  if (!trouble.empty()) trouble_ = trouble;
}

// --- the thread

void EtcdStore::Cluster::keep() {
  constexpr auto kInterval = std::chrono::milliseconds{kLease} / 4;
  std::unique_lock lock{mutex_};
  while (!stopping_ && phase_ != Phase::kLost) {
    wake_.wait_for(lock, kInterval, [this] { return stopping_; });
    if (stopping_) return;
    const bool undecided = phase_ == Phase::kUndecided;
    lock.unlock();
    keep_lease();
    if (undecided) decide();
    compact();
    lock.lock();
  }
}

// Not under work_: a commit that waits for the cluster must not cost the lease.
void EtcdStore::Cluster::keep_lease() {
  const auto kept = client_.keep_lease(lease_, kShortPatience);
  if (kept || kept.error().code != ErrorCode::kNotFound) return;
  const std::lock_guard lock{work_};
  if (doubt_) return;  // decide() does the same
  (void)send_or_lose({}, kShortPatience);
}

// An empty commit in the place of the doubtful one: if it can be made, the doubtful one cannot any
// more.
void EtcdStore::Cluster::decide() {
  const std::lock_guard lock{work_};
  const auto stays = [this](const Error& why) { enter(Phase::kUndecided, why.message); };
  if (doubt_) {
    auto new_id = random_id();
    if (!new_id) return stays(new_id.error());
    auto nothing = last_;
    nothing.set_id(*std::move(new_id));
    etcd::TxnRequest changes;
    erase(changes, kChunks, end_of(kChunks));
    const auto written = write_commit(std::move(changes), nothing, kShortPatience);
    if (!written) return stays(written.error());
    std::optional<std::uint64_t> verdict;
    if (*written == Written::kDoubtful) {
      made(doubt_->commit, doubt_->writes);
      verdict = doubt_->commit.revision();
    }
    doubt_.reset();
    const std::lock_guard telling{mutex_};
    verdict_ = verdict;
  }
  if (const auto finished = finish(kShortPatience); !finished) return stays(finished.error());
  enter(Phase::kOpen);
}

// etcd keeps every value that ever was until it is told that nobody wants them.
void EtcdStore::Cluster::compact() {
  const auto now = std::chrono::steady_clock::now();
  if (now < next_compaction_) return;
  next_compaction_ = now + kBetweenCompactions;
  std::int64_t written = 0;
  {
    const std::lock_guard lock{work_};
    written = written_;
  }
  if (compact_to_ != 0) (void)client_.compact(compact_to_, kShortPatience);
  compact_to_ = written;
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
Result<std::optional<std::uint64_t>> EtcdStore::settle() { return cluster_->settle(); }

}  // namespace dove::controller
