#include <algorithm>

#include "agent/resolver/state.h"

namespace dove::agent {
namespace {

constexpr unsigned kDoublings = 5;

}  // namespace

void Resolver::State::note_refusal(const Key& key, std::error_code error, bool deletion) {
  if (refused.size() >= limits.repairs && refused.count(key) == 0) return;
  auto& refusal = refused[key];
  refusal.error = error;
  refusal.deletion = deletion;
  ++refusal.times;
}

std::chrono::milliseconds Resolver::State::refusal_pause(const Key& key) const {
  const auto known = refused.find(key);
  const unsigned times = known == refused.end() ? 1 : known->second.times;
  return limits.ask_again * (1U << std::min(times - 1, kDoublings));
}

void Resolver::State::repair_later(const Key& key) {
  if (repairs.size() < limits.repairs)
    repairs.emplace(now + refusal_pause(key), key);
  else
    count_drop(DropReason::kRepairLimit);
}

bool Resolver::State::is_deletion(const KernelChange& change) {
  return std::holds_alternative<DeleteFdb>(change) ||
         std::holds_alternative<DeleteNeighbour>(change) ||
         std::holds_alternative<DeleteGroup>(change);
}

// That nothing stands in its place makes no entry of what was refused.
void Resolver::on_taken(const KernelChange& change) {
  auto& refused = state_->refused;
  if (refused.empty()) return;
  const auto found = std::visit([&](const auto& taken) { return refused.find(taken.key); }, change);
  if (found == refused.end()) return;
  const auto is_known = [&](const auto& key) { return state_->records.find(key) != nullptr; };
  if (State::is_deletion(change) && !found->second.deletion && std::visit(is_known, found->first))
    return;
  refused.erase(found);
}

const std::map<Key, Resolver::Refused>& Resolver::refused() const noexcept {
  return state_->refused;
}

}  // namespace dove::agent
