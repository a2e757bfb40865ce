// Which hosts there are, and to which of them each network's broadcasts go, and each group's frames
// where membership decides. The lists name hosts; what is flooded to are the VTEPs of those that
// are known, without this host's own.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "core/binding.h"
#include "core/key.h"
#include "core/vni.h"
#include "core/vtep.h"

namespace dove::agent {

class FloodLists {
 public:
  void set_self(HostId self) { self_ = self; }
  bool is_self(HostId host) const { return self_ == host; }

  // --- hosts
  // The VTEP of a host, nullptr when it is not known; valid until the next change.
  const Vtep* vtep_of(HostId host) const;
  // Returns whether it changed anything.
  bool set_host(HostId host, const std::optional<Vtep>& vtep);
  std::vector<HostId> hosts() const;
  // Host ids mean nothing any more. Lists stay as they are until they are told in full.
  void forget_hosts();

  // --- lists
  // What the kernel has already stays until the list is told in full. False when it has been.
  bool adopt(Vni vni, std::vector<Vtep> vteps);
  // Returns whether vteps() is another than before.
  bool change(Vni vni, std::span<const HostId> add, std::span<const HostId> remove, bool full);
  // The networks whose vteps() changed because of these hosts.
  std::vector<Vni> refresh(std::span<const HostId> changed);
  void erase(Vni vni) {
    lists_.erase(vni);
    groups_.erase(vni);
  }

  // As they were told in full and since; empty when they were not.
  std::optional<std::vector<HostId>> members(Vni vni) const;

  // Sorted; empty for a network without a list.
  const std::vector<Vtep>& vteps(Vni vni) const;

  // --- lists of groups, likewise
  bool adopt(const MacKey& group, std::vector<Vtep> vteps);
  bool change(const MacKey& group, std::span<const HostId> add, std::span<const HostId> remove,
              bool full);
  // All that were to be told in full have been, so the others have no members: those whose vteps()
  // changed.
  std::vector<MacAddress> end_telling(Vni vni);
  const std::vector<Vtep>& vteps(const MacKey& group) const;
  // Those that are told to have members, without this host.
  std::map<MacAddress, std::vector<HostId>> groups(Vni vni) const;

 private:
  struct FloodList {
    std::vector<HostId> members;  // sorted
    std::vector<Vtep> vteps;      // sorted
    bool frozen = false;          // vteps are the kernel's own; not yet told in full
    bool told = false;            // in full, since the end of telling
  };
  static bool adopt(FloodList& list, std::vector<Vtep> vteps);
  bool change(FloodList& list, std::span<const HostId> add, std::span<const HostId> remove,
              bool full) const;
  bool refresh(FloodList& list, std::span<const HostId> changed) const;
  bool update(FloodList& list) const;

  std::optional<HostId> self_;
  std::unordered_map<HostId, Vtep> hosts_;
  std::unordered_map<Vni, FloodList> lists_;
  std::unordered_map<Vni, std::map<MacAddress, FloodList>> groups_;
};

}  // namespace dove::agent
