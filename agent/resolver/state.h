// The resolver's inside. The rules, each in a source of its own:
//
//   world.cc     hosts, networks, groups, guests of this host
//   events.cc    what guests and kernel want
//   route.cc     frames to the router, and where frames go that waited
//   bindings.cc  what the controller says
//   settle.cc    what follows for the kernel and for those who wait
//   review.cc    what time brings: asks again, ends of interest, repairs
//   refusals.cc  what the kernel does not take, and when it is tried again
//   session.cc   sessions, adoption
//
// A found IP always has an owner, a MAC record that exists as long as IPs lead to it. A record that
// is neither installed nor asked for nor wanted is in the review list, and goes at its next review.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "agent/resolver.h"
#include "agent/resolver/flood_lists.h"
#include "agent/resolver/guest_limiter.h"
#include "agent/resolver/recently_forgotten.h"
#include "agent/resolver/record_store.h"
#include "agent/resolver/waiting_room.h"

namespace dove::agent {

struct Resolver::State {
  explicit State(const Limits& the_limits)
      : limits{the_limits},
        records{limits.hash_seed},
        waiting{limits},
        asks{limits.asks_per_guest, limits.asks_per_host},
        group_copies{limits.group_copies_per_guest, limits.group_copies_per_host} {}

  // --- world.cc
  std::vector<HostId> change_hosts(std::span<const HostChange> changes, bool full);
  void on_hosts(std::span<const HostChange> changes, bool full, Actions& out);
  void open_network(Vni vni, std::span<const GroupRow> adopted, Actions& out);
  void close_network(Network& network, Actions& out);
  void set_groups(Vni vni, Actions& out);
  void set_group(Network& network, Group& group, Actions& out) const;
  Group* find_group(Network& network, const MacAddress& mac) const;
  const std::vector<Vtep>& list_of(const MacKey& group) const;
  void on_group_changed(const MacKey& group, Actions& out);
  std::optional<std::vector<Group>::iterator> group_to_replace(Network& network) const;
  bool has_room_for_group(Network& network) const;
  void add_group(Network& network, const MacAddress& mac, Actions& out);
  void add_local(Network& network, const MacAddress& mac, Actions& out);
  void remove_local(MacRecord& record, Actions& out);

  // --- events.cc
  void want_group(Network& network, const MacAddress& mac, Actions& out);
  void flood(Network& network, const PuntedFrame& frame, Actions& out);
  template <class Table, class Address>
  auto* find_or_add(Network& network, Table& table, const Address& address, Actions& out);
  MacRecord* record_of(Network& network, const MacAddress& mac, Actions& out);
  IpRecord* record_of(Network& network, const IpAddress& ip, Actions& out);
  std::uint64_t who(IfIndex port) const;
  std::uint64_t who(const Network& network, const MacAddress& source) const;
  std::uint64_t who(const Network& network) const;
  template <class Table, class Address>
  bool may_want(const Table& table, const Address& address, std::uint64_t who);
  // Because of `who`; nullptr too when too much was asked because of it.
  MacRecord* want(Network& network, const MacAddress& mac, std::uint64_t who, Actions& out);
  IpRecord* want(Network& network, const IpAddress& ip, std::uint64_t who, Actions& out);
  void on_wanted_query(IpRecord& record, const AddressQuery& query, Actions& out);
  void on_wanted_frame(MacRecord& record, PuntedFrame&& frame, Actions& out);
  void set_again(MacRecord& record, Actions& out);
  void set_again(IpRecord& record, Actions& out);
  void on_gone(MacRecord& record, Actions& out);
  void on_refused(const SetFdb& change);
  void on_refused(const SetNeighbour& change);

  // --- refusals.cc
  static bool is_deletion(const KernelChange& change);
  void note_refusal(const Key& key, std::error_code error, bool deletion);
  std::chrono::milliseconds refusal_pause(const Key& key) const;
  void repair_later(const Key& key);

  // --- route.cc
  void route(Network& network, PuntedFrame&& frame, Actions& out);
  void on_wanted_packet(IpRecord& record, PuntedFrame&& frame, Actions& out);
  bool leads_here(const MacRecord& to) const {
    return to.local || (to.known == Known::kFound && flood_lists.is_self(to.host));
  }
  bool send_bridged(PuntedFrame&& frame, const MacRecord& to, Actions& out);
  void send_on(PuntedPackets&& packets, const MacRecord& to, const std::optional<RoutedMacs>& macs,
               Actions& out) const;
  void send_routed(PuntedPackets&& packets, const MacRecord& to, Actions& out) const;

