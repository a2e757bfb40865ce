#include "controller/draft.h"

namespace dove::controller {

Draft::Touched& Draft::touch(const Value& value) {
  const auto [at, fresh] = touched_.try_emplace(key_of(value));
  if (fresh) {
    if (const auto found = state_.find(value)) {
      at->second.revision = found->revision;
      at->second.change = {found->value, found->value};
    }
  }
  return at->second;
}

void Draft::put(const Value& value) {
  auto& touched = touch(value);
  touched.change.after = value;
  state_.put(value, touched.revision, now_);
}

void Draft::erase(const Value& value) {
  touch(value).change.after.reset();
  state_.erase(value);
}

void Draft::require(const Value& value) {
  const auto key = key_of(value);
  if (touched_.contains(key)) return;
  if (const auto found = state_.find(value)) required_.emplace(key, found->revision);
}

void Draft::roll_back() {
  if (rolled_back_) return;
  rolled_back_ = true;
  for (const auto& [key, touched] : touched_) {
    const auto& [before, after] = touched.change;
    if (before)
      state_.put(*before, touched.revision, now_);
    else if (after)
      state_.erase(*after);
  }
}

std::vector<Change> Draft::changes() const {
  std::vector<Change> changes;
  for (const auto& [key, touched] : touched_)
    if (touched.change.before != touched.change.after) changes.push_back(touched.change);
  return changes;
}

Transaction Draft::transaction() const {
  Transaction transaction;
  for (const auto& [key, touched] : touched_) {
    const auto& [before, after] = touched.change;
    if (before == after) continue;
    transaction.preconditions.push_back({key, touched.revision});
    transaction.writes.push_back({key, after ? std::optional{encode(*after)} : std::nullopt});
  }
  for (const auto& [key, revision] : required_)
    if (!touched_.contains(key)) transaction.preconditions.push_back({key, revision});
  return transaction;
}

void apply(State& state, const std::vector<Change>& changes, std::uint64_t revision,
           TimePoint now) {
  for (const auto& [before, after] : changes) {
    if (after)
      state.put(*after, revision, now);
    else
      state.erase(*before);
  }
}

}  // namespace dove::controller
