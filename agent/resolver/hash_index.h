// Finds numbers (of objects in a Slab) by the hash of their key: open addressing, linear probing,
// eight bytes a slot. The key itself stays in the object; `is` decides whether a number is the one
// that is looked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace dove::agent {

class HashIndex {
 public:
  std::size_t size() const noexcept { return size_; }

  template <class Is>
  std::optional<std::uint32_t> find(std::size_t hash, Is is) const {
    if (slots_.empty()) return std::nullopt;
    for (std::size_t at = home(hash);; at = next(at)) {
      const Slot& slot = slots_[at];
      if (slot.id == kFree) return std::nullopt;
      if (slot.hash == short_hash(hash) && is(slot.id)) return slot.id;
    }
  }
  // Precondition: `id` is not in yet.
  void insert(std::size_t hash, std::uint32_t id);
  // Precondition: `id` is in, under this hash.
  void erase(std::size_t hash, std::uint32_t id) noexcept;

  // `visit` must not change the index.
  template <class Visit>
  void for_each(Visit visit) const {
    for (const Slot& slot : slots_)
      if (slot.id != kFree) visit(slot.id);
  }

 private:
  static constexpr std::uint32_t kFree = 0xffffffff;
  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t id = kFree;
  };
  static std::uint32_t short_hash(std::size_t hash) noexcept {
    return static_cast<std::uint32_t>(hash);
  }
  std::size_t home(std::size_t hash) const noexcept { return short_hash(hash) & mask(); }
  std::size_t next(std::size_t at) const noexcept { return (at + 1) & mask(); }
  std::size_t mask() const noexcept { return slots_.size() - 1; }
  void place(Slot slot) noexcept;
  void grow();

  std::vector<Slot> slots_;  // a power of two of them
  std::size_t size_ = 0;
};

}  // namespace dove::agent
