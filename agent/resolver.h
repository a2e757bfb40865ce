// Decides what the host's forwarding state should be, from what guests and kernel ask for and what
// the controller answers. Pure: events and the time come in, actions go out; it owns no socket, no
// clock and no thread, and all of its memory is bounded by Limits.
//
// One question per key, however many packets ask for it. A key is unknown, asked, found or
// negative. While it is asked or negative, those who wait for it (queries, punted frames) are kept
// for Limits::wait, up to the limits; when the answer comes they are served, in order of arrival.
// What is found and wanted is installed; what the kernel ages out is forgotten, with the neighbours
// that lead to it. A negative is not asked again before its ttl is over, and a push ends it at
// once.
//
// A frame to the network's router is the business of its IP destination: it waits at that key, and
// is sent on with the MACs that routing gives it. What is found in another network of the tenant
// (its `target`) has its entries in this one all the same.
//
// Every call appends to `out` and takes nothing from it: one Actions may serve a whole turn.
//
// Not thread-safe: the loop thread owns it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <system_error>
#include <variant>
#include <vector>

#include "agent/action.h"
#include "agent/event.h"
#include "agent/router.h"
#include "core/binding.h"
#include "core/histogram.h"
#include "core/vtep.h"

namespace dove::agent {

using Believed = std::variant<MacBinding, IpBinding>;

struct GuestRate {
  unsigned per_second = 0;  // 0: no limit
  unsigned burst = 0;
};

struct Limits {
  std::chrono::milliseconds wait{2000};       // how long a query or a frame waits for its answer
  std::chrono::milliseconds ask_again{1000};  // an unanswered ask is repeated after this, then
                                              // after twice, four times, eight times this
  std::chrono::milliseconds expect{5};  // the MAC an IP leads to comes with the IP's answer; when
                                        // it has not after this, it is asked for. So late, too,
                                        // what was told unasked is made sure of
  std::chrono::milliseconds answer_late{
      1000};  // a query this soon after the install is answered too; a miss or a punted frame later
              // than this says that the kernel lost the entry
  // Questions to the controller because of one guest's queries, and likewise of its frames, and of
  // what no guest can be named for in one network; and because of all together. Beyond, who asks is
  // not heard.
  GuestRate asks_per_guest;
  GuestRate asks_per_host;
  // Copies of frames to groups that the kernel has no list for, or not yet: of each one to every
  // host of the list. Beyond, the frames go nowhere.
  GuestRate group_copies_per_guest;
  GuestRate group_copies_per_host;
  std::size_t waiting_per_guest = 2048;  // frames of one source MAC; queries of one port
  std::size_t waiting_per_network = 8192;
  std::size_t waiting_bytes = 16U << 20U;           // punted frames of this host
  std::size_t waiting_bytes_per_guest = 1U << 20U;  // of one guest
  std::size_t waiting_per_key = 64;
  std::size_t waiting_per_key_and_guest = 16;
  std::size_t keys_per_network = 65536;  // asked and negative ones; found ones are in use. Beyond,
                                         // the oldest makes room
  std::size_t groups_per_network = 256;  // multicast MACs with a list of their own, besides the
                                         // well-known ones; at least 1
  // A list makes room for another no sooner. Until then what has none is punted: a guest that sends
  // to very many groups makes no more changes than this allows.
  std::chrono::milliseconds group_rest{1000};
  std::size_t repairs = 65536;  // refused changes to be tried again
  std::uint64_t hash_seed = 0;  // random in a real agent: guests choose keys
};

// Why something was not done. Each is counted.
enum class DropReason : std::uint8_t {
  kWaitTimeout,     // no answer within Limits::wait
  kGuestLimit,      // the guest has too much waiting
  kNetworkLimit,    // the network has
  kBytesLimit,      // the host has
  kAskLimit,        // the guest has asked too much, or all of the host's together have
  kWaitersLimit,    // the key has
  kKeyLimit,        // a key made room for a newer one; its waiters went with it
  kGroupLimit,      // a multicast MAC's list made room for a newer one, or found none
  kGroupCopyLimit,  // the guest sends too much to multicast MACs without a list
  kRepairLimit,     // one more refused change
  kUnknownNetwork,  // no such network on this host (any more)
  kNotFound,        // waited to the end for what does not exist
  kDenied,          // ... for what may not be reached
  kLocal,           // a punted frame for a guest that by now is on this host's bridge
  kForgotten,       // a pushed change to a key that is no longer of interest
  kUnroutable,      // to the router, with no IP destination that can be routed to
  kUnrouted,        // to a MAC in another network, but not by way of the router
  kCount,
};
const char* to_string(DropReason reason) noexcept;  // "wait-timeout", ...

struct ResolverCounters {
  std::uint64_t mac_misses = 0;
  std::uint64_t ip_misses = 0;
  std::uint64_t queries = 0;
  std::uint64_t punted = 0;
  std::uint64_t routed = 0;  // of these, to the router
  std::uint64_t asks = 0;
  std::uint64_t answers = 0;        // bindings received, answers and pushes
  std::uint64_t stale_answers = 0;  // of an older revision than known: ignored
  std::uint64_t negatives = 0;
  std::uint64_t installed = 0;  // FDB entries and neighbours set
  std::uint64_t aged = 0;
  std::uint64_t refused = 0;  // by the kernel
  std::uint64_t drops[static_cast<std::size_t>(DropReason::kCount)] = {};
  Histogram waits{kTimeBounds};  // of those who waited and were served
};

// What is held at this moment.
struct ResolverUsage {
  std::size_t keys = 0;
  std::size_t unresolved_keys = 0;  // asked and negative ones
  std::size_t waiting = 0;
  std::size_t waiting_bytes = 0;
  std::size_t guests = 0;  // that have something waiting
  std::size_t groups = 0;
};

class Resolver {
 public:
  explicit Resolver(const Limits& limits);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // --- what this host is and has
  // From the session, before on_hosts() and on_flood_list() of it; entries that lead here are
  // local, not remote.
  void set_self(HostId self);
  // Adds and changes hosts; a full list removes the others. A changed VTEP moves every entry and
  // list; what leads to a removed host is deleted.
  struct HostChange {
    HostId id;
    std::optional<Vtep> vtep;  // empty: removed
  };
  void on_hosts(std::span<const HostChange> hosts, bool full, Actions& out);

