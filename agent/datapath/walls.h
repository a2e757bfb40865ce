// The nftables of this host's overlay: raised before the first port is up, standing while doved is
// down, gone only with the last network. What they are is in ruleset.h; this keeps them and the
// numbers of the ports.
//
// Belongs to the loop thread. Callbacks come through the executor that was given, never from inside
// the call.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/datapath/firewall_check.h"
#include "agent/datapath/learning_ruleset.h"
#include "agent/datapath/nft.h"
#include "agent/datapath/policy_ruleset.h"
#include "agent/datapath/ruleset.h"
#include "core/result.h"
#include "netlink/ruleset_monitor.h"

namespace dove::agent {

class Walls {
 public:
  using Done = std::function<void(Status)>;

  // Raises what protects the host as a whole and learns which ports an earlier doved walled; their
  // walls stand as they are. Of hosts' VTEPs those are known that an earlier doved left in the
  // kernel, and `vteps`. Waits for nft. Fails with nft's words.
  static Result<std::unique_ptr<Walls>> raise(const WallOptions& options, std::set<IpAddress> vteps,
                                              NftRunner::Executor executor);

  // The number stays the device's from call to call, over restarts too, until remove_port(); what
  // its guest is, is the last that was said. kUnavailable when all kPortLimit are given out.
  Result<WalledPort> number_port(const std::string& device, Vni vni,
                                 std::optional<GuestIdentity> only,
                                 std::optional<std::vector<GuestIdentity>> learned = {});
  // WallOptions::too_long is this, from the next renew() on. Whether that changes anything.
  bool set_too_long(const TooLong& too_long);

  // One transaction each. Walling fails when somebody took away what stands behind: renew(), then.
  void wall_port(const WalledPort& port, Done done);
  void remove_port(const std::string& device, Done done);

  // The VTEPs of all other hosts; VXLAN comes in from no others. One transaction, of what differs.
  void set_vteps(std::set<IpAddress> vteps, Done done);

  // VXLAN of these networks comes in at the VTEP only, whatever other addresses the host has.
  void add_network(Vni vni, Done done);
  void remove_network(Vni vni, Done done);
  // There are no others, from an earlier doved.
  void claim_networks(Done done);
  // Into other networks goes only what comes from this MAC: what was routed. Until it is called an
  // earlier doved's stands. `done` is not called when nothing changes.
  void set_router(const MacAddress& router, Done done);

  // --- policies
  // What a network exchanges no packet with; a policy that denies nothing is none. One transaction,
  // of all that has changed since the last began; none, and no call of `done`, when nothing
  // changes. renew() makes again what failed.
  void set_policy(Vni vni, const NetworkPolicy& policy, Done done);
  void remove_policy(Vni vni, Done done);
  // Networks with policies that nobody set since raise().
  std::vector<Vni> unclaimed_policies() const;

  // Devices with walls that nobody asked for by number_port() since raise().
  std::vector<std::string> unclaimed() const;

  // --- foreign hands
  // To watch for changes of the walls.
  int fd() const noexcept { return monitor_.fd(); }
  struct Changes {
    bool foreign = false;  // somebody else has changed them, or may have
    bool more = false;
  };
  Result<Changes> read_changes();
  // Makes them all as they should be, but those of ports that nobody asked for yet: one
  // transaction, without a moment in between. `removals` come before it, in one of their own.
  void renew(Done done, const std::string& removals = {});

  using Counters = std::map<std::string, std::uint64_t>;
  void counters(std::function<void(Result<Counters>)> done);

  // What the guests of learning ports have sent, by device.
  using Activity = std::map<std::string, std::vector<GuestActivity>>;
  void activity(std::function<void(Result<Activity>)> done);

  // How the kernel's differ from what was asked for so far; those of ports that nobody asked for
  // yet are passed over. A table that cannot be listed is a difference.
  struct WallDifference {
    std::string what;            // "nft chain bridge dove port-3-arp has 2 rules instead of 4"
    std::string device;          // the port whose it is; or
    std::optional<Vni> network;  // whose policy; neither: the host's
    std::string removal = {};    // of what is nobody's there: for renew()
  };
  void differences(std::function<void(std::vector<WallDifference>)> done);

  // What other firewalls of this host do to bridged guests.
  using Notes = std::vector<std::string>;
  void firewall_notes(const BridgedFiltering& filtering, std::function<void(Result<Notes>)> done);

  // What a call of nft(8) took, until it was carried out.
  Histogram nft_times() { return runner_.times(); }
  // Waits until everything asked for so far is in force.
  void drain();
  // Removes everything, and waits for it. Only when no network is left.
  Status remove();

 private:
  Walls(const WallOptions& options, NftRunner::Executor executor, netlink::RulesetMonitor monitor,
        std::map<std::string, unsigned> ports, std::set<IpAddress> vteps);
  Result<unsigned> number_of(const std::string& device);
  void write_policy(Vni vni, Done done);
  void write_policies();
  std::string ruleset() const;
  std::set<std::string> open_sets() const;

  WallOptions options_;
  netlink::RulesetMonitor monitor_;
  std::vector<std::uint32_t> senders_;
  std::map<std::string, unsigned> ports_;
  std::set<unsigned> used_;
  std::map<std::string, WalledPort> claimed_;
  std::set<IpAddress> vteps_;
  bool only_these_ = false;  // the kernel has no others than vteps_
  std::optional<MacAddress> router_;
  std::set<Vni> networks_;
  bool only_these_networks_ = false;
  bool untracked_ = false;  // the kernel has connection tracking, and rules for it stand
  std::map<Vni, std::optional<NetworkPolicy>> policies_;  // empty: an earlier doved's
  struct DuePolicies {
    std::set<Vni> networks;
    std::vector<Done> waiting;
  } due_policies_;
  bool writing_policies_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // callbacks may come later
  NftRunner runner_;
};

}  // namespace dove::agent
