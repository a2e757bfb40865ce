// A store in memory, for tests: it keeps the interface's promises but durability, and fails when
// it is told to.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "controller/store/store.h"

namespace dove::controller {

class MemoryStore final : public Store {
 public:
  const std::string& id() const noexcept override { return id_; }
  const std::vector<Opening>& openings() const noexcept override { return openings_; }

  Result<Snapshot> read_all() override {
    const std::lock_guard lock{mutex_};
    Snapshot snapshot{revision_, {}};
    for (const auto& [key, record] : records_) snapshot.records.push_back(record);
    return snapshot;
  }

  Result<std::uint64_t> commit(const Transaction& transaction) override {
    const std::lock_guard lock{mutex_};
    if (fail_with_) return *fail_with_;
    for (const auto& [key, revision] : transaction.preconditions) {
      const auto at = records_.find(key);
      if ((at == records_.end() ? 0 : at->second.revision) != revision)
        return Error{ErrorCode::kConflict, "record \"" + key + "\" has changed"};
    }
    ++revision_;
    if (doubtful_) verdict_ = revision_;
    for (const auto& [key, value] : transaction.writes) {
      if (value)
        records_.insert_or_assign(key, Record{key, *value, revision_});
      else
        records_.erase(key);
    }
    if (doubtful_) return Error{ErrorCode::kUnavailable, "no answer"};
    return revision_;
  }

  Result<std::optional<std::uint64_t>> settle() override {
    const std::lock_guard lock{mutex_};
    if (fail_with_) return *fail_with_;
    return std::exchange(verdict_, {});
  }

  // Commits get no answer, but are made.
  void answer(bool answering) {
    const std::lock_guard lock{mutex_};
    doubtful_ = !answering;
  }
  void fail_with(std::optional<Error> error) {
    const std::lock_guard lock{mutex_};
    fail_with_ = std::move(error);
  }

 private:
  const std::string id_ = "0123456789abcdef";
  const std::vector<Opening> openings_{{"opening", 0}};
  std::mutex mutex_;
  std::uint64_t revision_ = 0;
  std::map<std::string, Record> records_;
  std::optional<Error> fail_with_;
  bool doubtful_ = false;
  std::optional<std::uint64_t> verdict_;
};

}  // namespace dove::controller
