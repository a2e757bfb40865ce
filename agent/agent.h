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
#include "agent/datapath/datapath.h"
#include "agent/directory.h"
#include "agent/journal.h"
#include "agent/options.h"
#include "agent/ports.h"
#include "agent/resolver.h"
#include "agent/router.h"
#include "agent/session.h"
#include "agent/state_file.h"

namespace dove::agent {

// Told what changes on this host, while it changes.
class AgentWatcher {
 public:
  virtual ~AgentWatcher() = default;
  virtual void on_port(const Port& port, bool deleted) = 0;
  virtual void on_kernel_change(const KernelChange& change) = 0;  // it is in the kernel
  virtual void on_session() = 0;                                  // made or lost
};

class Agent final : private DatapathListener, private DirectoryListener, private PortHost {
 public:
  // Reads the state file and takes the kernel's side over. The error says why doved cannot run.
  // A thread waits at `queue`, where the session's operations end.
  static Result<std::unique_ptr<Agent>> open(asio::io_context& loop, grpc::CompletionQueue& queue,
                                             const Options& options, Journal& journal);
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
  const Options& options() const noexcept { return options_; }
  Session::Info session() const { return session_.info(); }
  unsigned guest_mtu() const noexcept { return datapath_->guest_mtu(); }
  std::string problem() const;  // what an operator should see to; empty: nothing
  // What others on this host do that gets in guests' way, and what helps.
  const std::vector<std::string>& notes() const { return datapath_->notes(); }
  const std::map<Vni, Router>& routers() const noexcept { return routers_; }
  std::size_t hosts() const noexcept { return hosts_.size(); }
  const std::string& host_name(HostId host) const;  // empty when not known
  const std::string& host_name(const Vtep& vtep) const;
  struct Counter {
    std::string name;
    std::uint64_t value = 0;
    std::string device;  // of a port's own; else empty
  };
  using CounterList = std::vector<Counter>;
  struct RoutingCounters {
    std::uint64_t echo_replies = 0;     // of gateways
    std::uint64_t gateway_ignored = 0;  // other frames to gateways
    std::uint64_t undeliverable = 0;    // routed to a guest that is not here any more
  };
  void counters(std::function<void(CounterList)> done);

 private:
  Agent(asio::io_context& loop, grpc::CompletionQueue& queue, const Options& options,
        Journal& journal, State saved);

  // DatapathListener
  void on_mac_miss(const MacMiss& miss) override;
  void on_ip_miss(const IpMiss& miss) override;
  void on_query(const AddressQuery& query) override;
  void on_seen(const AddressSeen& seen) override;
  void on_punted(PuntedFrame&& frame) override;
  void on_fdb_gone(const MacKey& key) override;
  void on_neighbour_gone(const IpKey& key) override;
  void on_group(const Memberships::Change& change) override;
  void on_port_gone(const std::string& device) override;
  void on_port_back(const std::string& device, IfIndex index) override;
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
  void on_readdressed(const Attachment& attachment) override;
  void on_resync() override;

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

  void end_turn();
  void end_turn_soon();
  void tell_controller();
  void apply_changes();
  void arm_timer();
  State state() const;
  void tell_walls();
  void tell_applied();
  void say_applied();
  void change_walls(const std::function<void(Datapath::Done)>& change);
  Status adopt(Vni vni);
  void use_settings(const NetworkSettings& settings);
  void set_router(Vni vni, const Router& router);
  void answer_echo(const PuntedFrame& frame);
  void deliver();
  std::optional<IfIndex> port_of(const MacKey& guest) const;
  bool is_guest(IfIndex port, const MacKey& guest) const;
  Announcements::Standing standing(const IpKey& address, const MacAddress& mac) const;
  void announce(const Announcements::Word& word, std::vector<std::byte> eaten);
  void every_second();

  asio::io_context& loop_;
  const Options options_;
  Journal& journal_;
  const State saved_;
  Resolver resolver_;
  Actions actions_;
  Announcements announcements_;
  std::map<IfIndex, MacKey> guests_;  // by their ports
  std::set<Vni> networks_;
  std::map<Vni, Router> routers_;
  RoutingCounters routing_;
  std::map<HostId, HostRecord> hosts_;
  std::map<Vtep, HostId> vteps_;
  std::set<IpAddress> known_vteps_;  // of the other hosts; before the first session, the saved ones
  bool hosts_changed_ = false;
  HostId self_{};
  AgentWatcher* watcher_ = nullptr;
  bool starting_ = true;
  bool turn_posted_ = false;
  asio::steady_timer timer_;  // of the resolver
  std::optional<TimePoint> armed_;
  asio::steady_timer applied_timer_;
  std::uint64_t applied_ = 0;
  bool applied_armed_ = false;
  unsigned walls_changing_ = 0;
  asio::steady_timer second_timer_;
  StorePoint saved_point_;
  std::unique_ptr<Datapath> datapath_;
  StateWriter writer_;
  Session session_;
  Ports ports_;
};

}  // namespace dove::agent
