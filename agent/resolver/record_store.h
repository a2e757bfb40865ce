// All records of all networks, and the bound on those that are asked or negative.
#pragma once

#include <cstddef>
#include <memory>
#include <unordered_map>

#include "agent/resolver/network.h"
#include "core/key.h"

namespace dove::agent {

class RecordStore {
 public:
  explicit RecordStore(std::uint64_t hash_seed) : seed_{hash_seed} {}

  // Valid until the network is removed; nullptr when there is none.
  Network* network(Vni vni) const;
  Network& add_network(Vni vni);
  // Its records must have no waiters left.
  void remove_network(Network& network);
  template <class Visit>
  void for_each_network(Visit visit) const {
    for (const auto& [vni, network] : networks_) visit(*network);
  }

  MacRecord* find(const MacKey& key) const;
  IpRecord* find(const IpKey& key) const;
  MacRecord& find_or_add(Network& network, const MacAddress& mac);
  IpRecord& find_or_add(Network& network, const IpAddress& ip);

  // Takes it out of every list and destroys it. Preconditions: nobody waits there; no IP leads to a
  // MAC that is erased.
  void erase(MacRecord& record);
  void erase(IpRecord& record);

  // An IP leads to this MAC from now on.
  static void lead(IpRecord& record, MacRecord& owner);
  static void lead_nowhere(IpRecord& record);

  // To be called when what decides it changed: only what the controller has not found, and what is
  // of no use to the kernel, counts as unresolved.
  static void count(Record& record);
  // The oldest unresolved record that can go without another following it; nullptr when a look at
  // the first few shows none.
  static Record* oldest_removable(Network& network);

  std::size_t keys() const noexcept { return macs_.size() + ips_.size(); }

 private:
  static void forget_links(Record& record);

  std::uint64_t seed_;
  Slab<MacRecord> macs_;
  Slab<IpRecord> ips_;
  std::unordered_map<Vni, std::unique_ptr<Network>> networks_;
  mutable Network* last_ = nullptr;  // misses come in bursts of one network
};

inline MacKey key(const MacRecord& record) noexcept { return {record.network->vni, record.mac}; }
inline IpKey key(const IpRecord& record) noexcept { return {record.network->vni, record.ip}; }

inline MacRecord& as_mac(Record& record) noexcept { return static_cast<MacRecord&>(record); }
inline IpRecord& as_ip(Record& record) noexcept { return static_cast<IpRecord&>(record); }
inline const MacRecord& as_mac(const Record& record) noexcept {
  return static_cast<const MacRecord&>(record);
}
inline const IpRecord& as_ip(const Record& record) noexcept {
  return static_cast<const IpRecord&>(record);
}

// Whether the kernel has an entry for it.
inline bool is_installed(const MacRecord& record) noexcept {
  return record.local || record.vtep.has_value();
}
inline bool is_installed(const IpRecord& record) noexcept { return record.neighbour.has_value(); }
inline bool is_installed(const Record& record) noexcept {
  return record.kind == Record::Kind::kMac ? is_installed(as_mac(record))
                                           : is_installed(as_ip(record));
}

}  // namespace dove::agent
