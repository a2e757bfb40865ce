#include "agent/datapath/programmer.h"

#include <algorithm>
#include <cerrno>

#include "netlink/dump.h"

namespace dove::agent {
namespace {

using netlink::Change;
using netlink::FdbEntry;
using netlink::State;

Vni network_of(const KernelChange& change) {
  return std::visit([](const auto& one) { return one.key.vni; }, change);
}

IpAddress unspecified(const IpAddress& of_family) {
  return of_family.is_v4() ? IpAddress::v4(0) : *IpAddress::parse("::");
}

}  // namespace

bool Programmer::is_absent(const std::error_code& error) {
  return error == std::errc::no_such_file_or_directory || error == std::errc::address_not_available;
}

Result<Programmer> Programmer::open(const Vtep& local) {
  auto batch = netlink::Batch::open();
  if (!batch) return batch.error();
  auto query = netlink::Query::open();
  if (!query) return query.error();
  return Programmer{std::move(*batch), std::move(*query), local};
}

Programmer::Programmer(netlink::Batch batch, netlink::Query query, const Vtep& local)
    : batch_{std::move(batch)},
      query_{std::move(query)},
      port_{local.port},
      nowhere_{unspecified(local.address)} {}

void Programmer::add_network(Vni vni, IfIndex vxlan) {
  Network network;
  network.vxlan = vxlan;
  networks_.insert_or_assign(vni, std::move(network));
}

bool Programmer::has(Vni vni, IfIndex vxlan) const {
  const auto found = networks_.find(vni);
  return found != networks_.end() && found->second.vxlan == vxlan;
}

void Programmer::remove_network(Vni vni) { networks_.erase(vni); }

void Programmer::enqueue(Change how, const FdbEntry& entry, Pending pending) {
  netlink::add(batch_, how, entry);
  pending_.push_back(std::move(pending));
}

// The kernel refuses to delete a destination that names a device which is no more. Without a
// destination the whole list goes.
void Programmer::delete_default(const Network& network) {
  netlink::add(batch_, Change::kDelete, FdbEntry{.device = network.vxlan, .mac = MacAddress{}});
}

Status Programmer::set_punt(Vni vni, const IpAddress& gateway, IfIndex via) {
  const auto found = networks_.find(vni);
  if (found == networks_.end())
    return Error{ErrorCode::kNotFound, "no network " + vni.to_string() + " on this host"};
  auto& network = found->second;
  const FdbEntry wanted{.device = network.vxlan,
                        .mac = MacAddress{},
                        .destination = gateway,
                        .via = via,
                        .state = State::kPermanent};
  network.punt = wanted;
  const auto adopted = std::exchange(network.punts, {wanted});
  const bool through_another =
      std::any_of(adopted.begin(), adopted.end(), [&](const auto& old) { return old.via != via; });
  if (through_another) {
    delete_default(network);
    (void)batch_.commit();  // it may have gone with its device
  }
  netlink::add(batch_, Change::kAppend, wanted);
  for (const auto& old : adopted)
    if (!through_another && old.destination != gateway) netlink::add(batch_, Change::kDelete, old);
  return batch_.commit_all("direct unknown frames of network " + vni.to_string() +
                           " into the punt");
}

Status Programmer::clear_punt(Vni vni) {
  const auto found = networks_.find(vni);
  if (found == networks_.end()) return {};
  found->second.punt.reset();
  if (!std::exchange(found->second.punts, {}).empty()) delete_default(found->second);
  return batch_.commit_all("stop the punt of network " + vni.to_string());
}

std::vector<RefusedChange> Programmer::apply(std::span<const KernelChange> changes) {
  const auto began = std::chrono::steady_clock::now();
  std::vector<RefusedChange> refused;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const auto network = networks_.find(network_of(changes[i]));
    if (network == networks_.end())
      refused.push_back({i, std::make_error_code(std::errc::no_such_device)});
    else
      std::visit([&](const auto& change) { write(change, network->second, i); }, changes[i]);
  }
  commit(refused);
  std::sort(refused.begin(), refused.end(),
            [](const auto& a, const auto& b) { return a.index < b.index; });
  counters_.changes += changes.size();
  counters_.refusals += refused.size();
  counters_.batch_size.add(changes.size());
  counters_.batch_time.add(std::chrono::steady_clock::now() - began);
  return refused;
}

