// Makes the kernel's forwarding state what the resolver decides, in batches, and keeps a
// mirror of it, because the kernel cannot be asked cheaply.
//
// Entries: unicast to a host ages (REACHABLE); a local guest's is static with `dst 0.0.0.0`, the
// kernel's sign for "on the bridge"; lists are permanent; neighbours are PERMANENT, because a
// REACHABLE one would turn stale and then be neither answered nor asked about.
//
// A list is changed by what differs, additions first. The empty list is the single destination
// 0.0.0.0 (over IPv6 ::), to which the kernel sends nothing. The kernel cannot take 0.0.0.0 out of
// a list (it takes the whole list), so the first real destination comes right behind a deletion, in
// one batch: a frame in between is punted like one of a new group. A list that is made of several
// destinations comes to be one by one; until it is whole its frames are punted besides, so that one
// in between, which follows the first of a new group within microseconds, may come twice to some,
// but never fails to come to others. Without a punt (miss notifications) it may. Every other change
// has no such moment, and none has a second copy.
//
// The network's router, which is nowhere: its gateway addresses are neighbours, so that the kernel
// answers for them, and its MAC is an entry with the flag `router`, at which the kernel routes
// (`rsc`): what is addressed to it goes where the neighbour of its IP destination is, and without
// one where the entry says.
//
// Belongs to the loop thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "agent/action.h"
#include "agent/datapath/datapath.h"
#include "agent/datapath/tables.h"
#include "agent/router.h"
#include "core/histogram.h"
#include "core/result.h"
#include "netlink/batch.h"
#include "netlink/neighbour.h"
#include "netlink/query.h"

namespace dove::agent {

class Programmer {
 public:
  struct Counters {
    std::uint64_t changes = 0;
    std::uint64_t refusals = 0;
    std::uint64_t mended = 0;  // rows that a foreign hand changed or took, by mend()
    Histogram batch_time{kTimeBounds};
    Histogram batch_size{kSizeBounds};  // changes
  };

  // `local` is the VXLAN devices' own VTEP: another's port is given with each entry where it
  // differs; its address is of the same family.
  static Result<Programmer> open(const Vtep& local);

  // A network's VXLAN device. The mirror is empty; when the device's tables may not be, adopt().
  void add_network(Vni vni, IfIndex vxlan);
  void remove_network(Vni vni);
  bool has(Vni vni) const { return networks_.count(vni) != 0; }
  bool has(Vni vni, IfIndex vxlan) const;
  // The network has a new device: what the old one's tables held goes into the new one's, but for
  // unicast entries and neighbours, which are returned.
  struct Missing {
    std::vector<MacKey> fdb;
    std::vector<IpKey> neighbours;
  };
  Missing move_network(Vni vni, IfIndex vxlan);

  // The all-zero entry, to which the kernel sends what it does not know: `gateway` by the device
  // `via`, and nowhere else. May be repeated. Without it, l2miss notifications come instead.
  Status set_punt(Vni vni, const IpAddress& gateway, IfIndex via);
  Status clear_punt(Vni vni);

  // --- the router (programmer_router.cc)
  // Where frames to the router go that the kernel cannot route.
  struct Unrouted {
    IpAddress destination;
    std::optional<IfIndex> via;
  };
  // Makes the network's router this one, or none when it has no gateways. May be repeated: what is
  // there already is written again.
  Status set_router(Vni vni, const Router& router, const Unrouted& unrouted);
  bool is_gateway(const IpKey& key) const;

  // In order. The result names what was refused, in that order; deleting what is absent is not.
  std::vector<RefusedChange> apply(std::span<const KernelChange> changes);

  // What the tables of a network hold, by their meaning; lists go into the mirror. The entries of
  // local guests are not told: those that no SetLocalFdb confirms by forget_unconfirmed() go then,
  // because such a MAC would never miss.
  Result<Datapath::Adopted> adopt(Vni vni);
  void forget_unconfirmed();
  // What the tables of a network still hold of an earlier time goes, but for the punt and the
  // router, which are corrected by the next set_punt() and set_router().
  Status clear(Vni vni);

  // The kernel has told that this is gone. True: it was installed and nobody put it there again, so
  // it is lost (aged, or taken by a foreign hand); the mirror forgets it. Our own deletions, which
  // the kernel tells like anybody's, are false.
  bool is_lost(const MacKey& key);
  bool is_lost(const IpKey& key);

  // --- the comparison of a network's tables with the mirror
  // At once, for as long as a dump takes; TableAudit does it in slices.
  Result<std::vector<TableDifference>> differences(Vni vni);
  // Empty when there is no such network; valid until it is removed.
  struct Mirror {
    const Tables& tables;
    EntryForm form;
  };
  std::optional<Mirror> mirror(Vni vni) const;
  // Who is named by the kernel's word of a neighbour that we made.
  std::uint32_t port_id() const noexcept { return batch_.port_id(); }
  struct Mended {
    Missing missing;  // aged, or taken: no longer in the mirror
    // Of each difference: no error when it is none any more.
    std::vector<std::error_code> verdicts;
  };
  Mended mend(Vni vni, const std::vector<TableDifference>& differences);

  const Counters& counters() const noexcept { return counters_; }
  TableSizes sizes() const;

 private:
  using List = Tables::List;
  struct Network : Tables {
    IfIndex vxlan{};
    std::set<MacAddress> unconfirmed;      // of `locals`: adopted
    std::vector<netlink::FdbEntry> punts;  // all-zero entries, as far as known
  };
  // What one request of the batch stands for.
  struct Pending {
    std::size_t change;
    bool may_be_absent = false;        // a deletion
    std::function<void()> on_refused;  // takes back what the mirror had assumed
  };

  Programmer(netlink::Batch batch, netlink::Query query, const Vtep& local);
  void delete_default(const Network& network);
  void enqueue(netlink::Change how, const netlink::FdbEntry& entry, Pending pending);

  // One for each kind of change; `network` is the change's own.
  void write(const SetFdb& change, Network& network, std::size_t index);
  void write(const SetLocalFdb& change, Network& network, std::size_t index);
  void write(const DeleteFdb& change, Network& network, std::size_t index);
  void write(const SetNeighbour& change, Network& network, std::size_t index);
  void write(const DeleteNeighbour& change, Network& network, std::size_t index);
  void write(const SetGroup& change, Network& network, std::size_t index);
  void write(const DeleteGroup& change, Network& network, std::size_t index);
  void append(const MacKey& key, Network& network, const Vtep& vtep, std::size_t index);
  void drop_list(const MacAddress& mac, Network& network, std::size_t index);
  void commit(std::vector<RefusedChange>& refused);
  static bool is_absent(const std::error_code& error);
  std::vector<std::error_code> carry_out(const std::vector<TableChange>& changes);
  bool forget(Vni vni, Network& network, const TableDifference& aged, Missing& missing);
  EntryForm form(const Network& network) const { return {network.vxlan, port_, nowhere_}; }

  void adopt_neighbour(Vni vni, Network& network, const netlink::NeighbourEntry& entry,
                       Datapath::Adopted& adopted) const;
  void adopt_entry(Vni vni, Network& network, const netlink::FdbEntry& entry,
                   Datapath::Adopted& adopted) const;

  netlink::Batch batch_;
  netlink::Query query_;
  std::uint16_t port_;
  IpAddress nowhere_;  // 0.0.0.0 or ::, of the VTEPs' family
  std::map<Vni, Network> networks_;
  std::vector<Pending> pending_;  // one a request of batch_
  Counters counters_;
};

}  // namespace dove::agent
