// What a Datapath is made of, and its concerns: life (datapath.cc), ports (datapath_ports.cc), what
// the kernel tells (datapath_events.cc) and the underlay's MTU (datapath_underlay.cc). Not for
// other files.
#pragma once

#include <asio/steady_timer.hpp>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "agent/datapath/announcer.h"
#include "agent/datapath/datapath.h"
#include "agent/datapath/guest_log.h"
#include "agent/datapath/guest_port.h"
#include "agent/datapath/host_check.h"
#include "agent/datapath/overlay_devices.h"
#include "agent/datapath/path_prober.h"
#include "agent/datapath/programmer.h"
#include "agent/datapath/punt.h"
#include "agent/datapath/punt_device.h"
#include "agent/datapath/querier.h"
#include "agent/datapath/resender.h"
#include "agent/datapath/table_audit.h"
#include "agent/datapath/underlay.h"
#include "agent/datapath/walls.h"
#include "agent/datapath/watcher.h"
#include "netlink/miss.h"
#include "netlink/monitor.h"
#include "netlink/route_monitor.h"

namespace dove::agent {

using Clock = std::chrono::steady_clock;

// How soon what a foreign hand did is undone again: two of them must not race.
inline constexpr std::chrono::seconds kPutBackPause{1};

// What of a guest's packets does not fit into the tunnel.
TooLong too_long(const IpAddress& vtep, std::uint32_t underlay_mtu,
                 const std::optional<MacAddress>& router);

struct Datapath::State : std::enable_shared_from_this<Datapath::State> {
  // The parts that open() makes, in the order in which each needs those before it.
  struct Parts {
    NamespaceLock lock;
    netlink::Query query;
    Underlay underlay;
    std::unique_ptr<Walls> walls;
    std::optional<PuntDevice> punt;
    Resender resender;
    GuestLog log;
    GuestPorts guest_ports;
    Answerer answerer;
    Announcer announcer;
    Querier querier;
    Programmer programmer;
    netlink::MissMonitor misses;
    netlink::ChangeMonitor changes;
    netlink::RouteMonitor routes;
    std::optional<PathProber> prober;  // over IPv6
  };
  static Result<Parts> make_parts(asio::io_context& io, netlink::Links& links,
                                  const DatapathOptions& options);

  State(asio::io_context& loop, const DatapathOptions& wanted, DatapathListener& hears,
        std::unique_ptr<netlink::Links> made_links, Parts made);

  struct Port {
    DatapathPort shown{.device = {}, .guest = {*Vni::from(1), {}}};
    GuestDevice device;
    bool secured = true;
    std::optional<std::vector<GuestIdentity>> learned = {};  // without an endpoint, and secured
    std::map<std::pair<MacAddress, std::optional<IpAddress>>, std::uint64_t> sent = {};
    bool ready = false;    // false while its walls are on their way
    bool running = false;  // it had a carrier when last heard of
    TimePoint put_back{};  // when a foreign hand's doing was last undone
  };

  // --- ports
  struct Behind {
    OwnAddresses own;
    std::optional<std::vector<GuestIdentity>> learned;
  };
  void add_port(const std::string& name, const MacKey& guest, const Behind& behind, PortDone done);
  void set_learned(const std::string& name, std::vector<GuestIdentity> learned, Done done);
  Senders take_activity(const Walls::Activity& activity);
  static GuestPorts::Guests guests_of(const Port& port);
  void wall_port(const WalledPort& port, Done done);
  Done or_renew(Done done);
  void set_own(const std::string& name, const std::vector<IpAddress>& own, Done done);
  void walls_stand(const std::string& name, const Status& walled, const PortDone& done);
  Status bring_up(Port& port);
  void drop_port(const std::string& name);
  void remove_port(const std::string& name, Done done);
  void port_link_changed(const netlink::Link& link);
  void port_link_gone(IfIndex index);
  void port_returned(Port& port);
  Result<std::vector<Difference>> faults_of(const Port& port);
  void put_back(Port& port);
  Status mend(Port& port);
  void abandon(const std::string& name);
  Port* port_by_index(IfIndex index);
  std::vector<IfIndex> ports_of(Vni vni) const;

