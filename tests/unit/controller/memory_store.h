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
    if (uncertain_) return kNoAnswer;
    for (const auto& [key, revision] : transaction.preconditions) {
      const auto at = records_.find(key);
      if ((at == records_.end() ? 0 : at->second.revision) != revision)
        return Error{ErrorCode::kConflict, "record \"" + key + "\" has changed"};
    }
    if (silent_) uncertain_ = true;
    if (silent_ && !made_) return kNoAnswer;
    ++revision_;
    for (const auto& [key, value] : transaction.writes) {
      if (value)
        records_.insert_or_assign(key, Record{key, *value, revision_});
      else
        records_.erase(key);
    }
    if (silent_) return kNoAnswer;
    return revision_;
  }

  Result<std::optional<std::uint64_t>> settle() override {
    const std::lock_guard lock{mutex_};
    if (fail_with_) return *fail_with_;
    if (silent_) return kNoAnswer;
    const bool made = std::exchange(uncertain_, false) && made_;
    return made ? std::optional{revision_} : std::nullopt;
  }

  // From now on: the next commit gets no answer, though it may be made; all after it are refused.
  void be_silent(bool made) {
    const std::lock_guard lock{mutex_};
    silent_ = true;
    made_ = made;
  }
  // settle() knows.
  void answer() {
    const std::lock_guard lock{mutex_};
    silent_ = false;
  }
  // There is nothing left for settle() to tell.
  bool told() {
    const std::lock_guard lock{mutex_};
    return !uncertain_;
  }
  void fail_with(std::optional<Error> error) {
    const std::lock_guard lock{mutex_};
    fail_with_ = std::move(error);
  }

 private:
  inline static const Error kNoAnswer{ErrorCode::kUnavailable, "the store does not answer"};

  const std::string id_ = "0123456789abcdef";
  const std::vector<Opening> openings_{{"opening", 0}};
  std::mutex mutex_;
  std::uint64_t revision_ = 0;
  std::map<std::string, Record> records_;
  std::optional<Error> fail_with_;
  bool silent_ = false;
  bool made_ = false;       // what gets no answer
  bool uncertain_ = false;  // there is one that settle() has not told of
};

}  // namespace dove::controller
