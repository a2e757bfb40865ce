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
// Not thread-safe: the loop thread owns it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <system_error>
#include <vector>

#include "agent/action.h"
#include "agent/event.h"
#include "core/binding.h"
#include "core/vtep.h"

namespace dove::agent {

struct Limits {
  std::chrono::milliseconds wait{2000};       // how long a query or a frame waits for its answer
  std::chrono::milliseconds ask_again{1000};  // an unanswered ask is repeated after this
  std::chrono::milliseconds answer_late{
      1000};                           // a query this soon after the install is answered too
  std::size_t waiting_per_port = 256;  // queries and frames of one guest port
  std::size_t waiting_per_network = 4096;
  std::size_t waiting_bytes = 16U << 20U;  // punted frames of this host
  std::size_t waiting_per_key = 16;
  std::size_t keys_per_network = 65536;  // asked and negative ones; found ones are in use
  std::size_t groups_per_network = 256;  // multicast MACs with a list of their own
};

// Why something was not done. Each is counted.
enum class DropReason : std::uint8_t {
  kWaitTimeout,  // no positive answer within Limits::wait
  kPortLimit,
  kNetworkLimit,
  kBytesLimit,
  kKeyLimit,
  kGroupLimit,
  kUnknownNetwork,  // no such network on this host (any more)
  kNotFound,        // known not to exist
  kDenied,
  kCount,
};

struct ResolverCounters {
  std::uint64_t mac_misses = 0;
  std::uint64_t ip_misses = 0;
  std::uint64_t queries = 0;
  std::uint64_t punted = 0;
  std::uint64_t asks = 0;
  std::uint64_t answers = 0;        // bindings received, answers and pushes
  std::uint64_t stale_answers = 0;  // of an older revision than known: ignored
  std::uint64_t negatives = 0;
  std::uint64_t installed = 0;
  std::uint64_t aged = 0;
  std::uint64_t refused = 0;  // by the kernel
  std::uint64_t drops[static_cast<std::size_t>(DropReason::kCount)] = {};
};

class Resolver {
 public:
  explicit Resolver(const Limits& limits);
  ~Resolver();

  // --- what this host is and has
  void set_self(HostId self);  // from the session; entries that lead here are local, not remote
  // Adds and changes hosts; a full list removes the others. A changed VTEP moves every entry and
  // list.
  struct HostChange {
    HostId id;
    std::optional<Vtep> vtep;  // empty: removed
  };
  void on_hosts(std::span<const HostChange> hosts, bool full, Actions& out);

  void add_network(Vni vni, Actions& out);  // the devices are there; makes the broadcast list
  void remove_network(Vni vni,
                      Actions& out);  // the devices are about to go: forgets, deletes nothing
  void on_flood_list(Vni vni, std::span<const HostId> add, std::span<const HostId> remove,
                     bool full, Actions& out);

  // A guest of this host. Its MAC is on the bridge whatever the controller says of it until then.
  void add_local(const MacKey& key, Actions& out);
  void remove_local(const MacKey& key, Actions& out);

  // --- what happens
  void on_event(const MacMiss& miss, TimePoint now, Actions& out);
  void on_event(const IpMiss& miss, TimePoint now, Actions& out);
  void on_event(const AddressQuery& query, TimePoint now, Actions& out);
  void on_event(PuntedFrame&& frame, TimePoint now, Actions& out);

  // Answers and pushes. An older revision than the known one changes nothing.
  void on_binding(const MacBinding& binding, TimePoint now, Actions& out);
  void on_binding(const IpBinding& binding, TimePoint now, Actions& out);

  // The kernel aged or lost this entry (RTM_DELNEIGH that was not our own doing).
  void on_fdb_gone(const MacKey& key, TimePoint now, Actions& out);
  void on_neighbour_gone(const IpKey& key, TimePoint now, Actions& out);
  // The kernel refused a change: it is not installed; tried again at the next need.
  void on_refused(const KernelChange& change, std::error_code error, TimePoint now);

  // --- sessions
  // Without a session asks are kept and go out when one is there.
  void on_session_lost();
  // Asks anew for every key known or wanted; nothing is removed from the kernel before an answer
  // says so. `new_store`: revisions of before mean nothing any more.
  void on_session_ready(bool new_store, TimePoint now, Actions& out);

  // --- adoption at start: what the kernel has already. Kept, and asked about.
  void adopt_fdb(const MacKey& key, const Vtep& vtep);
  void adopt_neighbour(const IpKey& key, const MacAddress& mac);

  // Expires what waits, repeats asks. Call when next_deadline() has come; empty: nothing waits.
  void on_time(TimePoint now, Actions& out);
  std::optional<TimePoint> next_deadline() const;

  // --- what to show
  struct FdbRow {
    MacKey key;
    Vtep vtep;
    HostId host;
  };
  struct NeighbourRow {
    IpKey key;
    MacAddress mac;
  };
  struct GroupRow {
    MacKey key;
    std::vector<Vtep> vteps;
  };
  std::vector<FdbRow> fdb() const;
  std::vector<NeighbourRow> neighbours() const;
  std::vector<GroupRow> groups() const;
  const ResolverCounters& counters() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dove::agent