  // --- what the kernel tells; each returns whether there may be more
  void watch();
  void stop_watching();
  void watch_misses();
  bool read_misses();
  void skip_misses();
  bool read_changes();
  bool read_log();
  bool read_punt();
  bool read_walls();
  void on_change(const netlink::LinkChanged& change);
  void on_change(const netlink::LinkGone& change);
  void on_change(const netlink::FdbGone& change);
  void on_change(const netlink::NeighbourGone& change);
  void on_change(const netlink::FdbSet& change);
  void on_change(const netlink::NeighbourSet& change);
  void on_change(const netlink::PortChanged& change);
  void on_change(const netlink::GroupJoined& change);
  void on_change(const netlink::GroupLeft& change);
  void on_change(const netlink::Overrun& change);
  template <class Other>
  void on_change(const Other&) {}
  bool has_devices(Vni vni) const;
  void overlay_changed(Vni vni, const netlink::Link& link);
  void overlay_gone(Vni vni);
  void overlay_spoilt(Vni vni);
  void remake_devices(Vni vni, const std::string& what);
  void watch_punt();
  void remake_punt();
  Status open_punt();
  void drop_punt();
  void punt_changed();
  void look_at_punt();
  PuntReader::Counters punt_counters() const;
  Prefix punt_prefix() const;
  void walls_changed();
  void renew_walls_soon();
  Done or_when_renewed(Done done);
  void renew_walls();

  // --- after an overrun (datapath_reconcile.cc)
  struct Reconciliation {
    bool due = false;  // a round is to follow
    bool under_way = false;
    std::deque<Vni> networks;  // still to be looked at
    TimePoint began{};
    TimePoint next{};  // not before
  };
  void reconcile();
  void reconcile_ports();
  void reconcile_next();
  void end_reconciliation();

  // --- the audit (datapath_audit.cc)
  // One look at some networks, one after the other, and perhaps at what is for all of them.
  struct AuditJob {
    std::deque<Vni> networks;
    bool host = false;
    bool walls = false;
    std::optional<Vni> only;  // of the walls, those of its ports
    bool fix = false;
    DifferencesDone done;
    std::vector<Difference> found;
  };
  // Why a network is to be looked at soon, and when it may be again.
  struct Suspicion {
    bool due = false;
    bool under_way = false;
    TimePoint next{};
  };
  static void mark_mended(std::vector<Difference>& before, const std::vector<Difference>& after,
                          const Status& mended);
  Difference unread(std::optional<Vni> vni, const std::string& what, const Error& why);
  static bool is_to_mend(const AuditJob& job, const std::vector<Difference>& found);
  void tell_put_right(const std::vector<Difference>& found);
  void audit(AuditJob job);
  void run_audits();
  void audit_network(Vni vni);
  void audit_devices(Vni vni, AuditJob& job);
  void audit_ports(Vni vni, AuditJob& job);
  void audit_tables(Vni vni, const std::vector<TableDifference>& differences, AuditJob& job);
  void audit_host(AuditJob& job);
  void audit_walls();
  void walls_looked_at(std::vector<Walls::WallDifference> found);
  void walls_mended(std::vector<Difference> found, const Status& mended);
  std::vector<Difference> describe_walls(const std::vector<Walls::WallDifference>& found) const;
  void told(AuditJob& job, std::vector<Difference> found);
  void tell_mended(Vni vni, const std::vector<Difference>& found);
  void tell_lost(const Programmer::Missing& missing);
  void tell_guests(Vni vni, const std::vector<TableDifference>& mended);
  Status mend_devices(Vni vni);
  std::vector<Difference> port_differences(Vni vni);
  Status mend_ports(Vni vni);
  std::vector<Difference> punt_differences();
  Status mend_punt();
  void renamed(const netlink::Link& link);
  bool punt_is_gone();
  void check_punt();
  void audit_next();
  void suspect(Vni vni);
  void look_at_suspects();
  void looked_at(Vni vni, TimePoint began, std::chrono::nanoseconds pause);
  bool is_wanted(IfIndex device, const TableRow& row) const;
  void entry_changed(IfIndex device, const TableRow& row);
  void look_at_rows(Vni vni);
  void check_firewalls();
  void take_notes(std::vector<std::string> found);
  void put_right(const std::string& what);  // counts it, too
  void put_right(Vni vni, const std::string& what);
  bool was_just_put_back(Vni vni) const;
  void look_at_devices_later(Vni vni);
  void look_at_due_devices();
  void put_devices_right(Vni vni);
  void trouble(const std::string& what);
  Done report_trouble();