TableSizes Programmer::sizes() const {
  TableSizes sizes;
  for (const auto& [vni, network] : networks_) {
    sizes.remotes += network.remotes.size();
    sizes.locals += network.locals.size();
    sizes.neighbours += network.neighbours.size() + network.router.gateways.size();
  }
  return sizes;
}

void Programmer::commit(std::vector<RefusedChange>& refused) {
  const auto verdicts = batch_.commit();
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    const auto& pending = pending_[i];
    if (verdicts[i].ok()) continue;
    if (pending.on_refused) pending.on_refused();
    if (pending.may_be_absent && is_absent(verdicts[i].error)) continue;
    // One word a change, and the first: a list that was refused for two reasons is refused.
    if (refused.empty() || refused.back().index != pending.change)
      refused.push_back({pending.change, verdicts[i].error});
  }
  pending_.clear();
}

void Programmer::write(const SetFdb& change, Network& network, std::size_t index) {
  const MacAddress& mac = change.key.mac;
  network.locals.erase(mac);
  network.unconfirmed.erase(mac);
  const Remote remote{change.vtep, change.target};
  network.remotes.insert_or_assign(mac, remote);
  enqueue(Change::kReplace, form(network).to(mac, remote),
          {index, false, [&network, mac] { network.remotes.erase(mac); }});
}

void Programmer::write(const SetLocalFdb& change, Network& network, std::size_t index) {
  const MacAddress& mac = change.key.mac;
  network.locals.insert(mac);
  network.unconfirmed.erase(mac);
  network.remotes.erase(mac);
  enqueue(Change::kReplace, form(network).to_nowhere(mac), {index});
}

void Programmer::write(const DeleteFdb& change, Network& network, std::size_t index) {
  const MacAddress& mac = change.key.mac;
  network.locals.erase(mac);
  network.unconfirmed.erase(mac);
  network.remotes.erase(mac);
  enqueue(Change::kDelete, {.device = network.vxlan, .mac = mac}, {index, true});
}

void Programmer::write(const SetNeighbour& change, Network& network, std::size_t index) {
  const IpAddress& ip = change.key.ip;
  network.neighbours.insert_or_assign(ip, change.mac);
  netlink::add(batch_, Change::kReplace, form(network).neighbour(ip, change.mac));
  pending_.push_back({index, false, [&network, ip] { network.neighbours.erase(ip); }});
}

void Programmer::write(const DeleteNeighbour& change, Network& network, std::size_t index) {
  network.neighbours.erase(change.key.ip);
  netlink::add(batch_, Change::kDelete,
               netlink::NeighbourEntry{.device = network.vxlan, .ip = change.key.ip});
  pending_.push_back({index, true});
}

void Programmer::append(const MacKey& key, Network& network, const Vtep& vtep, std::size_t index) {
  network.lists[key.mac].insert(vtep);
  enqueue(Change::kAppend, form(network).to(key.mac, {vtep, {}}),
          {index, false, [&network, mac = key.mac, vtep] { network.lists[mac].erase(vtep); }});
}

void Programmer::drop_list(const MacAddress& mac, Network& network, std::size_t index) {
  if (network.lists.erase(mac) == 0) return;
  enqueue(Change::kDelete, {.device = network.vxlan, .mac = mac}, {index, true});
}

void Programmer::write(const SetGroup& change, Network& network, std::size_t index) {
  const MacKey& key = change.key;
  const List wanted(change.vteps.begin(), change.vteps.end());
  const auto known = network.lists.find(key.mac);
  const bool absent = known == network.lists.end();
  const List has = absent ? List{} : known->second;
  if (!absent && has == wanted) return;

  if (!absent && has.empty()) drop_list(key.mac, network, index);
  network.lists[key.mac];
  std::optional<FdbEntry> punted;
  if (has.empty() && wanted.size() > 1) punted = network.punt;
  if (punted) {
    punted->mac = key.mac;
    enqueue(Change::kAppend, *punted, {index});
  }
  for (const auto& vtep : wanted)
    if (has.count(vtep) == 0) append(key, network, vtep, index);
  if (punted) enqueue(Change::kDelete, *punted, {index, true});
  if (wanted.empty())
    enqueue(Change::kAppend, form(network).to_nowhere(key.mac),
            {index, false, [&network, mac = key.mac] { network.lists.erase(mac); }});
  for (const auto& vtep : has) {
    if (wanted.count(vtep) != 0) continue;
    network.lists[key.mac].erase(vtep);
    enqueue(Change::kDelete, form(network).to(key.mac, {vtep, {}}), {index, true});
  }
}

