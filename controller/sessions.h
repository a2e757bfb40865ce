// The live sessions and what their agents know: who asked about what, who has joined which network,
// which hosts there are. Answers questions at once, on the asker's thread, and tells every agent
// what a commit changes for it.
//
// Thread-safe. What changes the store's side (load, admit, publish, join) is called by the
// registry's thread alone, in the order of commits; a peer's messages therefore come in that order.
#pragma once

#include <atomic>
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
#include "controller/figures.h"
#include "controller/group_listeners.h"
#include "controller/host_leases.h"
#include "controller/outbox.h"
#include "controller/replicas.h"
#include "controller/waits.h"

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

  // Any thread: the agent has just shown that it is there.
  void note_heard() { heard_ = std::chrono::steady_clock::now(); }
  TimePoint heard() const { return heard_; }

  Outbox outbox;
  // Requests that wait for the registry. Meanwhile it may be us who do not listen.
  std::atomic<int> unanswered = 0;
  // Set by Sessions::admit(), before anything else is asked of the peer.
  ReaderId reader = 0;
  HostId host{};

 private:
  std::atomic<TimePoint> heard_ = std::chrono::steady_clock::now();
};

struct Hello {
  std::string host;
  Vtep vtep;
  std::string boot_id;
  std::string version;
  // What the host knows: of this store, up to this revision, as it was in this opening (store.h).
  std::string store_id = {};
  std::string opening = {};
  std::uint64_t revision = 0;
};
// What it is told of the store.
struct StoreWord {
  std::string id;
  std::string opening;
  bool other_past = false;  // what the host knows is none of its
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
    // A host of which nothing is heard for so long is suspect, and its session over.
    std::chrono::milliseconds lease{10'000};
    // What an operator wants to know, as a line; called with no lock held.
    std::function<void(const std::string&)> report = [](const std::string&) {};
    Replicas::Limits replicas;
  };

  explicit Sessions(const Options& options);
  ~Sessions();

  // --- the registry's thread
  void load(const Consequences& all);
  // Why this host may not have a session now: another live one has its name or its VTEP. The same
  // host on the same boot, with the same VTEP, is itself, come back.
  Status check(const Hello& hello) const;
  // Says welcome and all hosts to the peer, which replaces an earlier session of its own.
  void admit(std::shared_ptr<Peer> peer, const Hello& hello, HostId host, const StoreWord& store);
  // Here and below, adds to `told` what whom is told by it.
  void publish(const Consequences& consequences, Told& told);
  // Adds the peer's host to the network, sends it the reply and then the flood list and the
  // groups'.
  void join(Peer& peer, Vni vni, v1::FromController&& reply, Told& told);
  void leave(Peer& peer, Vni vni, v1::FromController&& reply, Told& told);
  // The peer's host has what is left of a network that is no more: it joins when there is one, and
  // is told that nobody else has it.
  void expect(Peer& peer, Vni vni);
  // An endpoint of the network is active at the peer's host: so it has the network.
  void has_network(Peer& peer, Vni vni, Told& told);
  // Sends the reply to an activation: once all other agents have applied what was told of the
  // peer's host since its last change, or when they had their time for that.
  void confirm(Peer& peer, v1::FromController&& reply, TimePoint now);
  // `done` is called, on any thread and perhaps at once, when all who were told that have applied
  // it, with the hosts that have not when the deadline has come. Hosts without a session are among
  // these, and are not waited for.
  using Applied = std::function<void(const std::vector<v1::Lag>&)>;
  void await(Told told, TimePoint deadline, Applied done);
  // Likewise, of all that every agent with a session has been told; after a start of the controller
  // not before the hosts that had guests have said what these listen to, or had their time for it.
  void await_all(TimePoint deadline, Applied done);
  // Likewise, of what requests of the peer's host have changed: remember() says whom that concerns.
  // After a start of the controller it is await_all(), until that has once been done.
  void await_changes(Peer& peer, TimePoint deadline, Applied done);
  void remember(Peer& peer, const Told& told);
  // Removes from flood lists the hosts that have come back and not joined again, confirms what has
  // waited long enough, finds the hosts that have become suspect, and has agents say what they have
  // applied.
  void tick(TimePoint now);
  // When something waits: when it is to be confirmed at the latest.
  std::optional<TimePoint> next_deadline() const;

