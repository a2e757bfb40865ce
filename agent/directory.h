// The controller as the agent sees it: what can be asked of it, and what it says unasked. Values of
// the agent's own; who talks which protocol is the session's business.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "core/binding.h"
#include "core/key.h"
#include "core/result.h"
#include "core/subnet.h"
#include "core/vtep.h"

namespace dove::agent {

struct NetworkSettings {
  Vni vni;
  std::string name;
  std::string tenant;
  std::vector<Subnet> subnets;
  bool learn = false;
  std::uint64_t revision = 0;
  std::vector<Prefix> denied;  // of the tenant's networks that it exchanges no packet with
  friend bool operator==(const NetworkSettings&, const NetworkSettings&) = default;
};

// An endpoint and where it is attached.
struct Attachment {
  enum class State { kGone, kPrepared, kActive };
  std::string endpoint;
  Vni vni;
  MacAddress mac;
  std::vector<IpAddress> ips;
  std::vector<IpAddress> shared_ips;  // those of `ips` that others may speak for too
  State state = State::kGone;
  HostId host{};  // of the owner, when kActive
  std::uint64_t generation = 0;
};

struct HostRecord {
  HostId id{};
  std::string name;
  std::optional<Vtep> vtep;  // empty: the host was removed
  friend bool operator==(const HostRecord&, const HostRecord&) = default;
};

// A point in a controller's store: revisions compare only within one store.
struct StorePoint {
  std::string store_id;  // raw bytes; empty before the first session
  std::uint64_t revision = 0;
  std::string opening = {};  // raw bytes, as the controller said last (Welcome in agent.proto)
  friend bool operator==(const StorePoint&, const StorePoint&) = default;
};

// A host that has not applied a change that concerns it.
struct Lag {
  enum class Why { kSilent, kNotConnected, kTrouble };
  std::string host;
  Why why = Why::kSilent;
  std::string problem = {};  // of kTrouble
  friend bool operator==(const Lag&, const Lag&) = default;
};

using BindingRecord = std::variant<MacBinding, IpBinding>;

// What the controller says of a network that is replicated to this host; see Replica in
// agent.proto.
struct ReplicaWord {
  enum class Kind { kDelta, kPart, kLast, kCurrent, kOffered, kEnded };
  Vni vni;
  Kind kind = Kind::kDelta;
  bool first = false;  // of a snapshot's parts
  std::vector<BindingRecord> bindings = {};
  std::vector<Key> gone = {};  // of a delta: there is no record of these any more
  std::uint64_t after = 0;
  std::uint64_t revision = 0;
};

// The controller has said no. Otherwise it could not be asked, or could not keep it (its disk may
// be full), and the same may succeed later.
inline bool is_refusal(const Error& error) {
  return error.code != ErrorCode::kUnavailable && error.code != ErrorCode::kSystem;
}

template <class T>
using Completion = std::function<void(Result<T>)>;

// What can be asked. Every completion is called exactly once, on the loop thread, and never from
// within the call that was given it. Without a session, or when it dies before the answer, the
// error is kUnavailable.
class Directory {
 public:
  struct Prepared {
    Attachment attachment;
    NetworkSettings network;
  };

  virtual ~Directory() = default;
  virtual bool connected() const = 0;
  // This host has the network from now on: its flood list follows.
  virtual void join(const std::string& network, Completion<NetworkSettings> done) = 0;
  virtual void join(Vni vni, Completion<NetworkSettings> done) = 0;
  virtual void leave(Vni vni, Completion<void> done) = 0;
  // Looks the endpoint up; nobody else sees a difference.
  virtual void prepare(const std::string& endpoint, Completion<Prepared> done) = 0;
  // The endpoint is here, if `generation` still is its generation.
  virtual void activate(const std::string& endpoint, std::uint64_t generation,
                        Completion<Attachment> done) = 0;
  virtual void detach(const std::string& endpoint, std::uint64_t generation,
                      Completion<void> done) = 0;
  // A guest speaks for an address. `router`: what it says of itself, if anything.
  virtual void announce(const IpKey& address, MacAddress mac, std::optional<bool> router,
                        Completion<void> done) = 0;

  // A guest that nobody registered is here, with these addresses besides those that it is known to
  // have. What it may have is in the attachment.
  struct Heard {
    std::vector<IpAddress> ips;
    bool claimed = false;  // it speaks for them
    bool check = false;    // only what would be: nothing changes
  };
  virtual void learn(const MacKey& guest, const Heard& heard, Completion<Attachment> done) = 0;
  // It is here no more; or, when there are any, has these addresses no more.
  virtual void unlearn(const MacKey& guest, std::span<const IpAddress> ips,
                       Completion<void> done) = 0;
  // These are all that are here.
  virtual void keep(std::span<const MacKey> guests, Completion<void> done) = 0;

  virtual void ask(std::span<const Key> keys) = 0;
  virtual void forget(std::span<const Key> keys) = 0;
};

// What the controller says, in its order, on the loop thread.
class DirectoryListener {
 public:
  virtual ~DirectoryListener() = default;
  // `new_store`: not the store of before; revisions known so far mean nothing.
  virtual void on_session_ready(bool new_store, HostId self) = 0;
  // Once for each session that was ready, and once for each that was refused or not reached.
  // `refused`: the controller was reached and does not want this host.
  virtual void on_session_lost(const Error& reason, bool refused) = 0;
  virtual void on_hosts(std::span<const HostRecord> hosts, bool full) = 0;
  virtual void on_bindings(std::span<const BindingRecord> bindings) = 0;
  virtual void on_flood_list(Vni vni, std::span<const HostId> add, std::span<const HostId> remove,
                             bool full) = 0;
  // Likewise the hosts where guests listen to a group; without a group, see GroupList in
  // agent.proto.
  virtual void on_group_list(Vni vni, const std::optional<MacAddress>& group,
                             std::span<const HostId> add, std::span<const HostId> remove,
                             bool full) = 0;
  virtual void on_network(const NetworkSettings& settings) = 0;
  // It was deleted, and may come again by on_network().
  virtual void on_network_gone(Vni vni) = 0;
  // An endpoint of this host was deleted, or is active elsewhere, by the generation told.
  virtual void on_lost(const Attachment& attachment) = 0;
  // An endpoint of this host has other addresses now: `attachment.ips`, and no others.
  virtual void on_readdressed(const Attachment& attachment) = 0;
  virtual void on_replica(const ReplicaWord& word) = 0;
  // Pushes were dropped: what is known, of one network or of all, must be asked anew.
  virtual void on_resync(const std::optional<Vni>& network) = 0;
  // All was said that this host is to know at the revision. The controller would know when it is in
  // force.
  virtual void on_sync(std::uint64_t number, std::uint64_t revision) = 0;
};

}  // namespace dove::agent
