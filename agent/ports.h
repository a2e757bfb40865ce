// The guests' ports of this host and the networks it therefore has: makes them, takes them away,
// and keeps them right when a device goes, a controller comes back, or an endpoint is elsewhere.
//
// One change at a time, in the order asked for; a change that fails undoes what it did and says
// why. Taking away works without a controller: what it could not be told is remembered, told at the
// next session, and written to the state file. So does adding an endpoint whose port here has lost
// its device or was deleted without one: it is kPending until a controller confirms it.
//
// What a command changes is saved before anything is taken away: when it cannot be, on a full disk,
// the command is refused and all is as before.
//
// Belongs to the loop thread. Completions come on it, possibly from within the call.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/directory.h"
#include "agent/state_file.h"
#include "agent/steps.h"

namespace dove::agent {

struct Port {
  enum class State {
    kPending,  // on the bridge, not yet confirmed by a controller
    kActive,
    kLost,    // the endpoint, or the network of a port without one, was deleted, or the endpoint is
              // active elsewhere: off the bridge
    kAbsent,  // the device has gone; the port returns with it
  };
  std::string dev;
  std::string endpoint;  // empty: of a network that learns who is behind it, and of no endpoint
  std::string network;
  Vni vni;
  MacAddress mac;  // zero without an endpoint
  std::vector<IpAddress> ips;
  std::vector<IpAddress> shared_ips;  // those of `ips` that others may speak for too
  State state = State::kPending;
  std::uint64_t generation = 0;
  bool security = true;  // it may send from its own MAC and IPs only
  std::string owner;     // of a lost one: the host that has the endpoint, if one has
  std::string problem;   // of an absent one: why it could not be made when its device was there

  MacKey guest() const { return {vni, mac}; }
  bool is_here() const noexcept { return state == State::kActive || state == State::kPending; }
  // Whether it counts among the users of its network.
  bool needs_network() const noexcept { return state != State::kLost; }
};

// What `port add` says.
struct PortRequest {
  std::string dev;
  std::string endpoint;
  std::optional<bool> security = {};  // of a new port, left out: on
  std::string network = {};           // in place of an endpoint: one that learns
};

// What the manager needs of the rest of the agent.
class PortHost {
 public:
  virtual ~PortHost() = default;
  // An error when no device of this name is there.
  virtual Status check_device(const std::string& dev) const = 0;
  // Devices, walls and forwarding state of a network. Repeating it succeeds.
  virtual Status add_network(Vni vni) = 0;
  virtual void remove_network(Vni vni) = 0;
  // Makes the device the guest's port, up; before, the guest's MAC is known to be here.
  virtual void add_port(const Port& port, Completion<void> done) = 0;
  // The guest at a port of this host has other addresses now.
  virtual void set_addresses(const Port& port) = 0;
  // The reverse of add_port. Succeeds when the device has gone.
  virtual void remove_port(const std::string& dev, const MacKey& guest, Completion<void> done) = 0;
  // The guest's MAC is, or is no longer, on this host, whatever becomes of the device.
  virtual void set_local(const MacKey& guest, bool here) = 0;
  // Writes what Ports::state() returns.
  virtual void save(Completion<void> done) = 0;
  virtual HostId self() const = 0;
  virtual const std::string& host_name(HostId host) const = 0;  // empty when it is unknown
  // What the controller says of a network that is here, at first and whenever it may have changed.
  virtual void on_settings(const NetworkSettings& settings) = 0;
  // For the journal and for those who watch.
  virtual void on_port(const Port& port, bool deleted) = 0;
  virtual void on_trouble(const std::string& what) = 0;
};

class Ports {
 public:
  Ports(Directory& directory, PortHost& host);

  // --- by command
  void add(const PortRequest& wanted, Completion<Port> done);
  void del(const std::string& dev, Completion<void> done);
  void join(const std::string& network, Completion<Vni> done);
  void leave(const std::string& network, Completion<Vni> done);

  // --- at start: takes over what was saved. Ports whose device is there are put back (those that
  // still are on their bridge are not touched) and wait for confirmation as kPending.
  void restore(const State& saved, std::function<void()> done);

  // --- what happens. `done`, when all that follows has been done here.
  void on_session_ready(std::function<void()> done = nullptr);
  // To be called now and then: what the controller could not keep is told again.
  void remind();
  void on_lost(const Attachment& attachment, std::function<void()> done = nullptr);
  void on_readdressed(const Attachment& attachment, std::function<void()> done = nullptr);
  void on_network(const NetworkSettings& settings);
  void on_network_gone(Vni vni, std::function<void()> done = nullptr);
  void on_device_gone(const std::string& dev);
  // What the controller said of the network, or of the endpoints here, is asked for anew.
  void join_again(Vni vni);
  void confirm_again();
  // The device is there again and has been made a port; without that, it is done here first.
  void on_device_back(const std::string& dev, bool is_port);

