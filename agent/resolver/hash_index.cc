#include "agent/resolver/hash_index.h"

#include <utility>

namespace dove::agent {

void HashIndex::insert(std::size_t hash, std::uint32_t id) {
  if ((size_ + 1) * 3 > slots_.size() * 2) grow();
  place(Slot{short_hash(hash), id});
  ++size_;
}

void HashIndex::place(Slot slot) noexcept {
  std::size_t at = home(slot.hash);
  while (slots_[at].id != kFree) at = next(at);
  slots_[at] = slot;
}

void HashIndex::grow() {
  const std::vector<Slot> old = std::exchange(slots_, {});
  slots_.resize(old.empty() ? 8 : old.size() * 2);
  for (const Slot& slot : old)
    if (slot.id != kFree) place(slot);
}

// The entries behind the hole move up, as far as each may without passing its home.
void HashIndex::erase(std::size_t hash, std::uint32_t id) noexcept {
  std::size_t hole = home(hash);
  while (slots_[hole].id != id) hole = next(hole);
  for (std::size_t at = next(hole); slots_[at].id != kFree; at = next(at)) {
    const std::size_t wants = home(slots_[at].hash);
    if (((at - wants) & mask()) < ((at - hole) & mask())) continue;
    slots_[hole] = slots_[at];
    hole = at;
  }
  slots_[hole] = Slot{};
  --size_;
}

}  // namespace dove::agent
