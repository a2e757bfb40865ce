// Network devices: what they are, making, changing and removing them.
//
// Requests for devices are encoded by libnl-route where it knows the attribute, and all go through
// one Batch, so refusals carry the kernel's own words. Errors name the device and what was wanted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/ip_address.h"
#include "core/mac_address.h"
#include "core/prefix.h"
#include "core/result.h"
#include "core/vni.h"
#include "core/vtep.h"
#include "netlink/batch.h"
#include "netlink/message.h"
#include "netlink/query.h"

namespace dove::netlink {

// A VXLAN device's attributes. The defaults are the kernel's but for `port`, where the kernel's is
// not IANA's.
struct VxlanAttributes {
  Vni vni;
  std::optional<IpAddress> local;
  std::uint16_t port = Vtep::kDefaultPort;
  bool learning = true;
  bool proxy = false;  // answers ARP and ND from its neighbour entries, eats what it cannot answer
  bool rsc = false;    // routes between networks by its neighbour entries
  bool l2miss = false;
  bool l3miss = false;
  std::uint32_t ageing = 300;      // seconds an unused dynamic FDB entry stays; 0: for ever
  std::uint32_t limit = 0;         // FDB entries; 0: none
  std::uint8_t ttl = 0;            // 0: the system's default
  std::uint8_t tos = 0;            // 1: the inner packet's
  std::optional<IpAddress> group;  // where unknown frames go; none is ours
  std::optional<IfIndex> lower;    // bound to this device
  bool udp_checksum = true;        // IPv4
  bool udp_zero_checksum6_tx = false;
  bool udp_zero_checksum6_rx = false;
  // Read only: it has a feature that has no member here (DF, external, GBP, GPE, remote checksums,
  // inherited TTL, VNI filter, a flow label, a range of source ports).
  bool other_features = false;

  friend bool operator==(const VxlanAttributes&, const VxlanAttributes&) = default;
};

// What must change for a device that `has` to be as `wanted`: "learning on instead of off, port
// 8472 instead of 4789"; empty when nothing. For an error that refuses to adopt a device.
std::string difference(const VxlanAttributes& has, const VxlanAttributes& wanted);

struct BridgeAttributes {
  std::uint32_t ageing = 300;       // seconds
  std::uint32_t forward_delay = 0;  // seconds; 0: ports forward at once
  bool stp = false;
  bool vlan_filtering = false;
  bool multicast_snooping = true;
  bool multicast_querier = false;
  std::uint32_t membership_interval = 260;  // seconds that a group lasts without a report

  friend bool operator==(const BridgeAttributes&, const BridgeAttributes&) = default;
};
std::string difference(const BridgeAttributes& has, const BridgeAttributes& wanted);

// Of a device as the port of a bridge. An absent flag is left as it is (writing), or the kernel
// does not have it (reading).
struct BridgePortFlags {
  std::optional<bool> learning;
  std::optional<bool> flood;  // unknown unicast leaves by it
  std::optional<bool> multicast_flood;
  std::optional<bool> broadcast_flood;
  std::optional<bool> locked;  // only frames from MACs with an FDB entry enter; 5.18+
  std::optional<bool> isolated;
  std::optional<bool> neigh_suppress;
  std::optional<bool> hairpin;
  std::optional<bool> guard;       // BPDU guard
  std::optional<bool> fast_leave;  // of a group: at once, as there is no other listener
  // Only written: groups that may be joined at it. Kernels before 6.3 take no notice.
  std::optional<std::uint32_t> group_limit;
  // Likewise: BR_STATE_FORWARDING, of a port that is running. See Link::blocked.
  std::optional<std::uint8_t> state;
  std::optional<std::uint8_t> multicast_router;  // MDB_RTR_TYPE_...: gets groups nobody joined here

  friend bool operator==(const BridgePortFlags&, const BridgePortFlags&) = default;
};

// Of the flags that are wanted and that the kernel has.
std::string difference(const BridgePortFlags& has, const BridgePortFlags& wanted);

struct Link {
  IfIndex index{};
  std::string name;
  std::string kind;  // "vxlan", "bridge", "tun", "veth"; empty for hardware and loopback
  std::string alias;
  std::optional<MacAddress> mac;  // none on a TUN
  std::optional<IfIndex> master;  // the bridge it is a port of
  std::uint32_t mtu = 0;
  bool up = false;                          // administratively
  bool running = false;                     // and it has a carrier
  std::optional<std::uint8_t> addrgenmode;  // IN6_ADDR_GEN_MODE_...
  std::optional<VxlanAttributes> vxlan;     // when kind is "vxlan" and its VNI is not 0
  std::optional<BridgeAttributes> bridge;   // when kind is "bridge"
  std::optional<BridgePortFlags> port;      // when it is a port of a bridge
  bool blocked = false;                     // likewise: it does not forward, though it is running

