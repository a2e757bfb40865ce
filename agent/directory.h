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
};

// A point in a controller's store: revisions compare only within one store.
struct StorePoint {
  std::string store_id;  // raw bytes; empty before the first session
  std::uint64_t revision = 0;
  friend bool operator==(const StorePoint&, const StorePoint&) = default;
};

using BindingRecord = std::variant<MacBinding, IpBinding>;

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
  // An endpoint of this host was deleted, or is active elsewhere, by the generation told.
  virtual void on_lost(const Attachment& attachment) = 0;
  // An endpoint of this host has other addresses now: `attachment.ips`, and no others.
  virtual void on_readdressed(const Attachment& attachment) = 0;
  // Pushes were dropped: what is known must be asked anew.
  virtual void on_resync() = 0;
};

}  // namespace dove::agent
