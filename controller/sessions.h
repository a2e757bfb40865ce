// The live sessions and what their agents know: who asked about what, who has joined which network,
// which hosts there are. Answers questions at once, on the asker's thread, and tells every agent
// what a commit changes for it.
//
// Thread-safe. What changes the store's side (load, admit, publish, join) is called by the
// registry's thread alone, in the order of commits; a peer's messages therefore come in that order.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "api/convert.h"
#include "controller/consequences.h"
#include "controller/directory.h"
#include "controller/group_listeners.h"
#include "controller/outbox.h"

namespace dove::controller {

// The agent's end of a session, as the rest of the controller sees it.
class Peer {
 public:
  explicit Peer(const Outbox::Limits& limits) : outbox{limits} {}
  virtual ~Peer() = default;
  // Writes what waits, when nothing is being written. Not to be called with a lock held.
  virtual void flush() = 0;
  // Ends the session with this error. Likewise.
  virtual void close(const Error& reason) = 0;

  Outbox outbox;
  // Set by Sessions::admit(), before anything else is asked of the peer.
  ReaderId reader = 0;
  HostId host{};
};

struct Hello {
  std::string host;
  Vtep vtep;
  std::string boot_id;
  std::string version;
};

class Sessions {
 public:
  struct Options {
    MacAddress router_mac = kDefaultRouterMac;
    std::chrono::milliseconds negative_ttl{2000};
    // Keys a session may be interested in; beyond, it is resynced and starts from nothing.
    std::size_t interest = 1U << 20U;
    // A host that has come back has this long to join its networks again.
    std::chrono::milliseconds rejoin{10'000};
    // For so long the first activation at a host waits for agents that do not know the host.
    std::chrono::milliseconds introduction{1'000};
  };

  explicit Sessions(const Options& options);
  ~Sessions();

  // --- the registry's thread
  void load(const Consequences& all);
  // Why this host may not have a session now: another live one has its name or its VTEP. The same
  // host on the same boot, with the same VTEP, is itself, come back.
  Status check(const Hello& hello) const;
  // Says welcome and all hosts to the peer, which replaces an earlier session of its own.
  void admit(std::shared_ptr<Peer> peer, const Hello& hello, HostId host,
             const std::string& store_id);
  void publish(const Consequences& consequences);
  // Adds the peer's host to the network, sends it the reply and then the flood list and the
  // groups'.
  void join(Peer& peer, Vni vni, v1::FromController&& reply);
  void leave(Peer& peer, Vni vni, v1::FromController&& reply);
  // An endpoint of the network is active at the peer's host: so it has the network.
  void has_network(Peer& peer, Vni vni);
  // Sends the reply to an activation: once all other agents have applied what was told of the
  // peer's host since its last change, or when they had their time for that.
  void confirm(Peer& peer, v1::FromController&& reply, TimePoint now);
  // Removes from flood lists the hosts that have come back and not joined again, and confirms what
  // has waited long enough.
  void tick(TimePoint now);
  // When something waits: when it is to be confirmed at the latest.
  std::optional<TimePoint> next_deadline() const;

  // --- any thread
  // `asker`, of one address alone: the address of the peer's guest that wants to know. Whoever is
  // found will have to answer, so its host is told where the asker is.
  void ask(Peer& peer, std::span<const Key> keys,
           const std::optional<IpAddress>& asker = std::nullopt);
  void forget(Peer& peer, std::span<const Key> keys);
  // The agent has applied all that it was told up to this revision.
  void applied(Peer& peer, std::uint64_t revision);
  // What guests of the peer's host listen to; told to all who have joined the network.
  void listen(Peer& peer, const GroupListeners::Word& word);
  void send(Peer& peer, v1::FromController&& message);
  // The peer's stream has ended. What its host owns and has joined stays.
  void end(Peer& peer);

  // Of a network that is there: what its hosts are to know of it.
  void show(Vni vni, v1::NetworkSettings* settings) const;
  const MacAddress& router_mac() const noexcept { return options_.router_mac; }

  bool is_connected(HostId host) const;
  std::string version_of(HostId host) const;  // empty while it is not connected

 private:
  class Delivery;
  struct Live {
    std::shared_ptr<Peer> peer;
    Hello hello;
    std::set<Vni> joined;
    TimePoint since;
    bool settled = false;       // the time to join again is over
    std::uint64_t applied = 0;  // by the agent, as it said
  };
  // A host that was told of and of which not all agents have said that they know it.
  struct Introduction {
    std::uint64_t revision = 0;
    std::optional<TimePoint> deadline;                                  // since something waits
    std::vector<std::pair<ReaderId, v1::FromController>> replies = {};  // that wait
  };
  using Members = std::map<HostId, ReaderId>;  // and the session that joined last, 0: none yet

  Live* live(ReaderId reader);
  const Live* live_of(HostId host) const;
  void add_member(Vni vni, HostId host, ReaderId by, Delivery& delivery);
  void remove_member(Vni vni, HostId host, Delivery& delivery);
  void tell_members(Vni vni, HostId about, bool added, Delivery& delivery);
  void apply(const Consequences& consequences, Delivery& delivery);
  void tell_hosts(std::span<const api::HostEntry> changed, Delivery& delivery);
  void route(const Consequences& consequences, Delivery& delivery);
  std::map<Vni, v1::NetworkSettings> joined_settings(std::span<const Routing> tenants) const;
  void tell_network(Vni vni, const v1::NetworkSettings& settings, Delivery& delivery);
  void end_network(Vni vni, Delivery& delivery);
  void tell_loss(const Loss& loss, Delivery& delivery);
  void tell_addresses(const Readdressed& readdressed, Delivery& delivery);
  void introduce(const IpKey& asker, HostId from, const IpKey& key, Delivery& delivery);
  void settle(Live& session, Delivery& delivery);
  std::function<bool(HostId, std::uint64_t)> who_knows() const;
  void end_introductions(TimePoint now, Delivery& delivery);
  void tell_groups(Vni vni, HostId host, std::span<const GroupListeners::Change> changes,
                   Delivery& delivery);
  void tell_all_groups(const Peer& peer, Vni vni, Delivery& delivery);
  void settle_groups(TimePoint now, Delivery& delivery);
  void tell_joined(Vni vni, HostId about, const v1::FromController& message, Delivery& delivery);

  const Options options_;
  mutable std::mutex mutex_;  // everything below
  Directory directory_;
  std::uint64_t revision_ = 0;
  ReaderId last_reader_ = 0;
  std::unordered_map<ReaderId, Live> sessions_;
  std::map<HostId, ReaderId> by_host_;
  std::map<HostId, api::HostEntry> hosts_;
  std::map<HostId, Introduction> introductions_;
  std::unordered_map<Vni, Members> members_;
  GroupListeners listeners_;
  // Hosts that were there before us have this long to say what their guests listen to. Until then
  // nobody is told that a group has no other listeners.
  std::optional<TimePoint> groups_settle_;
};

}  // namespace dove::controller
