// The text of the walls, for nft(8). Pure. Every text is one transaction and may be repeated: it
// makes what is missing and renews what is there, without a moment in between.
//
// Three tables named `dove`:
//   inet    no guest's frame reaches the host's own IP stack, forwarding included; into the punt
//           goes only what carries a guest's mark, and of each guest no more than its limit; to the
//           VXLAN port sends nobody but doved and the kernel; VXLAN packets to our VTEP come from
//           known hosts' VTEPs only, and are not tracked; into another network goes only what the
//           router has routed
//   arp     no guest's ARP reaches the host's own tables
//   bridge  each guest port's own chain: mark, limits, log; nothing is handed up to the host; the
//           tunnel talks to walled ports only; from another network of this host comes only what
//           the router has routed
//
// The mark: the upper twelve bits of the packet mark (kMarkMask) are ours and hold the number of
// the guest port; the lower twenty are left as they are. It does three things. Limits behind the
// tunnel device are kept per guest by it. It tells a guest's frame from a local process's:
// what came out of a tap still belongs to the socket of the VMM that wrote it, so `meta skuid`
// sees that VMM's user; only the kernel and who has CAP_NET_ADMIN set a mark. And it says which
// network a frame began in: the tunnel's entries for routed traffic lead to MACs in other networks,
// and would lead there also a frame that its guest addressed to such a MAC. What was routed has the
// router's MAC as its source, which no guest may send from.
//
// A guest port's chain drops, counted, what has a VLAN tag (no rule below it could look inside),
// what comes from the router's MAC and what is addressed to a reserved bridge address
// (01:80:c2:00:00:0X), which a bridge does not forward but hands to the host as coming from the
// port itself. With port security it also drops, counted by cause, what does not come from the
// guest's own MAC and addresses, what claims another's address in ARP or neighbour discovery, and
// what only a DHCP server or a router says (port_security.h); at a port that learns who is behind
// it, what nobody it has learned may say (learning_ruleset.h).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/datapath/guest_identity.h"
#include "agent/datapath/options.h"
#include "agent/datapath/too_long_ruleset.h"
#include "core/ip_address.h"
#include "core/mac_address.h"
#include "core/prefix.h"
#include "core/result.h"
#include "core/vni.h"

namespace dove::agent {

inline constexpr const char* kWallTable = "dove";
inline constexpr std::uint32_t kMarkMask = 0xfff00000U;
inline constexpr unsigned kMarkShift = 20;
inline constexpr unsigned kPortLimit = 4095;  // numbers 1 .. 4095; 0 is "no guest"

// Copied of a logged frame, from its network header: enough for ARP, for neighbour discovery and
// router advertisements with their options, and for an MLD report's sender.
inline constexpr unsigned kLogBytes = 512;

struct WallOptions {
  IpAddress vtep;  // this host's
  std::uint16_t vxlan_port = 4789;
  uid_t uid = 0;
  std::uint16_t log_group = 4789;
  TooLong too_long;
  WallLimits limits;
  std::optional<Prefix> punt = {};  // of dvpunt; tunnel packets to it leave by no other device
};

struct WalledPort {
  std::string device;
  unsigned number = 0;                // 1 .. kPortLimit
  Vni vni;                            // its network
  std::optional<GuestIdentity> only;  // empty: port security is off, it may be anybody
  // Who was learned behind a port that nobody's endpoint is at; then `only` is empty.
  std::optional<std::vector<GuestIdentity>> learned = {};
};
constexpr std::uint32_t mark_of(unsigned number) noexcept { return number << kMarkShift; }

// A name that can stand in a rule as it is: what Linux allows, less what nft would read as syntax.
Status check_device_name(std::string_view name);

std::string base_ruleset(const WallOptions& options);
// VXLAN past connection tracking, and guests' packets, which br_netfilter hands over: tenants with
// equal addresses would share connections, their translation, and the reassembly of fragments.
// Apart because a kernel need not have that. Precondition: base_ruleset() is in force.
std::string untracked_ruleset(const WallOptions& options);
// Who may send VXLAN to us besides this host itself; addresses of another family than our VTEP's
// are left out. Precondition: base_ruleset() is in force.
std::string known_vteps(const WallOptions& options, const std::set<IpAddress>& all);
struct VtepChange {
  std::vector<IpAddress> add, remove;
};
std::string known_vteps(const WallOptions& options, const VtepChange& change);
// The networks of this host, of which VXLAN comes in at its VTEP only; `verb`: add or delete, of
// what is there. Precondition: base_ruleset() is in force.
std::string known_networks(std::string_view verb, const std::set<Vni>& networks);
std::string no_networks();
// The router's MAC, of all networks. Precondition: base_ruleset() is in force.
std::string known_router(const MacAddress& router);
// Preconditions: base_ruleset() is in force; check_device_name().
std::string port_ruleset(const WallOptions& options, const WalledPort& port);
std::string port_removal(const std::string& device, unsigned number);
// No device is a guest port any more, whatever chains there are; in one transaction with the
// ruleset of each that is.
std::string no_ports();
std::string removal();

// What `nft -j list map bridge dove walled` says: which device has which number.
Result<std::map<std::string, unsigned>> parse_ports(std::string_view json);
// What `nft -j list counters` says of our tables: packets by name, a port's with its device's name
// ("port tap0 queries_dropped").
Result<std::map<std::string, std::uint64_t>> parse_counters(
    std::string_view json, const std::map<std::string, unsigned>& ports);

}  // namespace dove::agent