  // --- the underlay's MTU
  bool read_routes();
  bool read_too_big();
  void link_may_be_underlay(const netlink::Link& link);
  void set_peers(std::vector<IpAddress> vteps);
  void check_mtu_soon();
  void check_mtu();
  void go_on_with_mtu();
  void end_mtu_round();
  void follow_at_ports(std::uint32_t largest_before);
  void follow_mtu();
  void lead_answers_of(const Router& router);
  void set_too_long();

  // --- groups
  std::optional<Listener> listener_of(const netlink::BridgeGroup& group) const;
  Result<std::vector<Listener>> listeners();
  void read_groups();
  std::vector<Difference> group_differences();
  void audit_groups(AuditJob& job);
  void query_port(const Port& port);
  void query_network(Vni vni);
  void carrier_changed(Port& port, bool running);
  void run_queries();
  // A listener that the bridge has forgotten, until it has been asked for.
  struct Leaving {
    Listener who;
    TimePoint due;         // the next step
    unsigned queries = 0;  // so far
  };
  void ask_leaving();
  void let_leave(IfIndex port);

  // --- networks
  Status add_network(Vni vni);
  Status set_punt(Vni vni);
  Status set_router(Vni vni);
  Status remake_network(Vni vni);
  void schedule_removal();
  void remove_due();
  void shut_down();

  // Unless the timer is cancelled or the datapath is gone by then.
  void at(asio::steady_timer& timer, TimePoint when, void (State::*then)());
  unsigned guest_mtu() const noexcept;
  const DatapathCounters& count();

  asio::io_context& io;
  DatapathOptions options;
  DatapathListener& listener;
  std::unique_ptr<netlink::Links> links;  // the address is known to others
  Parts parts;
  OverlayDevices devices;
  std::optional<PuntReader> punt_reader;
  PuntReader::Counters punted_before;  // by readers of devices that are no more
  std::map<std::string, Port> ports;
  Memberships memberships;
  std::map<std::tuple<Vni, IfIndex, IpAddress>, Leaving> leaving;
  DatapathCounters counters;
  std::uint64_t put_right_so_far = 0;
  std::set<Vni> rows_taken;              // of which entries went that should be there, in this turn
  std::vector<IpAddress> peers;          // VTEPs of all hosts, perhaps our own among them
  UnderlayMtu mtu;                       // of the ways to them
  std::optional<MacAddress> router_mac;  // of every network that routes

  std::vector<Vni> left_behind;  // at open(), of an earlier doved
  std::map<Vni, Router> routers;
  std::map<Vni, Adopted> adopted;  // by add_network(), until somebody asks
  Reconciliation reconciliation;
  asio::steady_timer removal_timer;
  asio::steady_timer reconcile_timer;
  asio::steady_timer punt_timer;
  TimePoint punt_remade{}, punt_put_back{};
  asio::steady_timer devices_timer;
  std::map<Vni, TimePoint> devices_put_back;  // when a foreign hand's doing was last undone
  std::set<Vni> devices_due;                  // to be looked at when they may be put back again
  std::set<Vni> devices_were_down;            // meanwhile: their bridges have forgotten who listens
  std::map<Vni, std::string> devices_problems;
  asio::steady_timer walls_timer;
  asio::steady_timer mtu_timer;
  bool mtu_check_due = false;
  TimePoint mtu_checked{};
  std::optional<UnderlayMtuRound> mtu_round;  // while it is under way
  asio::steady_timer query_timer;
  asio::steady_timer leaving_timer;
  asio::steady_timer firewall_timer;
  std::unique_ptr<TableAudit> table_audit;
  std::deque<AuditJob> audits;
  std::optional<Vni> audited_last;  // of this round
  std::map<Vni, Suspicion> suspicions;
  TimePoint looking_since{};  // the first of `audits` at its network
  asio::steady_timer audit_timer;
  asio::steady_timer suspicion_timer;
  bool renewing_walls = false;
  std::vector<Done> renewal_waited_for;
  TimePoint walls_renewed{};
  std::string punt_problem, walls_problem;  // what is not as it should be at this moment
  std::vector<std::string> notes;           // what of others' gets in the way
  std::vector<netlink::Miss> miss_buffer;
  std::vector<netlink::KernelChange> change_buffer;
  std::optional<Watcher> punt_watcher;  // last: they call into all of the above
  std::vector<Watcher> watchers;
};

}  // namespace dove::agent