  // Multicast MACs that have a list in every network from the start, for when none would ever be
  // seen (notify mode). Before the first add_network().
  void set_well_known_groups(std::span<const MacAddress> groups);

  struct GroupRow {
    MacKey key;
    std::vector<Vtep> vteps;
  };
  // The devices are there; makes the broadcast list, empty while nothing is known.
  void add_network(Vni vni, Actions& out);
  // The same where the kernel has these lists of the network's already (after a restart): they stay
  // as they are until the controller tells the list.
  void adopt_network(Vni vni, std::span<const GroupRow> groups, Actions& out);
  // The devices are about to go: forgets, deletes nothing.
  void remove_network(Vni vni, Actions& out);
  // May come before add_network(); remove_network() ends it.
  void on_flood_list(Vni vni, std::span<const HostId> add, std::span<const HostId> remove,
                     bool full, Actions& out);

  // Frames to this MAC are routed; of these addresses the kernel answers for itself. Empty: none.
  void set_router(Vni vni, const std::optional<Router>& router);
  // The hosts where guests listen to a group, where membership decides (multicast.h). Without a
  // group: those told in full since the session began are all that have listeners.
  void on_group_list(Vni vni, const std::optional<MacAddress>& group, std::span<const HostId> add,
                     std::span<const HostId> remove, bool full, Actions& out);

  // A guest of this host. Its MAC is on the bridge whatever the controller says of it until then.
  void add_local(const MacKey& key, Actions& out);
  void remove_local(const MacKey& key, Actions& out);