  // --- bindings.cc
  template <class Binding, class R>
  bool accept(const Binding& binding, R& record);
  void on_binding(const MacBinding& binding, Actions& out);
  void on_binding(const IpBinding& binding, Actions& out);
  void meet(const IpKey& key, Actions& out);
  void count_as_asked(Record& record, const Key& key, Actions& out);
  void confirm(const Key& key, Actions& out);
  void run_confirmations(Actions& out);
  void on_owner(IpRecord& record, const MacAddress& mac, Actions& out);
  MacRecord* owner_of(IpRecord& record, const MacAddress& mac, Actions& out);
  void on_unknown(const Key& key, Actions& out);
  void forget(const Key& key, Actions& out);
  void lead_nowhere(IpRecord& record);
  void expect(MacRecord& record, Actions& out);

  // --- settle.cc: makes the kernel's state and those who wait agree with what is known
  void settle(MacRecord& record, Actions& out);
  void settle(IpRecord& record, Actions& out);
  const Vtep* destination(const MacRecord& record) const;
  void set_fdb(MacRecord& record, const Vtep& vtep, Actions& out);
  void set_neighbour(IpRecord& record, Actions& out);
  void delete_neighbour(IpRecord& record, Actions& out);
  void delete_entries(MacRecord& record, Actions& out);
  void serve(MacRecord& record, Actions& out);
  void serve(IpRecord& record, Actions& out);
  bool is_answerable(const MacRecord& owner) const {
    return owner.local || destination(owner) != nullptr;
  }
  static void answer(const AddressQuery& query, const IpRecord& record, Actions& out);
  static void answer_for_router(const AddressQuery& query, const MacAddress& mac, Actions& out);
  void rest(Record& record) const;
  void drop_waiters(Record& record, DropReason reason);

  // --- review.cc
  void ask(Record& record, Actions& out);
  void send_ask(Record& record, Actions& out);
  bool is_to_be_asked(const Record& record) const;
  void seek(Record& record, Actions& out);
  void review_later(Record& record);
  void review(Record& record, Actions& out);
  void run_reviews(Actions& out);
  void run_expected(Actions& out);
  void run_repairs(Actions& out);
  void repair(const MacKey& key, Actions& out);
  void repair(const IpKey& key, Actions& out);
  bool is_wanted(const Record& record) const { return now < record.wanted_until; }
  static DropReason why(const Record& record);
  bool is_needed(const Record& record) const;
  bool is_resting(const Record& record) const;
  bool make_room(Network& network, Actions& out);
  void drop(Record& record, Actions& out);
  void forget(Record& record, Actions& out);

  // --- session.cc
  void forget_store();
  void ask_everything(Actions& out);
  std::vector<Key> interest(Vni vni) const;
  std::optional<Believed> belief(const Key& key) const;

  void count_drop(DropReason reason, std::uint64_t n = 1) {
    counters.drops[static_cast<std::size_t>(reason)] += n;
  }
  // The network, or nullptr and a drop counted.
  Network* network_of(Vni vni) {
    Network* network = records.network(vni);
    if (network == nullptr) count_drop(DropReason::kUnknownNetwork);
    return network;
  }

  const Limits limits;
  ResolverCounters counters;
  TimePoint now{};  // of the last call that told it
  bool online = false;
  bool answered_here = false;  // asks may be answered without a session
  std::uint32_t session = 0;
  FloodLists flood_lists;
  std::vector<MacAddress> well_known_groups;
  RecentlyForgotten forgotten;

  RecordStore records;
  WaitingRoom waiting;
  GuestLimiter asks;
  GuestLimiter group_copies;
  List<Record, InReview> reviews;        // by review_at: the delay is the same for all
  List<MacRecord, InExpected> expected;  // by expected_at, likewise
  struct Due {
    TimePoint at;
    Key key;
  };
  std::deque<Due> confirmations;  // likewise
  std::multimap<TimePoint, Key> repairs;
  std::map<Key, Refused> refused;  // as many as are repaired at most
};

}  // namespace dove::agent
