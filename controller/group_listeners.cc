#include "controller/group_listeners.h"

#include <algorithm>

namespace dove::controller {

bool GroupListeners::add(Network& network, HostId host, const MacAddress& group) {
  auto& own = network.hosts[host];
  const bool known = network.groups.contains(group);
  if (own.size() >= kGroupsPerHost || (!known && network.groups.size() >= kGroupsPerNetwork))
    return false;
  if (!own.insert(group).second) return false;
  network.groups[group].insert(host);
  return true;
}

bool GroupListeners::remove(Network& network, HostId host, const MacAddress& group) {
  const auto own = network.hosts.find(host);
  if (own == network.hosts.end() || own->second.erase(group) == 0) return false;
  if (own->second.empty()) network.hosts.erase(own);
  const auto hosts = network.groups.find(group);
  hosts->second.erase(host);
  if (hosts->second.empty()) network.groups.erase(hosts);
  return true;
}

std::vector<GroupListeners::Change> GroupListeners::change(HostId host, const Word& word) {
  auto& network = networks_[word.vni];
  std::vector<Change> changes;
  auto removed = word.remove;
  if (word.full)
    for (const auto& group : network.hosts[host])
      if (std::find(word.add.begin(), word.add.end(), group) == word.add.end())
        removed.push_back(group);
  for (const auto& group : removed)
    if (remove(network, host, group)) changes.push_back({group, false});
  for (const auto& group : word.add)
    if (add(network, host, group)) changes.push_back({group, true});
  if (const auto own = network.hosts.find(host); own != network.hosts.end() && own->second.empty())
    network.hosts.erase(own);
  if (network.hosts.empty()) networks_.erase(word.vni);
  return changes;
}

const std::map<MacAddress, GroupListeners::Hosts>& GroupListeners::of(Vni vni) const {
  static const std::map<MacAddress, Hosts> kNone;
  const auto at = networks_.find(vni);
  return at == networks_.end() ? kNone : at->second.groups;
}

}  // namespace dove::controller
