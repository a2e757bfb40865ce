#include "agent/resolver/flood_lists.h"

#include <algorithm>
#include <utility>

namespace dove::agent {
namespace {

bool contains(const std::vector<HostId>& sorted, HostId host) {
  return std::binary_search(sorted.begin(), sorted.end(), host);
}

void insert(std::vector<HostId>& sorted, HostId host) {
  const auto at = std::lower_bound(sorted.begin(), sorted.end(), host);
  if (at == sorted.end() || *at != host) sorted.insert(at, host);
}

void remove(std::vector<HostId>& sorted, HostId host) {
  const auto at = std::lower_bound(sorted.begin(), sorted.end(), host);
  if (at != sorted.end() && *at == host) sorted.erase(at);
}

}  // namespace

const Vtep* FloodLists::vtep_of(HostId host) const {
  const auto found = hosts_.find(host);
  return found != hosts_.end() ? &found->second : nullptr;
}

bool FloodLists::set_host(HostId host, const std::optional<Vtep>& vtep) {
  if (!vtep) return hosts_.erase(host) != 0;
  const auto [at, added] = hosts_.emplace(host, *vtep);
  return added || std::exchange(at->second, *vtep) != *vtep;
}

std::vector<HostId> FloodLists::hosts() const {
  std::vector<HostId> ids;
  for (const auto& [id, vtep] : hosts_) ids.push_back(id);
  return ids;
}

void FloodLists::forget_hosts() {
  hosts_.clear();
  for (auto& [vni, list] : lists_) {
    list.members.clear();
    list.frozen = true;
  }
}

bool FloodLists::adopt(Vni vni, std::vector<Vtep> vteps) {
  const auto [at, added] = lists_.try_emplace(vni);
  if (!added) return false;
  at->second.vteps = std::move(vteps);
  std::sort(at->second.vteps.begin(), at->second.vteps.end());
  at->second.frozen = true;
  return true;
}

bool FloodLists::change(Vni vni, std::span<const HostId> add, std::span<const HostId> remove_hosts,
                        bool full) {
  FloodList& list = lists_[vni];
  if (full) {
    list.members.clear();
    list.frozen = false;
  }
  for (const HostId host : add) insert(list.members, host);
  for (const HostId host : remove_hosts) remove(list.members, host);
  return update(list);
}

std::vector<Vni> FloodLists::refresh(std::span<const HostId> changed) {
  std::vector<Vni> networks;
  for (auto& [vni, list] : lists_) {
    const auto concerns = [&, &members = list.members](HostId host) {
      return contains(members, host);
    };
    const bool own = self_ && std::find(changed.begin(), changed.end(), *self_) != changed.end();
    if ((own || std::any_of(changed.begin(), changed.end(), concerns)) && update(list))
      networks.push_back(vni);
  }
  return networks;
}

bool FloodLists::update(FloodList& list) const {
  if (list.frozen) return false;
  const Vtep* own = self_ ? vtep_of(*self_) : nullptr;
  std::vector<Vtep> vteps;
  for (const HostId host : list.members) {
    const Vtep* vtep = vtep_of(host);
    if (vtep == nullptr || is_self(host) || (own != nullptr && *vtep == *own)) continue;
    vteps.push_back(*vtep);
  }
  std::sort(vteps.begin(), vteps.end());
  vteps.erase(std::unique(vteps.begin(), vteps.end()), vteps.end());
  return std::exchange(list.vteps, vteps) != vteps;
}

const std::vector<Vtep>& FloodLists::vteps(Vni vni) const {
  static const std::vector<Vtep> kNone;
  const auto found = lists_.find(vni);
  return found != lists_.end() ? found->second.vteps : kNone;
}

}  // namespace dove::agent