  friend bool operator==(const Link&, const Link&) = default;
};

// What a question about links asks to be left out (IFLA_EXT_MASK): the statistics.
inline constexpr std::uint32_t kLinkFilter = 1U << 3U;  // RTEXT_FILTER_SKIP_STATS

// RTM_NEWLINK or RTM_DELLINK of family AF_UNSPEC. Empty: another message, or malformed.
std::optional<Link> decode_link(const Message& message);

// What a new or changed device gets beside its kind's attributes. An absent member is left alone.
struct LinkSettings {
  std::optional<MacAddress> mac;
  std::optional<IfIndex> master;
  std::optional<std::uint32_t> mtu;
  std::optional<std::uint32_t> tx_queue_length;
  std::optional<bool> up;
  std::optional<std::string> alias;  // the mark of ownership; "" removes it
  // addrgenmode none: no link-local address, no DAD. Success where there is no IPv6 anyway.
  bool no_ipv6_addresses = false;
};

// A bridge with a VXLAN device as its port.
struct Overlay {
  std::string bridge_name;
  BridgeAttributes bridge;
  LinkSettings bridge_settings;  // `up` is filled in, likewise below
  std::string vxlan_name;
  VxlanAttributes vxlan;
  LinkSettings vxlan_settings;  // `master` is filled in
  BridgePortFlags vxlan_port;   // set before it is up
};
struct OverlayLinks {
  Link bridge;
  Link vxlan;
};

struct Address;

// Not thread-safe. Never waits for anything but the kernel.
class Links {
 public:
  static Result<Links> open();

  // kNotFound when there is none.
  Result<Link> find(std::string_view name);
  Result<Link> find(IfIndex index);
  Result<std::vector<Link>> all();

  // kExists when the name is taken. kSystem, saying that the kernel has no VXLAN (bridges, veth)
  // devices, when it has none. A device that cannot be finished is removed again.
  Result<Link> create_vxlan(std::string_view name, const VxlanAttributes& vxlan,
                            const LinkSettings& settings);
  Result<Link> create_bridge(std::string_view name, const BridgeAttributes& bridge,
                             const LinkSettings& settings);
  Result<OverlayLinks> create_overlay(const Overlay& overlay);
  Status create_veth(std::string_view name, std::string_view peer);  // for tests and labs

  Status change(IfIndex index, const LinkSettings& settings);
  // Makes an adopted bridge as wanted. A VXLAN device's attributes are fixed when it is made.
  Status change_bridge(IfIndex index, const BridgeAttributes& bridge);
  Status release(IfIndex index);  // from its bridge; of none: nothing happens
  Status set_port_flags(IfIndex index, const BridgePortFlags& flags);
  Status remove(IfIndex index);  // an absent device is kNotFound

  Result<std::vector<Address>> addresses(IfIndex index);  // dump.h
  // Adding what is there, and removing what is not, succeeds.
  Status add_address(IfIndex index, const IpAddress& address, unsigned prefix_length);
  Status remove_address(IfIndex index, const IpAddress& address, unsigned prefix_length);
  // The route "unreachable `destination` metric `metric`" in the main table: what remains when the
  // better route to the same prefix goes away with its device.
  Status add_unreachable(const Prefix& destination, std::uint32_t metric);
  Status remove_unreachable(const Prefix& destination, std::uint32_t metric);
  // The route that the kernel makes for a device's address, should it have gone.
  Status add_connected(IfIndex index, const Prefix& prefix);

 private:
  struct Steps;
  Links(Query query, Batch batch) : query_{std::move(query)}, batch_{std::move(batch)} {}
  Result<Link> ask(std::string_view name, IfIndex index);
  Result<Link> create_vxlan_port(const Overlay& overlay, IfIndex bridge);
  Result<Link> finish_creation(std::string_view kind, std::string_view name, const Steps& steps);

  Query query_;
  Batch batch_;
};

}  // namespace dove::netlink
