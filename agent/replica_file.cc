// One line, `dove-replica 1 STORE-ID SECONDS CHECKSUM`, and behind it a Replica of agent.proto.
// STORE-ID and CHECKSUM, which is of all behind the line, are hexadecimal; SECONDS are Unix time.
#include "agent/replica_file.h"

#include <fmt/format.h>

#include <asio/post.hpp>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <sstream>
#include <thread>

#include "agent/saved_file.h"
#include "agent/session_message.h"
#include "api/convert.h"
#include "core/hash.h"
#include "core/hex.h"
#include "core/scheduling.h"

namespace dove::agent {
namespace {

constexpr std::string_view kMagic = "dove-replica";
constexpr int kVersion = 1;
constexpr std::size_t kSizeLimit = 64U << 20U;
constexpr std::string_view kName = "replica-";
// Between two files, between two of one network, and until one is written for its time alone.
constexpr std::chrono::seconds kPause{1};
constexpr std::chrono::seconds kRest{10};
constexpr std::chrono::minutes kRefresh{5};

std::uint64_t checksum(std::string_view text) {
  return hash_bytes(std::as_bytes(std::span{text.data(), text.size()}));
}

Error damaged(std::string_view what) {
  return {ErrorCode::kInvalid, fmt::format("it is damaged: {}", what)};
}

}  // namespace

std::string format_replica(const SavedReplica& saved) {
  v1::Replica message;
  message.set_vni(saved.vni.value());
  message.set_kind(v1::Replica::LAST);
  message.set_revision(saved.replica.revision());
  for (const auto& binding : saved.replica.bindings())
    std::visit([&](const auto& one) { api::write(one, message.add_bindings()); }, binding);
  const auto body = message.SerializeAsString();
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(saved.at.time_since_epoch()).count();
  return fmt::format("{} {} {} {} {:x}\n", kMagic, kVersion, "0x" + to_hex(saved.store_id), seconds,
                     checksum(body)) +
         body;
}

namespace {

struct Head {
  std::string magic;
  int version = 0;
  std::string store;
  std::int64_t seconds = 0;
  std::uint64_t sum = 0;
};

std::optional<Head> parse_head(std::string_view line) {
  std::istringstream in{std::string{line}};
  Head head;
  in >> head.magic >> head.version >> head.store >> head.seconds >> std::hex >> head.sum;
  if (!in || head.magic != kMagic || head.version != kVersion) return std::nullopt;
  return head;
}

}  // namespace

Result<SavedReplica> parse_replica(std::string_view text) {
  const auto line = text.find('\n');
  const auto head = parse_head(text.substr(0, std::min(line, text.size())));
  if (line == std::string_view::npos || !head)
    return Error{ErrorCode::kInvalid,
                 fmt::format("it does not begin with \"{} {}\"", kMagic, kVersion)};
  const auto body = text.substr(line + 1);
  const auto store = head->store.starts_with("0x") ? from_hex(head->store.substr(2)) : std::nullopt;
  v1::Replica message;
  if (checksum(body) != head->sum || !store) return damaged("its checksum is another");
  if (!message.ParseFromArray(body.data(), static_cast<int>(body.size())))
    return damaged("it is no Replica");
  const auto word = parse_replica(message);
  if (!word) return damaged(word.error().message);
  return SavedReplica{
      .store_id = *store,
      .vni = word->vni,
      .replica = Replica::restored(word->revision, word->bindings),
      .at = std::chrono::system_clock::time_point{std::chrono::seconds{head->seconds}}};
}

// Does its jobs in order, on a thread of its own.
struct ReplicaStore::Worker {
  Worker(asio::any_io_executor where, std::function<void(const std::string&)> told)
      : executor{std::move(where)}, trouble{std::move(told)}, thread{[this] { run(); }} {}
  ~Worker() {
    add(nullptr);
    thread.join();
  }

  void add(std::function<Status()> job) {
    {
      const std::lock_guard lock{mutex};
      jobs.push_back(std::move(job));
    }
    wake.notify_one();
  }

  void run() {
    while (true) {
      std::unique_lock lock{mutex};
      wake.wait(lock, [this] { return !jobs.empty(); });
      const auto job = std::move(jobs.front());
      jobs.pop_front();
      lock.unlock();
      if (!job) return;
      if (const auto status = in_background(job); !status)
        asio::post(executor, [told = trouble, text = status.error().message] { told(text); });
    }
  }

  const asio::any_io_executor executor;
  const std::function<void(const std::string&)> trouble;
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<std::function<Status()>> jobs;  // an empty one: the last
  std::thread thread;                        // last: uses all of the above
};

ReplicaStore::ReplicaStore(std::filesystem::path directory, asio::any_io_executor executor,
                           std::function<void(const std::string&)> trouble)
    : directory_{std::move(directory)},
      worker_{std::make_unique<Worker>(std::move(executor), std::move(trouble))} {}
ReplicaStore::~ReplicaStore() = default;

std::filesystem::path ReplicaStore::path_of(Vni vni) const {
  return directory_ / (std::string{kName} + vni.to_string());
}

Result<std::optional<SavedReplica>> ReplicaStore::load(Vni vni, const std::string& store_id) const {
  const auto file = path_of(vni);
  const auto text = read_file(file, kSizeLimit);
  if (!text) return text.error();
  if (!*text) return std::optional<SavedReplica>{};
  auto saved = parse_replica(**text);
  if (!saved)
    return Error{saved.error().code, fmt::format("{}: {}", file.string(), saved.error().message)};
  if (saved->store_id != store_id || saved->vni != vni) return std::optional<SavedReplica>{};
  return std::optional{*std::move(saved)};
}

void ReplicaStore::keep_only(const std::vector<Vni>& networks) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator{directory_, error}) {
    const auto name = entry.path().filename().string();
    const auto vni = name.starts_with(kName) ? Vni::parse(name.substr(kName.size())) : std::nullopt;
    if (vni && std::find(networks.begin(), networks.end(), *vni) == networks.end()) remove(*vni);
  }
}

void ReplicaStore::changed(Vni vni) { entries_[vni].changed = true; }

void ReplicaStore::remove(Vni vni) {
  entries_.erase(vni);
  worker_->add([file = path_of(vni)]() -> Status {
    std::error_code error;
    std::filesystem::remove(file, error);
    return {};
  });
}

std::optional<Vni> ReplicaStore::due(TimePoint now) const {
  if (now - last_save_ < kPause) return std::nullopt;
  for (const auto& [vni, entry] : entries_) {
    if (!entry.saved) return vni;
    const auto rested = now - *entry.saved;
    if ((entry.changed && rested >= kRest) || rested >= kRefresh) return vni;
  }
  return std::nullopt;
}

void ReplicaStore::save(SavedReplica saved, TimePoint now) {
  entries_[saved.vni] = {.changed = false, .saved = now};
  last_save_ = now;
  const auto shared = std::make_shared<const SavedReplica>(std::move(saved));
  worker_->add([file = path_of(shared->vni), shared] {
    return replace_file(file, format_replica(*shared));
  });
}

}  // namespace dove::agent
