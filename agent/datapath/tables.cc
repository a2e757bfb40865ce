#include "agent/datapath/tables.h"

#include <algorithm>

namespace dove::agent {
namespace {

using netlink::Change;
using netlink::FdbEntry;
using netlink::NeighbourEntry;
using netlink::State;

// The kernel leaves 0.0.0.0 out, or not.
std::optional<IpAddress> real_destination(const FdbEntry& entry) {
  if (!entry.destination || entry.destination->is_unspecified()) return std::nullopt;
  return entry.destination;
}

// Whether both lead to the same place.
bool same_place(const FdbEntry& a, const FdbEntry& b) {
  return real_destination(a) == real_destination(b) && a.vni == b.vni && a.port == b.port &&
         a.via == b.via;
}

bool same(const FdbEntry& a, const FdbEntry& b) {
  return same_place(a, b) && a.state == b.state && a.flags == b.flags;
}

bool same(const NeighbourEntry& a, const NeighbourEntry& b) {
  return a.mac == b.mac && a.state == b.state;
}

bool is_list(const MacAddress& mac) { return mac.is_zero() || mac.is_multicast(); }

// The one entry of a unicast MAC.
std::optional<FdbEntry> entry_of(const Tables& wanted, const EntryForm& form,
                                 const MacAddress& mac) {
  if (wanted.router_entry && wanted.router_entry->mac == mac) return wanted.router_entry;
  if (wanted.locals.count(mac) != 0) return form.to_nowhere(mac);
  const auto remote = wanted.remotes.find(mac);
  if (remote == wanted.remotes.end()) return std::nullopt;
  return form.to(mac, remote->second);
}

// The rows of a multicast, broadcast or all-zero MAC.
std::vector<FdbEntry> rows_of(const Tables& wanted, const EntryForm& form, const MacAddress& mac) {
  if (mac.is_zero())
    return wanted.punt ? std::vector<FdbEntry>{*wanted.punt} : std::vector<FdbEntry>{};
  const auto list = wanted.lists.find(mac);
  if (list == wanted.lists.end()) return {};
  if (list->second.empty()) return {form.to_nowhere(mac)};
  std::vector<FdbEntry> rows;
  for (const auto& vtep : list->second) rows.push_back(form.to(mac, {vtep, {}}));
  return rows;
}

std::optional<MacAddress> mac_of(const Tables& wanted, const IpAddress& ip) {
  if (wanted.router.has(ip)) return wanted.router.mac;
  const auto known = wanted.neighbours.find(ip);
  if (known == wanted.neighbours.end()) return std::nullopt;
  return known->second;
}

// The list's MAC that a difference is of; empty for any other row.
std::optional<MacAddress> list_of(const TableDifference& difference) {
  const auto* entry = std::get_if<FdbEntry>(difference.is ? &*difference.is : &*difference.should);
  if (entry == nullptr || !is_list(entry->mac)) return std::nullopt;
  return entry->mac;
}

std::size_t hash_of(const TableDifference& difference) {
  const TableRow& row = difference.is ? *difference.is : *difference.should;
  if (const auto* entry = std::get_if<FdbEntry>(&row)) return hash_bytes(entry->mac.wire());
  return hash_bytes(std::get<NeighbourEntry>(row).ip.wire());
}

bool leads_nowhere(const TableDifference& difference) {
  return difference.is && !real_destination(std::get<FdbEntry>(*difference.is));
}

// Collects changes for one difference after the other.
class Mending {
 public:
  Mending(const Tables& wanted, const EntryForm& form) : wanted_{wanted}, form_{form} {}

  void add(const TableDifference& difference, std::size_t index) {
    if (!difference.should) return change(Change::kDelete, key_of(*difference.is), index);
    if (!difference.is && may_age(wanted_, difference)) return;
    change(Change::kReplace, *difference.should, index);
  }

  // All differences of one list: additions first. A destination 0.0.0.0 goes only with all others.
  void add_list(const MacAddress& mac, const std::vector<TableDifference>& all,
                const std::vector<std::size_t>& places) {
    const bool anew = std::any_of(places.begin(), places.end(), [&](std::size_t i) {
      return !all[i].should && leads_nowhere(all[i]);
    });
    if (anew) return make_anew(mac, places.front());
    for (const std::size_t i : places)
      if (all[i].should) change(Change::kAppend, *all[i].should, i);
    for (const std::size_t i : places)
      if (!all[i].should) change(Change::kDelete, *all[i].is, i);
  }

  std::vector<TableChange> take() { return std::move(changes_); }

 private:
  void make_anew(const MacAddress& mac, std::size_t index) {
    change(Change::kDelete, FdbEntry{.device = form_.vxlan, .mac = mac}, index);
    for (const auto& row : rows_of(wanted_, form_, mac)) change(Change::kAppend, row, index);
  }
  // What names a unicast row to be deleted, whatever it says.
  static TableRow key_of(const TableRow& row) {
    if (const auto* entry = std::get_if<FdbEntry>(&row))
      return FdbEntry{.device = entry->device, .mac = entry->mac};
    const auto& neighbour = std::get<NeighbourEntry>(row);
    return NeighbourEntry{.device = neighbour.device, .ip = neighbour.ip};
  }
  void change(Change how, TableRow row, std::size_t index) {
    changes_.push_back({how, std::move(row), index});
  }

