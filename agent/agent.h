// doved's parts put together: what the kernel, the guests and the controller say goes to the
// resolver; what it decides is carried out once a turn of the loop: words to the controller first,
// then one batch of kernel changes, then answers to guests and the packets that waited.
//
// Belongs to the loop thread.
#pragma once

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/announcements.h"
#include "agent/belief_audit.h"
#include "agent/belief_difference.h"
#include "agent/datapath/datapath.h"
#include "agent/difference.h"
#include "agent/directory.h"
#include "agent/figures.h"
#include "agent/knowledge.h"
#include "agent/learning.h"
#include "agent/local_guests.h"
#include "agent/options.h"
#include "agent/ports.h"
#include "agent/progress.h"
#include "agent/replica_file.h"
#include "agent/replica_requests.h"
#include "agent/resolver.h"
#include "agent/router.h"
#include "agent/session.h"
#include "agent/sought.h"
#include "agent/state_file.h"
#include "api/journal.h"

namespace dove::agent {

// Told what changes on this host, while it changes.
class AgentWatcher {
 public:
  virtual ~AgentWatcher() = default;
  virtual void on_port(const Port& port, bool deleted) = 0;
  virtual void on_kernel_change(const KernelChange& change) = 0;  // it is in the kernel
  virtual void on_session() = 0;                                  // made or lost
};

class Agent final : private DatapathListener,
                    private DirectoryListener,
                    private PortHost,
                    private LearningHost,
                    private Believer {
 public:
  // Reads the state file and takes the kernel's side over. The error says why doved cannot run.
  // A thread waits at `queue`, where the session's operations end.
  static Result<std::unique_ptr<Agent>> open(asio::io_context& loop, grpc::CompletionQueue& queue,
                                             const Options& options, api::Journal& journal);
  ~Agent() override;

  void start();
  // Ends the session; what waits for the controller fails.
  void disconnect() { session_.stop(); }
  // Ends the session, saves the state and leaves the kernel as it is. Nothing but the destructor
  // may follow.
  void stop();
  // At most one; must outlive the agent or be unset.
  void set_watcher(AgentWatcher* watcher) noexcept { watcher_ = watcher; }

  // --- to command and to show
  Ports& ports() noexcept { return ports_; }
  const Ports& ports() const noexcept { return ports_; }
  const Resolver& resolver() const noexcept { return resolver_; }
  const Learning& learning() const noexcept { return learning_; }
  const Options& options() const noexcept { return options_; }
  Session::Info session() const { return session_.info(); }
  // Up to which revision all that the controller has said is in force.
  std::uint64_t applied() const;
  // When all other hosts have applied what this one has changed; those that have not in this time.
  void await(std::chrono::milliseconds wait, Completion<std::vector<Lag>> done) {
    session_.await(wait, std::move(done));
  }
  unsigned guest_mtu() const noexcept { return datapath_->guest_mtu(); }
  std::string problem() const;  // what an operator should see to; empty: nothing
  // What others on this host do that gets in guests' way, and what helps.
  const std::vector<std::string>& notes() const { return datapath_->notes(); }
  // Compares what is remembered with the kernel and with what the controller says: of one network,
  // or of all when the name is empty; kNotFound when this host does not have it.
  struct Checked {
    std::vector<Difference> differences;
    std::string unasked;  // why the controller was not asked, if it was not
  };
  void check(const std::string& network, bool fix, Completion<Checked> done);
  const BeliefAudit::Counters& audit_counters() const noexcept { return audit_.counters(); }
  const DatapathCounters& datapath_counters() const { return datapath_->counters(); }
  TableSizes table_sizes() const { return datapath_->sizes(); }
  const std::map<Vni, Router>& routers() const noexcept { return routers_; }
  std::string router_problem(Vni vni) const;  // why the kernel does not have all of it; or empty
  std::size_t refused() const;                // what the kernel does not take at this moment
  std::size_t hosts() const noexcept { return hosts_.size(); }
  const std::string& host_name(HostId host) const override;  // empty when not known
  const std::string& host_name(const Vtep& vtep) const;
  KnowledgeInfo knowledge() const;
  // What figures() of figures.h makes its list of.
  void figures(std::function<void(FigureSources)> done);

 private:
  Agent(asio::io_context& loop, grpc::CompletionQueue& queue, const Options& options,
        api::Journal& journal, ParsedState saved);

  // DatapathListener
  void on_mac_miss(const MacMiss& miss) override;
  void on_ip_miss(const IpMiss& miss) override;
  void on_heard(const GuestHeard& heard) override;
  void on_query(const AddressQuery& query) override;
  void on_seen(const AddressSeen& seen) override;
  void on_punted(PuntedFrame&& frame) override;
  void on_fdb_gone(const MacKey& key) override;
  void on_neighbour_gone(const IpKey& key) override;
  void on_group(const Memberships::Change& change) override;
  void on_port_gone(const std::string& device) override;
  void on_port_back(const std::string& device, IfIndex index) override;
  void on_other_device(const std::string& device) override;
  void on_trouble(const std::string& what) override;  // of PortHost too
  void on_guest_mtu(unsigned mtu) override;
  void on_turn_end() override { end_turn(); }

  // DirectoryListener
  void on_session_ready(bool new_store, HostId self) override;
  void on_session_lost(const Error& reason, bool refused) override;
  void on_hosts(std::span<const HostRecord> hosts, bool full) override;
  void on_bindings(std::span<const BindingRecord> bindings) override;
  void on_flood_list(Vni vni, std::span<const HostId> add, std::span<const HostId> remove,
                     bool full) override;
  void on_group_list(Vni vni, const std::optional<MacAddress>& group, std::span<const HostId> add,
                     std::span<const HostId> remove, bool full) override;
  void on_network(const NetworkSettings& settings) override;
  void on_lost(const Attachment& attachment) override;
  void on_network_gone(Vni vni) override;
  void on_readdressed(const Attachment& attachment) override;
  void on_replica(const ReplicaWord& word) override;
  void on_resync(const std::optional<Vni>& network) override;
  void on_sync(std::uint64_t number, std::uint64_t revision) override;

  // PortHost
  Status check_device(const std::string& dev) const override;
  Status add_network(Vni vni) override;
  void remove_network(Vni vni) override;
  void add_port(const Port& port, Completion<void> done) override;
  void set_addresses(const Port& port) override;
  void remove_port(const std::string& dev, const MacKey& guest, Completion<void> done) override;
  void set_local(const MacKey& guest, bool here) override;
  void save(Completion<void> done) override;
  void on_settings(const NetworkSettings& settings) override;
  HostId self() const override { return self_; }
  void on_port(const Port& port, bool deleted) override;

  FigureSources sources() const;
  std::string refusals() const;
  std::vector<Port> unmade_ports() const;
  // LearningHost (learned.cc)
  void set_learned_local(const std::string& dev, const MacKey& guest, bool here) override;
  void let_in(const std::string& dev, std::function<void()> done) override;
  void say_again(const GuestHeard& heard) override;
  void probe(const std::string& dev, const MacKey& guest, const IpAddress& ip) override;
  void on_learned(const std::string& dev) override;
  void on_refused(const std::string& dev, const std::string& why) override;

  // Believer (beliefs.cc)
  Beliefs beliefs(const Scope& scope) const override;
  std::vector<Difference> compare(const Scope& scope, const Truth& truth) const override;
  std::vector<Key> counted(Vni vni) const override;
  std::vector<Difference> compare(Vni vni, std::span<const Key> keys,
                                  std::span<const BindingRecord> truth) const override;
  std::vector<Difference> compare(Vni vni, std::span<const BindingRecord> truth) const override;
  void mend(const Scope& scope, const Truth& truth) override;

  std::optional<Beliefs::Interest> interest_in(Vni vni) const;
  std::vector<Attached> attached() const;
  Difference belief(const Scope& scope, std::string what) const;
  Difference deleted_network(Vni vni) const;
  std::string shown_host(HostId host) const;
  Words unlike_replica(const Key& key) const;
  std::vector<Difference> compare_host(const Truth& truth) const;
  void compare_attached(std::span<const Attachment> truth, std::vector<Difference>& out) const;
  void mend_host(const Truth& truth);
  void audit_beliefs();

  void hear_at(const Port& port);
  void add_learning_port(const Port& port, Completion<void> done);
  void forget_learned(const std::string& dev);
  void drop_lost_ports();
  void let_in_next(const std::string& dev);
  void watch_learned();
  std::vector<IfIndex> ports_for(const GuestHeard& heard) const;
  void seek_unheard(const IpBinding& binding);
  const std::string* learning_port(IfIndex port) const;
  std::vector<GuestIdentity> learned_at(const std::string& dev) const;
  std::vector<IpAddress> gateways_near(Vni vni, const IpAddress& ip) const;

  void end_turn();
  void end_turn_soon();
  void tell_controller();
  void apply_changes();
  void say_refused(const KernelChange& change, const std::error_code& error);
  void arm_timer();
  State state() const;
  void restore();
  void restore_hosts();
  void restore_members(Vni vni);
  std::vector<HostId> members_of(Vni vni) const;
  std::string describe_damage() const;
  // replication.cc
  void answer_here();
  bool answer_here(const Key& key);
  void refresh(const Key& key, bool lost);
  void refresh(std::span<const Vni> networks, bool lost);
  void add_concerned(const Key& changed, std::vector<Key>& keys) const;
  std::vector<Key> concerned(const ReplicaWord& word) const;
  std::vector<Key> asked_elsewhere(std::vector<Key> keys) const;
  bool is_replicated(const Key& key) const;
  void request_replica(Vni vni);
  void request_next();
  void use_replica(const ReplicaWord& word);
  void end_replica(Vni vni);
  void forget_answered(std::span<const Key> keys);
  void renew(std::span<const Vni> networks);
  void restore_replicas();
  void know_network(const NetworkSettings& settings);
  void forget_network(Vni vni);
  void know_session(bool new_store);
  void doubt_knowledge();
  bool knows_all() const;
  void save_replicas();
  void save_replica(Vni vni);

  void use_hosts();
  // applied.cc
  void tell_applied();
  void await_answers();
  void mark_asked();
  void confirm_ports();
  void tell_walls();
  void change_walls(const std::function<void(Datapath::Done)>& change);
  Status adopt(Vni vni);
  void use_settings(const NetworkSettings& settings);
  void set_router(Vni vni, const Router& router);
  void write_router(Vni vni);
  void retry_routers();
  void answer_echo(const PuntedFrame& frame);
  void deliver();
  std::optional<IfIndex> port_of(const MacKey& guest) const;
  bool is_guest(IfIndex port, const MacKey& guest) const;
  const Port* find_port(const MacKey& guest) const;
  Announcements::Standing standing(const IpKey& address, const MacAddress& mac) const;
  void announce(const Announcements::Word& word, std::vector<std::byte> eaten);
  void every_second();

  asio::io_context& loop_;
  const Options options_;
  api::Journal& journal_;
  const State saved_;
  const std::vector<std::string> damage_;  // what of the state file could not be understood
  bool incomplete_;                        // State::incomplete
  Progress progress_;
  Knowledge knowledge_;
  ReplicaRequests requests_;
  KnowledgeInfo known_;
  TimePoint known_at_{};  // when all of it was true, where that is not now
  TimePoint next_audit_{};
  Scope last_audited_;
  Resolver resolver_;
  Actions actions_;
  Announcements announcements_;
  LocalGuests guests_;
  std::map<IfIndex, std::string> learning_ports_;
  struct LettingIn {
    bool under_way = false;
    std::vector<std::function<void()>> waiting;
  };
  std::map<std::string, LettingIn> letting_in_;
  struct Refusals {
    std::uint64_t count = 0;
    TimePoint next{};
  };
  std::map<std::string, Refusals> refusals_;  // by port
  TimePoint activity_due_{};
  Sought sought_;
  std::set<Vni> networks_;
  std::map<Vni, Router> routers_;
  struct RefusedRouter {
    std::string problem;
    std::chrono::seconds pause{};
    TimePoint next{};
  };
  std::map<Vni, RefusedRouter> refused_routers_;  // not all in the kernel
  RoutingCounters routing_;
  std::map<HostId, HostRecord> hosts_;
  std::map<Vtep, HostId> vteps_;
  std::set<IpAddress> known_vteps_;  // of the other hosts; before the first session, the saved ones
  bool hosts_changed_ = false;
  HostId self_;
  std::optional<MacAddress> router_mac_;  // told by the last session, or saved
  AgentWatcher* watcher_ = nullptr;
  bool starting_ = true;
  bool turn_posted_ = false;
  asio::steady_timer timer_;  // of the resolver
  std::optional<TimePoint> armed_;
  std::optional<Progress::Point> sync_;  // said in this turn
  std::uint64_t applied_ = 0;
  Progress::Hold asking_again_;  // until a mark is set behind it
  std::map<Vni, Progress::Hold> replicas_asked_;
  unsigned hosts_let_in_ = 0;  // changes of the walls for this that are under way
  asio::steady_timer second_timer_;
  StorePoint saved_point_;
  TimePoint next_reminder_{};
  std::string unsaved_;  // why the last state that was to be saved is not
  std::unique_ptr<Datapath> datapath_;
  StateWriter writer_;
  ReplicaStore replica_store_;
  Session session_;
  Ports ports_;
  Learning learning_;
  BeliefAudit audit_;
};

}  // namespace dove::agent