  // --- what happens
  void on_event(const MacMiss& miss, TimePoint now, Actions& out);
  void on_event(const IpMiss& miss, TimePoint now, Actions& out);
  void on_event(const AddressQuery& query, TimePoint now, Actions& out);
  void on_event(PuntedFrame&& frame, TimePoint now, Actions& out);

  // A local guest's frame for everybody, that the kernel keeps from the other hosts.
  void carry(Vni vni, std::span<const std::byte> frame, Actions& out) const;

  // Answers and pushes, in the order of the session. An older revision than the known one changes
  // nothing.
  void on_binding(const MacBinding& binding, TimePoint now, Actions& out);
  void on_binding(const IpBinding& binding, TimePoint now, Actions& out);

  // The kernel aged or lost this entry (RTM_DELNEIGH that was not our own doing). A local guest's
  // entry or a group's list is set again.
  void on_fdb_gone(const MacKey& key, TimePoint now, Actions& out);
  void on_neighbour_gone(const IpKey& key, TimePoint now, Actions& out);
  // The kernel refused a change. What should have been set remotely is not installed and is tried
  // again at a later need; everything else is tried again by itself. Neither before
  // Limits::ask_again is over, and after each refusal in a row twice that, up to 32 times.
  void on_refused(const KernelChange& change, std::error_code error, TimePoint now);
  // The kernel took a change. Needs not be told while nothing is refused.
  void on_taken(const KernelChange& change);

  // --- sessions
  // Without a session asks are kept and go out when one is there.
  void on_session_lost();
  // Asks anew for every key known or wanted (the first thousands at once, the rest by on_time());
  // nothing is removed from the kernel before an answer says so. `new_store`: revisions and host
  // ids of before mean nothing any more. Comes before on_hosts() of the session. Also the way to
  // resynchronise within one.
  void on_session_ready(bool new_store, TimePoint now, Actions& out);

  // Who carries asks out answers some of them without a controller: they go out without a session
  // too. Before the first event.
  void set_answered_here() noexcept;
  // Whether an answer about this key would be heard, or would be of no interest.
  bool is_of_interest(const Key& key) const;
  // Of a network, those keys.
  std::vector<Key> interest(Vni vni) const;
  // What is known about this key; empty while an answer is awaited.
  std::optional<Believed> belief(const Key& key) const;
  // Asks anew about this key, if it is of interest. What is known of it stays until the answer.
  void ask_again(const Key& key, TimePoint now, Actions& out);

  // --- adoption at start: what the kernel has already. Kept, and asked about. After
  // adopt_network(), FDB entries before neighbours.
  void adopt_fdb(const MacKey& key, const Vtep& vtep, std::optional<Vni> target = std::nullopt);
  void adopt_neighbour(const IpKey& key, const MacAddress& mac);

  // Expires what waits, repeats asks. Call when next_deadline() has come (which may be at once);
  // empty: nothing waits.
  void on_time(TimePoint now, Actions& out);
  std::optional<TimePoint> next_deadline() const;

  // --- what to show
  struct FdbRow {
    MacKey key;
    Vtep vtep;
    HostId host;
    std::optional<Vni> target;  // the network it is in, when routed
  };
  struct NeighbourRow {
    IpKey key;
    MacAddress mac;
    std::optional<Vni> target;
  };
  // What the kernel did not take when it was said last.
  struct Refused {
    std::error_code error;
    unsigned times = 0;     // in a row
    bool deletion = false;  // that it was
  };
  const std::map<Key, Refused>& refused() const noexcept;
  std::vector<FdbRow> fdb() const;  // remote ones
  std::vector<MacKey> locals() const;
  std::vector<NeighbourRow> neighbours() const;
  std::vector<GroupRow> groups() const;
  // A network's flood list; empty while nobody has told it in full.
  std::optional<std::vector<HostId>> members(Vni vni) const;
  // The hosts of each group that has listeners elsewhere, as told.
  std::map<MacAddress, std::vector<HostId>> group_members(Vni vni) const;
  const ResolverCounters& counters() const noexcept;
  ResolverUsage usage() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dove::agent