  const Tables& wanted_;
  const EntryForm& form_;
  std::vector<TableChange> changes_;
};

}  // namespace

FdbEntry EntryForm::to(const MacAddress& mac, const Remote& remote) const {
  return {.device = vxlan,
          .mac = mac,
          .destination = remote.vtep.address,
          .vni = remote.target,
          .port = remote.vtep.port == port ? std::uint16_t{0} : remote.vtep.port,
          .state = mac.is_multicast() ? State::kPermanent : State::kReachable};
}

FdbEntry EntryForm::to_nowhere(const MacAddress& mac) const {
  return {.device = vxlan,
          .mac = mac,
          .destination = nowhere,
          .state = mac.is_multicast() ? State::kPermanent : State::kStatic};
}

NeighbourEntry EntryForm::neighbour(const IpAddress& ip, const MacAddress& mac) const {
  return {.device = vxlan, .ip = ip, .mac = mac};
}

void TableComparison::see(const Tables& wanted, const FdbEntry& row) {
  if (is_list(row.mac)) return see_in_list(wanted, row);
  seen_macs_.insert(row.mac);
  see_one(entry_of(wanted, form_, row.mac), row);
}

void TableComparison::see_one(const std::optional<FdbEntry>& should, const FdbEntry& row) {
  if (should && same(*should, row)) return;
  found_.push_back({should ? std::optional<TableRow>{*should} : std::nullopt, row});
}

void TableComparison::see_in_list(const Tables& wanted, const FdbEntry& row) {
  seen_rows_[row.mac].push_back(row);
  const auto rows = rows_of(wanted, form_, row.mac);
  const auto should =
      std::find_if(rows.begin(), rows.end(), [&](const auto& one) { return same_place(one, row); });
  see_one(should == rows.end() ? std::nullopt : std::optional{*should}, row);
}

// The kernel makes neighbours of its own for multicast addresses, and remembers for a while what it
// could not resolve.
void TableComparison::see(const Tables& wanted, const NeighbourEntry& row) {
  if (row.ip.is_multicast()) return;
  const auto mac = mac_of(wanted, row.ip);
  if (!mac && row.mac.is_zero()) return;
  seen_ips_.insert(row.ip);
  if (!mac) return found_.push_back({std::nullopt, row});
  const auto should = form_.neighbour(row.ip, *mac);
  if (!same(should, row)) found_.push_back({should, row});
}

void TableComparison::miss_entries(const Tables& wanted) {
  const auto miss = [&](const MacAddress& mac) {
    if (seen_macs_.count(mac) == 0) found_.push_back({*entry_of(wanted, form_, mac), std::nullopt});
  };
  const auto miss_rows = [&](const MacAddress& mac) {
    const auto& seen = seen_rows_[mac];
    for (const auto& row : rows_of(wanted, form_, mac))
      if (std::none_of(seen.begin(), seen.end(),
                       [&](const auto& one) { return same_place(one, row); }))
        found_.push_back({row, std::nullopt});
  };
  if (wanted.router_entry) miss(wanted.router_entry->mac);
  for (const auto& mac : wanted.locals) miss(mac);
  for (const auto& [mac, remote] : wanted.remotes) miss(mac);
  miss_rows(MacAddress{});
  for (const auto& [mac, list] : wanted.lists) miss_rows(mac);
}

void TableComparison::miss_neighbours(const Tables& wanted) {
  const auto miss = [&](const IpAddress& ip, const MacAddress& mac) {
    if (seen_ips_.count(ip) == 0) found_.push_back({form_.neighbour(ip, mac), std::nullopt});
  };
  for (const auto& ip : wanted.router.gateways) miss(ip, wanted.router.mac);
  for (const auto& [ip, mac] : wanted.neighbours) miss(ip, mac);
}

std::vector<TableDifference> TableComparison::finish_seen() { return std::move(found_); }

std::vector<TableDifference> TableComparison::finish(const Tables& wanted) {
  miss_entries(wanted);
  miss_neighbours(wanted);
  return std::move(found_);
}

std::vector<TableDifference> lasting(const std::vector<TableDifference>& first,
                                     const std::vector<TableDifference>& second) {
  std::unordered_multimap<std::size_t, const TableDifference*> before;
  for (const auto& one : first) before.emplace(hash_of(one), &one);
  std::vector<TableDifference> both;
  for (const auto& one : second) {
    const auto [begin, end] = before.equal_range(hash_of(one));
    if (std::any_of(begin, end, [&](const auto& known) { return *known.second == one; }))
      both.push_back(one);
  }
  return both;
}

bool agrees(const Tables& wanted, const EntryForm& form, const TableRow& row) {
  TableComparison comparison{form};
  std::visit([&](const auto& one) { comparison.see(wanted, one); }, row);
  return comparison.finish_seen().empty();
}

bool may_age(const Tables& wanted, const TableDifference& difference) {
  if (difference.is) return false;
  if (const auto* entry = std::get_if<FdbEntry>(&*difference.should))
    return entry->mac.is_unicast() && entry->state == State::kReachable;
  return !wanted.router.has(std::get<NeighbourEntry>(*difference.should).ip);
}

std::vector<TableChange> mending(const Tables& wanted, const EntryForm& form,
                                 const std::vector<TableDifference>& differences) {
  Mending mending{wanted, form};
  std::map<MacAddress, std::vector<std::size_t>> lists;
  for (std::size_t i = 0; i < differences.size(); ++i) {
    if (const auto mac = list_of(differences[i]))
      lists[*mac].push_back(i);
    else
      mending.add(differences[i], i);
  }
  for (const auto& [mac, places] : lists) mending.add_list(mac, differences, places);
  return mending.take();
}

}  // namespace dove::agent
