#include <algorithm>

#include "agent/multicast.h"
#include "agent/resolver/state.h"

namespace dove::agent {

// The ids of those that are not as before, sorted.
std::vector<HostId> Resolver::State::change_hosts(std::span<const HostChange> changes, bool full) {
  std::vector<HostId> changed;
  std::vector<HostId> told;
  for (const HostChange& change : changes) {
    told.push_back(change.id);
    if (flood_lists.set_host(change.id, change.vtep)) changed.push_back(change.id);
  }
  std::sort(told.begin(), told.end());
  for (const HostId host : full ? flood_lists.hosts() : std::vector<HostId>{}) {
    if (std::binary_search(told.begin(), told.end(), host)) continue;
    flood_lists.set_host(host, std::nullopt);
    changed.push_back(host);
  }
  std::sort(changed.begin(), changed.end());
  return changed;
}

void Resolver::State::on_hosts(std::span<const HostChange> changes, bool full, Actions& out) {
  const std::vector<HostId> changed = change_hosts(changes, full);
  if (changed.empty()) return;
  for (const Vni vni : flood_lists.refresh(changed)) set_groups(vni, out);
  const auto settle_if_there = [&](MacRecord& record) {
    if (record.known == Known::kFound &&
        std::binary_search(changed.begin(), changed.end(), record.host))
      settle(record, out);
  };
  records.for_each_network([&](Network& network) { network.macs.for_each(settle_if_there); });
}

void Resolver::State::open_network(Vni vni, std::span<const GroupRow> adopted, Actions& out) {
  if (records.network(vni) != nullptr) return;
  Network& network = records.add_network(vni);
  const auto row_of = [&](const MacAddress& mac) {
    return std::find_if(adopted.begin(), adopted.end(),
                        [&](const GroupRow& row) { return row.key.mac == mac; });
  };
  const auto broadcast = row_of(MacAddress::broadcast());
  const bool keep = broadcast != adopted.end() && flood_lists.adopt(vni, broadcast->vteps);

  std::vector<MacAddress> groups{MacAddress::broadcast()};
  groups.insert(groups.end(), well_known_groups.begin(), well_known_groups.end());
  network.well_known_groups = groups.size();
  for (const GroupRow& row : adopted) {
    if (std::find(groups.begin(), groups.end(), row.key.mac) != groups.end()) continue;
    if (groups.size() < network.well_known_groups + limits.groups_per_network)
      groups.push_back(row.key.mac);
    else
      out.kernel.emplace_back(DeleteGroup{row.key});
  }
  for (const MacAddress& mac : groups) {
    network.groups.push_back(Group{mac, now});
    const auto row = row_of(mac);
    const bool has_own = row != adopted.end() && reach_of(mac) == Reach::kMembers;
    const bool kept =
        has_own ? flood_lists.adopt(MacKey{vni, mac}, row->vteps) : keep && row != adopted.end();
    if (!kept) set_group(network, network.groups.back(), out);
  }
}

void Resolver::State::close_network(Network& network, Actions& out) {
  network.ips.for_each([&](IpRecord& record) {
    drop_waiters(record, DropReason::kUnknownNetwork);
    forget(record, out);
  });
  network.macs.for_each([&](MacRecord& record) {
    drop_waiters(record, DropReason::kUnknownNetwork);
    forget(record, out);
  });
  flood_lists.erase(network.vni);
  std::erase_if(refused, [&](const auto& one) {
    return std::visit([](const auto& key) { return key.vni; }, one.first) == network.vni;
  });
  records.remove_network(network);
}

void Resolver::State::set_groups(Vni vni, Actions& out) {
  Network* network = records.network(vni);
  if (network == nullptr) return;
  for (Group& group : network->groups) set_group(*network, group, out);
}

void Resolver::State::set_group(Network& network, Group& group, Actions& out) const {
  group.set_at = now;
  const MacKey key{network.vni, group.mac};
  const auto& list = list_of(key);
  group.leads = !list.empty();
  out.kernel.emplace_back(SetGroup{key, list});
}

const std::vector<Vtep>& Resolver::State::list_of(const MacKey& group) const {
  return reach_of(group.mac) == Reach::kEverywhere ? flood_lists.vteps(group.vni)
                                                   : flood_lists.vteps(group);
}

// A group gets its list when a guest sends to it; but where that would never be seen, before.
void Resolver::State::on_group_changed(const MacKey& group, Actions& out) {
  Network* const network = records.network(group.vni);
  if (network == nullptr) return;
  if (Group* const known = find_group(*network, group.mac)) return set_group(*network, *known, out);
  if (well_known_groups.empty() || list_of(group).empty()) return;
  // In nobody's place who has listeners: what has no list is lost here without a word.
  const auto oldest = group_to_replace(*network);
  if (oldest && (*oldest)->leads) return count_drop(DropReason::kGroupLimit);
  add_group(*network, group.mac, out);
}

// When there is no room for another: of those that nobody listens to, or of all, the one that was
// set longest ago.
std::optional<std::vector<Group>::iterator> Resolver::State::group_to_replace(
    Network& network) const {
  auto& groups = network.groups;
  if (groups.size() < network.well_known_groups + limits.groups_per_network) return std::nullopt;
  const auto first = groups.begin() + static_cast<std::ptrdiff_t>(network.well_known_groups);
  return std::min_element(first, groups.end(), [](const Group& a, const Group& b) {
    return std::pair{a.leads, a.set_at} < std::pair{b.leads, b.set_at};
  });
}

bool Resolver::State::has_room_for_group(Network& network) const {
  const auto oldest = group_to_replace(network);
  return !oldest || now - (*oldest)->set_at >= limits.group_rest;
}

// Where there is no room it takes that of another, which is set again when it is seen again.
void Resolver::State::add_group(Network& network, const MacAddress& mac, Actions& out) {
  auto& groups = network.groups;
  if (const auto oldest = group_to_replace(network)) {
    count_drop(DropReason::kGroupLimit);
    out.kernel.emplace_back(DeleteGroup{{network.vni, (*oldest)->mac}});
    groups.erase(*oldest);
  }
  groups.push_back(Group{mac});
  set_group(network, groups.back(), out);
}

Group* Resolver::State::find_group(Network& network, const MacAddress& mac) const {
  const auto at = std::find_if(network.groups.begin(), network.groups.end(),
                               [&](const Group& group) { return group.mac == mac; });
  return at != network.groups.end() ? &*at : nullptr;
}

void Resolver::State::add_local(Network& network, const MacAddress& mac, Actions& out) {
  MacRecord& record = records.find_or_add(network, mac);
  if (record.local) return;
  record.local = true;
  record.vtep.reset();
  record.vtep_vni.reset();
  record.installed_at = now;
  RecordStore::count(record);
  out.kernel.emplace_back(SetLocalFdb{key(record)});
  settle(record, out);
}

// What the controller said of it holds again; the IPs that lead there may now be neighbours.
void Resolver::State::remove_local(MacRecord& record, Actions& out) {
  record.local = false;
  record.ips.for_each([&](IpRecord& ip) { delete_neighbour(ip, out); });
  out.kernel.emplace_back(DeleteFdb{key(record)});
  RecordStore::count(record);
  record.ips.for_each([&](IpRecord& ip) { review_later(ip); });
  review_later(record);
}

}  // namespace dove::agent
