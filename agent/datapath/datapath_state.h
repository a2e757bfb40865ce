// What a Datapath is made of, and its concerns: life (datapath.cc), ports (datapath_ports.cc), what
// the kernel tells (datapath_events.cc) and the underlay's MTU (datapath_underlay.cc). Not for
// other files.
#pragma once

#include <asio/steady_timer.hpp>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/datapath/announcer.h"
#include "agent/datapath/datapath.h"
#include "agent/datapath/guest_log.h"
#include "agent/datapath/guest_port.h"
#include "agent/datapath/overlay_devices.h"
#include "agent/datapath/programmer.h"
#include "agent/datapath/punt.h"
#include "agent/datapath/punt_device.h"
#include "agent/datapath/querier.h"
#include "agent/datapath/resender.h"
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
    netlink::FileDescriptor lock;
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
  };
  static Result<Parts> make_parts(asio::io_context& io, netlink::Links& links,
                                  const DatapathOptions& options);

  State(asio::io_context& loop, const DatapathOptions& wanted, DatapathListener& hears,
        std::unique_ptr<netlink::Links> made_links, Parts made);

  struct Port {
    DatapathPort shown;
    GuestDevice device;
    bool secured = true;
    bool ready = false;    // false while its walls are on their way
    TimePoint put_back{};  // when a foreign hand's doing was last undone
  };

  // --- ports
  void add_port(const std::string& name, const MacKey& guest, const OwnAddresses& own,
                PortDone done);
  void wall_port(const WalledPort& port, const Done& done);
  void set_own(const std::string& name, const std::vector<IpAddress>& own, Done done);
  void walls_stand(const std::string& name, const Status& walled, const PortDone& done);
  Status bring_up(Port& port);
  void drop_port(const std::string& name);
  void remove_port(const std::string& name, Done done);
  void port_link_changed(const netlink::Link& link);
  void port_link_gone(IfIndex index);
  void port_returned(Port& port);
  void put_back(Port& port);
  void abandon(const std::string& name);
  Port* port_by_index(IfIndex index);
  std::vector<IfIndex> ports_of(Vni vni) const;

  // --- what the kernel tells; each returns whether there may be more
  void watch();
  void stop_watching();
  bool read_misses();
  bool read_changes();
  bool read_log();
  bool read_punt();
  bool read_walls();
  void on_change(const netlink::LinkChanged& change);
  void on_change(const netlink::LinkGone& change);
  void on_change(const netlink::FdbGone& change);
  void on_change(const netlink::NeighbourGone& change);
  void on_change(const netlink::GroupJoined& change);
  void on_change(const netlink::GroupLeft& change);
  void on_change(const netlink::Overrun& change);
  template <class Other>
  void on_change(const Other&) {}
  bool has_devices(Vni vni) const;
  void overlay_gone(Vni vni);
  void watch_punt();
  void remake_punt();
  Status open_punt();
  void punt_changed(const netlink::Link& link);
  PuntReader::Counters punt_counters() const;
  Prefix punt_prefix() const;
  void walls_changed();
  void renew_walls_soon();
  Done or_when_renewed(Done done);
  void renew_walls();
  void reconcile_next();
  void check_firewalls();
  void take_notes(std::vector<std::string> found);
  void put_right(const std::string& what);  // counts it, too
  void trouble(const std::string& what);
  Done report_trouble();

  // --- the underlay's MTU
  bool read_routes();
  void link_may_be_underlay(const netlink::Link& link);
  void set_peers(std::vector<IpAddress> vteps);
  void check_mtu_soon();
  void check_mtu();
  void follow_at_ports();
  void follow_mtu();
  void lead_answers_of(const Router& router);
  void set_too_long();

  // --- groups
  std::optional<Listener> listener_of(const netlink::BridgeGroup& group) const;
  void read_groups();
  void query_port(const Port& port);
  void run_queries();

  // --- networks
  Status add_network(Vni vni);
  Status set_punt(Vni vni);
  Status set_router(Vni vni);
  void restore_router(Vni vni);
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
  DatapathCounters counters;
  std::uint64_t put_right_so_far = 0;
  std::vector<IpAddress> peers;          // VTEPs of all hosts, perhaps our own among them
  UnderlayMtu mtu;                       // of the ways to them
  std::optional<MacAddress> router_mac;  // of every network that routes

  std::vector<Vni> left_behind;  // at open(), of an earlier doved
  std::map<Vni, Router> routers;
  std::map<Vni, Adopted> adopted;  // by add_network(), until somebody asks
  std::deque<Vni> to_reconcile;
  asio::steady_timer removal_timer;
  asio::steady_timer reconcile_timer;
  asio::steady_timer punt_timer;
  asio::steady_timer walls_timer;
  asio::steady_timer mtu_timer;
  bool mtu_check_due = false;
  TimePoint mtu_checked{};
  asio::steady_timer query_timer;
  asio::steady_timer firewall_timer;
  bool renewing_walls = false;
  std::vector<Done> renewal_waited_for;
  TimePoint walls_renewed{};
  std::string punt_problem, walls_problem;  // what is not as it should be at this moment
  std::vector<std::string> notes;           // what of others' gets in the way
  std::vector<netlink::Miss> miss_buffer;
  std::vector<netlink::KernelChange> change_buffer;
  std::string last_trouble;
  TimePoint last_trouble_at{};
  std::optional<Watcher> punt_watcher;  // last: they call into all of the above
  std::vector<Watcher> watchers;
};

}  // namespace dove::agent
