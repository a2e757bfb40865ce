// The kernel's tables made as the mirror says, wherever they differ.
#include "agent/datapath/programmer.h"
#include "netlink/dump.h"

namespace dove::agent {

using netlink::Change;
using netlink::FdbEntry;
using netlink::NeighbourEntry;

std::optional<Programmer::Mirror> Programmer::mirror(Vni vni) const {
  const auto found = networks_.find(vni);
  if (found == networks_.end()) return std::nullopt;
  return Mirror{found->second, form(found->second)};
}

Result<std::vector<TableDifference>> Programmer::differences(Vni vni) {
  const auto found = networks_.find(vni);
  if (found == networks_.end()) return std::vector<TableDifference>{};
  const auto entries = netlink::dump_fdb(query_, found->second.vxlan);
  if (!entries) return entries.error();
  const auto neighbours = netlink::dump_neighbours(query_, found->second.vxlan);
  if (!neighbours) return neighbours.error();
  TableComparison comparison{form(found->second)};
  for (const auto& entry : *entries) comparison.see(found->second, entry);
  for (const auto& entry : *neighbours) comparison.see(found->second, entry);
  return comparison.finish(found->second);
}

// What stands for the punt and the router names the old device: it is set anew by its owner.
Programmer::Missing Programmer::move_network(Vni vni, IfIndex vxlan) {
  Network& network = networks_[vni];
  network.vxlan = vxlan;
  network.punts.clear();
  network.punt.reset();
  network.router_entry.reset();
  network.router = {};
  return mend(vni, TableComparison{form(network)}.finish(network)).missing;
}

Programmer::Mended Programmer::mend(Vni vni, const std::vector<TableDifference>& differences) {
  Mended mended{{}, std::vector<std::error_code>(differences.size())};
  const auto found = networks_.find(vni);
  if (found == networks_.end()) return mended;
  Network& network = found->second;
  const auto changes = mending(network, form(network), differences);
  std::vector<bool> foreign;
  for (const auto& difference : differences)
    foreign.push_back(!forget(vni, network, difference, mended.missing));
  const auto verdicts = carry_out(changes);
  for (std::size_t i = 0; i < changes.size(); ++i) {
    auto& verdict = mended.verdicts[changes[i].difference];
    if (!verdict) verdict = verdicts[i];
  }
  for (std::size_t i = 0; i < differences.size(); ++i)
    if (foreign[i] && !mended.verdicts[i]) ++counters_.mended;
  return mended;
}

// Whether it is gone rightly: then the mirror does not want it any more.
bool Programmer::forget(Vni vni, Network& network, const TableDifference& aged, Missing& missing) {
  if (!may_age(network, aged)) return false;
  if (const auto* entry = std::get_if<FdbEntry>(&*aged.should)) {
    if (network.remotes.erase(entry->mac) != 0) missing.fdb.push_back({vni, entry->mac});
  } else {
    const auto& ip = std::get<NeighbourEntry>(*aged.should).ip;
    if (network.neighbours.erase(ip) != 0) missing.neighbours.push_back({vni, ip});
  }
  return true;
}

// What cannot be replaced (an entry of a kind that we never make) is deleted and made.
std::vector<std::error_code> Programmer::carry_out(const std::vector<TableChange>& changes) {
  const auto put = [this](Change how, const TableRow& row) {
    std::visit([&](const auto& one) { netlink::add(batch_, how, one); }, row);
  };
  for (const auto& change : changes) put(change.how, change.row);
  std::vector<std::error_code> verdicts;
  for (const auto& verdict : batch_.commit()) verdicts.push_back(verdict.error);
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const auto& [how, row, difference] = changes[i];
    if (how == Change::kDelete && is_absent(verdicts[i])) verdicts[i].clear();
    const auto* entry = std::get_if<FdbEntry>(&row);
    if (!verdicts[i] || how != Change::kReplace || entry == nullptr) continue;
    put(Change::kDelete, FdbEntry{.device = entry->device, .mac = entry->mac});
    put(Change::kReplace, row);
    verdicts[i] = batch_.commit()[1].error;
  }
  return verdicts;
}

}  // namespace dove::agent
