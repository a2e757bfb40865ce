// What the tables of one network's VXLAN device should hold, how they differ from what they do
// hold, and what makes them equal. Pure: start, overrun, foreign hands and audit all compare here.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

#include "agent/router.h"
#include "core/vni.h"
#include "core/vtep.h"
#include "netlink/neighbour.h"

namespace dove::agent {

// Where a unicast MAC is, when it is not here.
struct Remote {
  Vtep vtep;
  std::optional<Vni> target;  // the network it is in, when routed
  friend bool operator==(const Remote&, const Remote&) = default;
};

struct Tables {
  using List = std::set<Vtep>;  // real destinations; empty: the kernel's 0.0.0.0

  std::map<MacAddress, List> lists;
  std::set<MacAddress> locals;
  // Written for every punted frame, so without a node for each.
  absl::flat_hash_map<MacAddress, Remote, std::hash<MacAddress>> remotes;
  std::unordered_map<IpAddress, MacAddress> neighbours;
  // What the punt and the router need, as the kernel has them; the gateways are neighbours besides.
  std::optional<netlink::FdbEntry> punt;
  std::optional<netlink::FdbEntry> router_entry;
  Router router;  // without gateways: none
};

// How the kernel says it on one device.
struct EntryForm {
  IfIndex vxlan{};
  std::uint16_t port = Vtep::kDefaultPort;  // the device's own: of an entry only where it differs
  IpAddress nowhere = IpAddress::v4(0);     // or ::, of the VTEPs' family

  netlink::FdbEntry to(const MacAddress& mac, const Remote& remote) const;
  netlink::FdbEntry to_nowhere(const MacAddress& mac) const;
  netlink::NeighbourEntry neighbour(const IpAddress& ip, const MacAddress& mac) const;
};

using TableRow = std::variant<netlink::FdbEntry, netlink::NeighbourEntry>;

// One row. Without `is` it is missing, without `should` it is foreign, with both it was changed.
struct TableDifference {
  std::optional<TableRow> should;
  std::optional<TableRow> is;
  friend bool operator==(const TableDifference&, const TableDifference&) = default;
};

// Takes the kernel's rows one after the other; `wanted` may change between the calls, and then what
// changed may be told as a difference.
class TableComparison {
 public:
  explicit TableComparison(EntryForm form) : form_{std::move(form)} {}

  void see(const Tables& wanted, const netlink::FdbEntry& row);
  void see(const Tables& wanted, const netlink::NeighbourEntry& row);
  // After the last row: what is missing, too.
  std::vector<TableDifference> finish(const Tables& wanted);
  // Of the rows seen alone.
  std::vector<TableDifference> finish_seen();

 private:
  void see_one(const std::optional<netlink::FdbEntry>& should, const netlink::FdbEntry& row);
  void see_in_list(const Tables& wanted, const netlink::FdbEntry& row);
  void miss_entries(const Tables& wanted);
  void miss_neighbours(const Tables& wanted);

  EntryForm form_;
  std::unordered_set<MacAddress> seen_macs_;
  std::unordered_set<IpAddress> seen_ips_;
  std::map<MacAddress, std::vector<netlink::FdbEntry>> seen_rows_;  // of lists
  std::vector<TableDifference> found_;
};

// Those of `first` that are in `second` too.
std::vector<TableDifference> lasting(const std::vector<TableDifference>& first,
                                     const std::vector<TableDifference>& second);

// Whether a row that the kernel tells of is as it should be.
bool agrees(const Tables& wanted, const EntryForm& form, const TableRow& row);

// What ages may be gone rightly: an entry of a guest elsewhere, or a neighbour of the kind.
bool may_age(const Tables& wanted, const TableDifference& difference);

struct TableChange {
  netlink::Change how;
  TableRow row;
  std::size_t difference;  // what it is for, by its place
};
// What makes the kernel's tables as wanted, in order. Nothing for what is missing and may age.
std::vector<TableChange> mending(const Tables& wanted, const EntryForm& form,
                                 const std::vector<TableDifference>& differences);

}  // namespace dove::agent