  // --- any thread
  // `asker`, of one address alone: the address of the peer's guest that wants to know. Whoever is
  // found will have to answer, so its host is told where the asker is.
  void ask(Peer& peer, std::span<const Key> keys,
           const std::optional<IpAddress>& asker = std::nullopt);
  void forget(Peer& peer, std::span<const Key> keys);
  // The agent lets in all hosts that it was told of up to this revision.
  void knows_hosts(Peer& peer, std::uint64_t revision);
  // The agent has applied all that it was told before the Sync of this number.
  void applied(Peer& peer, const v1::Applied& word);
  // What guests of the peer's host listen to; told to all who have joined the network.
  void listen(Peer& peer, const GroupListeners::Word& word);
  // The agent would keep the network as a whole, and has this of it.
  struct ReplicaPoint {
    Vni vni;
    std::uint64_t revision = 0;
    std::uint64_t digest = 0;
  };
  void replicate(Peer& peer, const ReplicaPoint& has);
  // The agent counts on being told the changes of so many keys, of which it believes this; if that
  // is not so it is told to ask anew.
  void prove(Peer& peer, Vni vni, const Directory::Digest& believed);
  // --- sessions_audit.cc
  // What is otherwise than the agent believes of a network, or of hosts.
  void audit(const Peer& peer, const v1::Audit& believed, v1::Truth* truth) const;
  // What the peer would be told of the keys, or all that a network has which is kept as a whole.
  // The latter only of one that the peer has joined.
  Status look_up(const Peer& peer, const v1::Lookup& wanted, v1::Bindings* found) const;
  void send(Peer& peer, v1::FromController&& message);
  // The peer's stream has ended. What its host owns and has joined stays.
  void end(Peer& peer);
  // Every session there is ends with this error.
  void end_all(const Error& why);
  // Nobody waits any more for agents to apply anything, from now on.
  void stop_waiting();

  // Of a network that is there: what its hosts are to know of it.
  void show(Vni vni, v1::NetworkSettings* settings) const;
  const MacAddress& router_mac() const noexcept { return options_.router_mac; }

  bool is_connected(HostId host) const;
  // Whether this is its host's session, and not one that was replaced or is over.
  bool is_current(const Peer& peer) const;
  struct Presence {
    bool connected = false;
    bool suspect = false;
    std::string version;                // while it is connected
    std::chrono::milliseconds silence;  // while it is not
  };
  Presence presence_of(HostId host, TimePoint now) const;
  // Up to which revision the host has applied all that concerns it; only while it is connected.
  std::optional<std::uint64_t> applied_by(HostId host) const;
  void add_figures(FigureSources& out) const;