void Programmer::write(const DeleteGroup& change, Network& network, std::size_t index) {
  drop_list(change.key.mac, network, index);
}

void Programmer::adopt_entry(Vni vni, Network& network, const FdbEntry& entry,
                             Datapath::Adopted& adopted) const {
  const bool nowhere = !entry.destination || entry.destination->is_unspecified();
  if (entry.mac.is_zero()) {
    network.punts.push_back(entry);
    return;
  }
  if ((entry.flags & NTF_ROUTER) != 0) {
    network.router.mac = entry.mac;
    return;
  }
  const Vtep vtep{entry.destination.value_or(nowhere_), entry.port == 0 ? port_ : entry.port};
  if (entry.mac.is_multicast()) {
    auto& list = network.lists[entry.mac];
    if (!nowhere) list.insert(vtep);
  } else if (nowhere) {
    network.locals.insert(entry.mac);
    network.unconfirmed.insert(entry.mac);
  } else {
    network.remotes.insert_or_assign(entry.mac, Remote{vtep, entry.vni});
    adopted.fdb.push_back({{vni, entry.mac}, vtep, entry.vni});
  }
}

void Programmer::adopt_neighbour(Vni vni, Network& network, const netlink::NeighbourEntry& entry,
                                 Datapath::Adopted& adopted) const {
  if (entry.state != State::kPermanent || !entry.mac.is_unicast()) return;
  if (entry.mac == network.router.mac) {
    network.router.gateways.push_back(entry.ip);
    return;
  }
  network.neighbours.insert_or_assign(entry.ip, entry.mac);
  adopted.neighbours.push_back({{vni, entry.ip}, entry.mac});
}

Result<Datapath::Adopted> Programmer::adopt(Vni vni) {
  const auto network = networks_.find(vni);
  if (network == networks_.end())
    return Error{ErrorCode::kNotFound, "no network " + vni.to_string() + " on this host"};
  const auto entries = netlink::dump_fdb(query_, network->second.vxlan);
  if (!entries) return entries.error();
  const auto neighbours = netlink::dump_neighbours(query_, network->second.vxlan);
  if (!neighbours) return neighbours.error();

  Datapath::Adopted adopted;
  for (const auto& entry : *entries) adopt_entry(vni, network->second, entry, adopted);
  for (const auto& [mac, list] : network->second.lists)
    adopted.groups.push_back({{vni, mac}, {list.begin(), list.end()}});
  for (const auto& entry : *neighbours) adopt_neighbour(vni, network->second, entry, adopted);
  adopted.router = network->second.router;
  return adopted;
}

void Programmer::forget_unconfirmed() {
  std::vector<KernelChange> changes;
  for (const auto& [vni, network] : networks_)
    for (const auto& mac : network.unconfirmed) changes.push_back(DeleteFdb{{vni, mac}});
  (void)apply(changes);
}

Status Programmer::clear(Vni vni) {
  const auto held = adopt(vni);
  if (!held) return held.error();
  std::vector<KernelChange> changes;
  for (const auto& neighbour : held->neighbours) changes.push_back(DeleteNeighbour{neighbour.key});
  for (const auto& entry : held->fdb) changes.push_back(DeleteFdb{entry.key});
  for (const auto& group : held->groups) changes.push_back(DeleteGroup{group.key});
  for (const auto& mac : networks_.at(vni).unconfirmed) changes.push_back(DeleteFdb{{vni, mac}});
  (void)apply(changes);
  return {};
}

bool Programmer::is_lost(const MacKey& key) {
  const auto found = networks_.find(key.vni);
  if (found == networks_.end() || found->second.remotes.count(key.mac) == 0) return false;
  const auto entry = netlink::find_fdb(query_, found->second.vxlan, key.mac);
  if (!entry || entry->has_value()) return false;
  found->second.remotes.erase(key.mac);
  return true;
}

bool Programmer::is_lost(const IpKey& key) {
  const auto found = networks_.find(key.vni);
  if (found == networks_.end() || found->second.neighbours.count(key.ip) == 0) return false;
  const auto entry = netlink::find_neighbour(query_, found->second.vxlan, key.ip);
  if (!entry || entry->has_value()) return false;
  found->second.neighbours.erase(key.ip);
  return true;
}

}  // namespace dove::agent