  // --- to show
  std::vector<Port> list() const;
  const Port* find(const std::string& dev) const;
  std::vector<NetworkSettings> networks() const;
  const NetworkSettings* settings(Vni vni) const;              // null when it is not here
  bool is_settled() const noexcept { return serial_.idle(); }  // nothing is being changed
  const std::string& network_name(Vni vni) const;              // empty when it is not here
  std::string release_command(Vni vni) const;  // that ends what keeps a network here, or some of it
  State state(const StorePoint& store) const;  // to save

 private:
  struct Network {
    NetworkSettings settings;
    bool by_command = false;
    bool leaving = false;           // by command, and is saved so already
    bool gone = false;              // deleted, by the controller's word
    bool joined = true;             // by its last answer
    std::set<std::string> devices;  // of ports that need it
    std::set<std::string> deleted;  // endpoints of deleted_
    bool unused() const { return !by_command && devices.empty() && deleted.empty(); }
  };
  struct Adding;

  void add_job(Serial::Job job, std::function<void()> done);
  Status check_add(const PortRequest& wanted) const;
  void run_add(const PortRequest& wanted, Completion<Port> done);
  bool remember(Adding& adding);
  Step prepare_step(const std::shared_ptr<Adding>& adding);
  Step learning_step(const std::shared_ptr<Adding>& adding);
  Step clear_step(const std::shared_ptr<Adding>& adding);
  Step network_step(const std::shared_ptr<Adding>& adding);
  Step port_step(const std::shared_ptr<Adding>& adding);
  Step activate_step(const std::shared_ptr<Adding>& adding);
  Step record_step(const std::shared_ptr<Adding>& adding);
  void take_active(Port& port, const Attachment& active);
  void record(const Port& port);
  void erase(const std::string& dev);

  void run_join(const std::string& network, Completion<Vni> done);
  void end_network(Vni vni);
  void lose_ports_of(Vni vni, std::function<void()> done);
  void run_leave(const std::string& network, Completion<Vni> done);
  void run_del(const std::string& dev, Completion<void> done);
  void forget_port(const std::string& dev, Completion<void> done);
  void stay(const std::string& dev);
  void detach(const std::string& endpoint, std::uint64_t generation, std::function<void()> done);
  void owe_detach(const std::string& endpoint, std::uint64_t generation);
  void owe_nothing(const std::string& endpoint);
  SavedDetach* find_owed(const std::string& endpoint);
  bool drop_owed(const std::string& endpoint);  // whether there was one
  void pay_detaches(std::function<void()> done);
  void pay_detach(const SavedDetach& owed, std::function<void()> done);
  void keep_deleted(const Port& port);
  void forget_deleted(const std::string& endpoint);
  void use_network(const NetworkSettings& settings, const std::string& dev);
  void release_network(Vni vni, const std::string& dev);
  void drop_if_unused(Vni vni);

  void restore_network(const NetworkSettings& settings);
  void bring_back(Port& port, std::function<void()> done);
  void rejoin_all(std::function<void()> done);
  void rejoin(Vni vni, std::function<void()> done);
  void confirm_all(std::function<void()> done);
  void confirm(const std::string& dev, std::function<void()> done);
  void judge(Port& port, const Directory::Prepared& prepared, std::function<void()> done);
  void not_kept(const std::string& what, const Error& why);
  void activate_again(Port& port, std::uint64_t generation, std::function<void()> done);
  void settle(Port& port, std::uint64_t generation);
  void readdress(Port& port, const Attachment& now);
  void lose(Port& port, const std::string& why, std::function<void()> done);
  void lose_to(HostId owner, Port& port, std::function<void()> done);
  void put_back(Port& port, std::function<void()> done);
  void set_state(Port& port, Port::State state);
  void save_soon();
  Port* find_endpoint(const std::string& endpoint);
  Network* find_network(const std::string& name);

  Directory& directory_;
  PortHost& host_;
  Serial serial_;
  std::map<std::string, Port> ports_;  // by device
  std::map<Vni, Network> networks_;
  std::vector<SavedDetach> owed_;  // detaches that no controller has been told
  bool unkept_ = false;            // something else that it could not keep is to be said again
  std::string leaving_;            // the device whose port is being deleted, as it is saved already
  // By endpoint: ports deleted without a controller. Until one was told they can be added again,
  // and their networks stay.
  std::map<std::string, Port> deleted_;
};

}  // namespace dove::agent