 private:
  class Delivery;
  struct Live {
    std::shared_ptr<Peer> peer;
    Hello hello;
    std::set<Vni> joined;  // also of networks that are no more, or not yet again
    TimePoint since;
    bool settled = false;           // the time to join again is over
    std::uint64_t knows_hosts = 0;  // up to this revision, as the agent said
    bool replicates = false;        // it has asked for a replica
    std::set<Vni> too_much;         // small networks that it asked for and has no room for
    // Numbers of Syncs: the last that was sent, the last that was answered, and the one with which
    // the agent knows all that it is to know again; and of the first two their revisions.
    std::uint64_t sent = 0;
    std::uint64_t sent_revision = 0;
    std::uint64_t answered = 0;
    std::uint64_t applied = 0;
    std::uint64_t whole = 1;
    bool told = false;  // something since the last Sync
    bool is_whole() const { return answered >= whole; }
    bool is_idle() const { return is_whole() && !told && answered == sent; }
    Told::Point point() const { return {peer->reader, told ? sent + 1 : sent}; }
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
  void lose(ReaderId reader);
  void drop(ReaderId reader);
  void end_silent(TimePoint now, Delivery& delivery);
  bool is_quiet(const Live& session, TimePoint now) const;
  void add_member(Vni vni, HostId host, ReaderId by, Delivery& delivery);
  void remove_member(Vni vni, HostId host, Delivery& delivery);
  void tell_members(Vni vni, HostId about, bool added, Delivery& delivery);
  void apply(const Consequences& consequences, Delivery& delivery);
  void concern_absent(const Consequences& consequences, Delivery& delivery) const;
  void concern_absent(Vni vni, Delivery& delivery) const;
  void concern_absent(HostId host, Delivery& delivery) const;
  void await(Told told, TimePoint deadline, Applied done, Delivery& delivery);
  void await_settled(TimePoint deadline, Applied done, Delivery& delivery);
  void await_all(TimePoint deadline, Applied done, Delivery& delivery);
  void end_settling(TimePoint now, Delivery& delivery, bool all = false);
  Applied when_applied(HostId host, Applied done);
  void bring_up_to_date(Told& told) const;
  void tell_hosts(std::span<const api::HostEntry> changed, Delivery& delivery);
  void route(const Consequences& consequences, Delivery& delivery);
  std::set<Vni> networks_in_use() const;
  std::map<Vni, v1::NetworkSettings> settings_in_use(std::span<const Routing> tenants) const;
  void tell_network(Vni vni, const v1::NetworkSettings& settings, Delivery& delivery);
  void begin_network(Vni vni, Delivery& delivery);
  void end_network(Vni vni, Delivery& delivery);
  void tell_loss(const Loss& loss, Delivery& delivery);
  void tell_addresses(const Readdressed& readdressed, Delivery& delivery);
  void introduce(const IpKey& asker, HostId from, const IpKey& key, Delivery& delivery);
  void settle(Live& session, Delivery& delivery);
  std::function<bool(HostId, std::uint64_t)> who_knows() const;
  void end_introductions(TimePoint now, Delivery& delivery);
  void tell_groups(Vni vni, HostId host, std::span<const GroupListeners::Change> changes,
                   Delivery& delivery);
  void tell_all_members(const Peer& peer, Vni vni, Delivery& delivery);
  void tell_all_groups(const Peer& peer, Vni vni, Delivery& delivery);
  void settle_groups(Delivery& delivery);
  void tell_replicas(const Consequences& consequences, Delivery& delivery);
  void offer_what_fits(ReaderId reader, Live& session, Delivery& delivery);
  bool may_keep(const Live& session, Vni vni) const;
  void end_replica(ReaderId reader, Live& session, Vni vni, Delivery& delivery);
  void tell_replica(ReaderId reader, Live& session, Vni vni, std::span<const Key> changed,
                    Delivery& delivery);
  void send_delta(ReaderId reader, Vni vni, std::span<const Key> changed, Delivery& delivery);
  void send_snapshot(ReaderId reader, Vni vni, Delivery& delivery);
  void send_replica(ReaderId reader, Vni vni, v1::Replica::Kind kind, Delivery& delivery);
  void audit_network(const Live& session, const v1::Audit& believed, v1::Truth* truth) const;
  void audit_knowledge(const Live& session, const v1::Audit& believed, v1::Truth* truth) const;
  void audit_members(Vni vni, HostId of, const v1::Audit& believed, v1::Truth* truth) const;
  void audit_groups(Vni vni, HostId of, const v1::Audit& believed, v1::Truth* truth) const;
  void audit_hosts(const v1::Audit& believed, v1::Truth* truth) const;
  void tell_joined(Vni vni, HostId about, const v1::FromController& message, Delivery& delivery);

  const Options options_;
  mutable std::mutex mutex_;  // everything below
  Directory directory_;
  SessionsCounters counters_;
  std::uint64_t revision_ = 0;
  ReaderId last_reader_ = 0;
  std::unordered_map<ReaderId, Live> sessions_;
  std::map<HostId, ReaderId> by_host_;
  std::map<HostId, api::HostEntry> hosts_;
  std::map<HostId, Introduction> introductions_;
  // Hosts that may not know all that they are to know: those without a session, and those whose
  // agent has not answered the first Sync after it came, or after a Resync.
  std::set<HostId> absent_;
  // Of a host's requests, as far as others may not have applied it.
  std::map<HostId, Told> changes_;
  std::set<HostId> changed_before_;  // perhaps, before the controller's start: nobody knows what
  Waits waits_;
  bool no_waiting_ = false;
  std::unordered_map<Vni, Members> members_;
  GroupListeners listeners_;
  Replicas replicas_;
  HostLeases leases_;
  // Hosts that were there before us have this long to say what their guests listen to. Until then,
  // or until all of them have, nobody is told that a group has no other listeners, and who waits
  // for everybody to have applied everything has to wait for that, too.
  std::optional<TimePoint> groups_settle_;
  std::set<HostId> unheard_;
  struct Settling {
    TimePoint deadline;
    Applied done;
  };
  std::vector<Settling> await_settling_;
};

}  // namespace dove::controller
