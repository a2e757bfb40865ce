// The records of one network by their key. The records themselves live in a slab that all networks
// share.
#pragma once

#include <cstddef>
#include <span>

#include "agent/resolver/hash_index.h"
#include "agent/resolver/record.h"
#include "agent/resolver/slab.h"

namespace dove::agent {

inline const MacAddress& key_of(const MacRecord& record) noexcept { return record.mac; }
inline const IpAddress& key_of(const IpRecord& record) noexcept { return record.ip; }

template <class R, class K>
class KeyTable {
 public:
  KeyTable(Slab<R>& slab, std::uint64_t seed) noexcept : slab_{&slab}, seed_{seed} {}

  std::size_t size() const noexcept { return index_.size(); }
  R* find(const K& key) const {
    const auto id = index_.find(hash(key), [&](auto i) { return key_of((*slab_)[i]) == key; });
    return id ? &(*slab_)[*id] : nullptr;
  }
  // Precondition: the key is not there.
  R& add(Network& network, const K& key) {
    const std::uint32_t id = slab_->make(network, 0U, key);
    (*slab_)[id].id = id;
    index_.insert(hash(key), id);
    return (*slab_)[id];
  }
  void erase(R& record) noexcept {
    const std::uint32_t id = record.id;
    index_.erase(hash(key_of(record)), id);
    slab_->destroy(id);
  }
  // `visit` must neither add nor erase.
  template <class Visit>
  void for_each(Visit visit) const {
    index_.for_each([&](std::uint32_t id) { visit((*slab_)[id]); });
  }
  // Links of other objects to the records are the caller's to cut.
  void destroy_all() noexcept {
    index_.for_each([&](std::uint32_t id) { slab_->destroy(id); });
    index_ = {};
  }

 private:
  std::size_t hash(const K& key) const noexcept { return key.hash(seed_); }
  Slab<R>* slab_;
  std::uint64_t seed_;
  HashIndex index_;
};

}  // namespace dove::agent
