// All bindings of one network, as the controller keeps them for this host: a snapshot, then deltas
// that each say which one they follow. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "agent/directory.h"
#include "core/binding.h"

namespace dove::agent {

class Replica {
 public:
  enum class Taken {
    kNothing,  // it changes nothing: a repetition, or a part of something larger
    kChanged,  // by the word's own bindings
    kRenewed,  // as a whole
    kGap,      // something is missing between what is here and this: ask for all again
  };
  Taken take(const ReplicaWord& word);
  // It may not be all and true any more.
  void doubt() noexcept {
    whole_ = coming_ = false;
    parts_.clear();
  }

  // All there is is here, and is true as far as the session has told.
  bool is_whole() const noexcept { return whole_; }
  bool empty() const noexcept { return macs_.empty() && ips_.empty(); }
  std::uint64_t revision() const noexcept { return revision_; }
  std::uint64_t digest() const noexcept;
  std::size_t endpoints() const noexcept { return macs_.size(); }
  const MacBinding* find(const MacAddress& mac) const;
  const IpBinding* find(const IpAddress& ip) const;
  std::vector<BindingRecord> bindings() const;

  // As it was saved: not whole.
  static Replica restored(std::uint64_t revision, std::span<const BindingRecord> bindings);

 private:
  Taken take_part(const ReplicaWord& word);
  void set(const BindingRecord& record);
  void erase(const Key& key);

  std::uint64_t revision_ = 0;
  bool whole_ = false;
  std::unordered_map<MacAddress, MacBinding> macs_;
  std::unordered_map<IpAddress, IpBinding> ips_;
  bool coming_ = false;               // a snapshot is
  std::vector<BindingRecord> parts_;  // of it
};

}  // namespace dove::agent
