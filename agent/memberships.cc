#include "agent/memberships.h"

#include "agent/frames/nd.h"
#include "agent/multicast.h"

namespace dove::agent {

std::optional<Memberships::Change> Memberships::join(const Listener& listener) {
  // What is rightly sent to a solicited-node address the kernel answers, or eats.
  if (reach_of(listener.mac) != Reach::kMembers || is_solicited_node(listener.group))
    return std::nullopt;
  auto& of_port = groups_of_[listener.port];
  if (of_port >= kPerPort) return std::nullopt;
  auto& listeners = networks_[listener.vni][listener.mac];
  const bool first = listeners.empty();
  if (listeners.emplace(listener.port, listener.group).second) ++of_port;
  if (!first) return std::nullopt;
  return Change{listener.vni, listener.mac, true};
}

std::optional<Memberships::Change> Memberships::leave(const Listener& listener) {
  const auto network = networks_.find(listener.vni);
  if (network == networks_.end()) return std::nullopt;
  auto& groups = network->second;
  const auto group = groups.find(listener.mac);
  if (group == groups.end() || group->second.erase({listener.port, listener.group}) == 0)
    return std::nullopt;
  if (--groups_of_[listener.port] == 0) groups_of_.erase(listener.port);
  if (!group->second.empty()) return std::nullopt;
  groups.erase(group);
  if (groups.empty()) networks_.erase(network);
  return Change{listener.vni, listener.mac, false};
}

bool Memberships::has(const Listener& listener) const {
  const auto network = networks_.find(listener.vni);
  if (network == networks_.end()) return false;
  const auto group = network->second.find(listener.mac);
  return group != network->second.end() && group->second.contains({listener.port, listener.group});
}

bool Memberships::is_full(IfIndex port) const {
  const auto groups = groups_of_.find(port);
  return groups != groups_of_.end() && groups->second >= kPerPort;
}

std::vector<Memberships::Change> Memberships::replace(std::span<const Listener> all) {
  Memberships now;
  for (const auto& listener : all) now.join(listener);
  std::vector<Change> changes;
  const auto compare = [&](const Memberships& these, const Memberships& others, bool listened) {
    for (const auto& [vni, groups] : these.networks_) {
      const auto network = others.networks_.find(vni);
      for (const auto& [mac, listeners] : groups)
        if (network == others.networks_.end() || !network->second.contains(mac))
          changes.push_back({vni, mac, listened});
    }
  };
  compare(now, *this, true);
  compare(*this, now, false);
  *this = std::move(now);
  return changes;
}

std::vector<MacAddress> Memberships::groups(Vni vni) const {
  std::vector<MacAddress> macs;
  if (const auto network = networks_.find(vni); network != networks_.end())
    for (const auto& [mac, listeners] : network->second) macs.push_back(mac);
  return macs;
}

}  // namespace dove::agent
