#include "agent/resolver/flood_lists.h"

#include <algorithm>
#include <set>
#include <utility>

namespace dove::agent {
namespace {

const std::vector<Vtep> kNone;

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
  const auto forget = [](FloodList& list) {
    list.members.clear();
    list.frozen = true;
  };
  hosts_.clear();
  for (auto& [vni, list] : lists_) forget(list);
  for (auto& [vni, groups] : groups_)
    for (auto& [mac, list] : groups) forget(list);
}

std::optional<std::vector<HostId>> FloodLists::members(Vni vni) const {
  const auto found = lists_.find(vni);
  if (found == lists_.end() || found->second.frozen) return std::nullopt;
  return found->second.members;
}

bool FloodLists::adopt(FloodList& list, std::vector<Vtep> vteps) {
  list.vteps = std::move(vteps);
  std::sort(list.vteps.begin(), list.vteps.end());
  list.frozen = true;
  return true;
}

bool FloodLists::adopt(Vni vni, std::vector<Vtep> vteps) {
  const auto [at, added] = lists_.try_emplace(vni);
  return added && adopt(at->second, std::move(vteps));
}

bool FloodLists::adopt(const MacKey& group, std::vector<Vtep> vteps) {
  const auto [at, added] = groups_[group.vni].try_emplace(group.mac);
  return added && adopt(at->second, std::move(vteps));
}

bool FloodLists::change(FloodList& list, std::span<const HostId> add,
                        std::span<const HostId> remove_hosts, bool full) const {
  if (full) {
    list.members.clear();
    list.frozen = false;
    list.told = true;
  }
  for (const HostId host : add) insert(list.members, host);
  for (const HostId host : remove_hosts) remove(list.members, host);
  return update(list);
}

bool FloodLists::change(Vni vni, std::span<const HostId> add, std::span<const HostId> remove_hosts,
                        bool full) {
  return change(lists_[vni], add, remove_hosts, full);
}

bool FloodLists::change(const MacKey& group, std::span<const HostId> add,
                        std::span<const HostId> remove_hosts, bool full) {
  auto& groups = groups_[group.vni];
  auto& list = groups[group.mac];
  const bool changed = change(list, add, remove_hosts, full);
  if (list.members.empty() && !list.frozen && !list.told) groups.erase(group.mac);
  return changed;
}

std::vector<MacAddress> FloodLists::end_telling(Vni vni) {
  std::vector<MacAddress> changed;
  auto& groups = groups_[vni];
  for (auto at = groups.begin(); at != groups.end();) {
    auto& [mac, list] = *at;
    const bool told = std::exchange(list.told, false);
    if (!told && change(list, {}, {}, true)) changed.push_back(mac);
    list.told = false;
    at = list.members.empty() ? groups.erase(at) : std::next(at);
  }
  return changed;
}

bool FloodLists::refresh(FloodList& list, std::span<const HostId> changed) const {
  const auto concerns = [&](HostId host) { return contains(list.members, host); };
  const bool own = self_ && std::find(changed.begin(), changed.end(), *self_) != changed.end();
  return (own || std::any_of(changed.begin(), changed.end(), concerns)) && update(list);
}

std::vector<Vni> FloodLists::refresh(std::span<const HostId> changed) {
  std::set<Vni> networks;
  for (auto& [vni, list] : lists_)
    if (refresh(list, changed)) networks.insert(vni);
  for (auto& [vni, groups] : groups_)
    for (auto& [mac, list] : groups)
      if (refresh(list, changed)) networks.insert(vni);
  return {networks.begin(), networks.end()};
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

std::map<MacAddress, std::vector<HostId>> FloodLists::groups(Vni vni) const {
  std::map<MacAddress, std::vector<HostId>> all;
  const auto network = groups_.find(vni);
  if (network == groups_.end()) return all;
  for (const auto& [mac, list] : network->second) {
    auto members = list.members;
    if (self_) remove(members, *self_);
    if (!list.frozen && !members.empty()) all.emplace(mac, std::move(members));
  }
  return all;
}

const std::vector<Vtep>& FloodLists::vteps(Vni vni) const {
  const auto found = lists_.find(vni);
  return found != lists_.end() ? found->second.vteps : kNone;
}

const std::vector<Vtep>& FloodLists::vteps(const MacKey& group) const {
  const auto network = groups_.find(group.vni);
  if (network == groups_.end()) return kNone;
  const auto found = network->second.find(group.mac);
  return found != network->second.end() ? found->second.vteps : kNone;
}

}  // namespace dove::agent
