// The devices of the overlay: per network a bridge dvbr<vni> and in it a VXLAN device dvx<vni>.
//
// Made, taken over from an earlier doved, and removed later than asked for and one at a time,
// because removing a bridge holds the kernel's RTNL lock for some 16 ms. A device is ours when its
// alias says so (kAlias); another of the same name is left alone.
//
// Belongs to the loop thread. Time is an argument.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/datapath/options.h"
#include "agent/difference.h"
#include "agent/event.h"
#include "core/result.h"
#include "netlink/link.h"

namespace dove::agent {

struct OverlayLink {
  IfIndex bridge{};
  IfIndex vxlan{};
};

// Both fit the kernel's 15 characters for every VNI.
std::string bridge_name(Vni vni);
std::string vxlan_name(Vni vni);
// The alias of our devices begins with this, and the network follows.
inline constexpr const char* kAlias = "dove network ";
std::string overlay_alias(Vni vni);
MacAddress bridge_mac(Vni vni);
netlink::BridgeAttributes overlay_bridge_attributes(const DatapathOptions& options);
netlink::BridgePortFlags overlay_port_flags();  // of the VXLAN device
// What a device of ours of that name belongs to; empty for any other device.
std::optional<Vni> network_of(const netlink::Link& link);
// A device of ours, by its alias and kind, that somebody has given another name.
bool is_renamed(const netlink::Link& link);

// The devices' own MTU: more than any guest sends. A bridge drops a packet that is longer than the
// MTU of the port it leaves by, without a word; so it reaches the tunnel, which knows the MTU of
// the way to each host and answers ("fragmentation needed", "packet too big") or fragments.
inline constexpr std::uint32_t kOverlayMtu = 65535;

class OverlayDevices {
 public:
  OverlayDevices(netlink::Links& links, const DatapathOptions& options);

  // Learns what is there of ours and returns the networks, in order.
  Result<std::vector<Vni>> find_existing();

  struct Added {
    OverlayLink link;
    bool made = false;        // the VXLAN device is new: its tables are empty
    bool called_off = false;  // it waited for its removal: its tables are nobody's
  };
  // Makes the devices, or takes them over: what can be changed is made right; a VXLAN device of
  // ours that differs in what cannot be changed is made anew. Calls off a removal. kConflict for a
  // foreign device of that name.
  Result<Added> add(Vni vni);
  // From now on the network is due for removal at `now` + options.removal_delay.
  void remove_later(Vni vni, TimePoint now);

  // Removes one network that is due; at most one a call. What it removed, if any.
  std::optional<Vni> remove_due(TimePoint now, std::string* trouble);
  std::optional<TimePoint> next_deadline() const;
  // Removes all that are waiting, at once.
  std::vector<Vni> remove_all_waiting(std::string* trouble);

  const OverlayLink* find(Vni vni) const;
  std::optional<Vni> network(IfIndex vxlan_or_bridge) const;
  std::vector<Vni> networks() const;  // on the host, those due for removal included
  bool empty() const noexcept { return links_of_.empty(); }

  // Makes a device of ours as it should be where it is not (a foreign hand, or a port with a
  // smaller MTU, which a bridge follows). Whether anything had to be.
  Result<bool> correct(IfIndex index);
  // Somebody changed of the network's VXLAN device what cannot be put right; add() makes it anew.
  bool is_spoilt(Vni vni);

  // --- overlay_devices_check.cc
  // What is not as it should be.
  std::vector<Difference> differences(Vni vni);
  // Puts right what can be, as correct().
  Status mend(Vni vni);

 private:
  struct Waiting {
    Vni vni;
    TimePoint due;
  };
  netlink::VxlanAttributes vxlan_attributes(Vni vni) const;
  netlink::LinkSettings settings(Vni vni, std::uint8_t kind) const;
  void record(Vni vni, const OverlayLink& link);
  netlink::LinkSettings differing(const netlink::Link& link, Vni vni) const;
  Result<OverlayLink> create(Vni vni);
  Result<Added> adopt(Vni vni, const netlink::Link& bridge,
                      const std::optional<netlink::Link>& vxlan);
  Result<netlink::Link> remake_vxlan(Vni vni, IfIndex bridge);
  Status make_right(Vni vni, const OverlayLink& link);
  Status remove_devices(Vni vni);
  std::string difference_of(const netlink::Link& vxlan, Vni vni) const;
  void check_device(const netlink::Link& link, Vni vni, std::vector<Difference>& out) const;
  void check_addresses(const netlink::Link& link, Vni vni, std::vector<Difference>& out) const;
  Status drop_addresses(IfIndex index);
  void check_kind(const netlink::Link& link, Vni vni, std::vector<Difference>& out) const;

  netlink::Links& links_;
  DatapathOptions options_;
  std::map<Vni, OverlayLink> links_of_;
  std::map<IfIndex, Vni> by_index_;
  std::deque<Waiting> waiting_;  // in order of due time
};

}  // namespace dove::agent
