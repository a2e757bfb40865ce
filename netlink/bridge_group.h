// Multicast groups that a bridge has heard joined (its MDB): what IGMP and MLD reports made of it.
#pragma once

#include <optional>
#include <vector>

#include "core/ip_address.h"
#include "core/mac_address.h"
#include "core/result.h"
#include "core/vtep.h"
#include "netlink/message.h"
#include "netlink/query.h"

namespace dove::netlink {

// A port of a bridge behind which somebody listens to a group. The port may be the bridge's own
// device: then it is the host that listens.
struct BridgeGroup {
  IfIndex bridge{};
  IfIndex port{};
  IpAddress group;
  friend auto operator<=>(const BridgeGroup&, const BridgeGroup&) noexcept = default;
};

// The groups that a RTM_NEWMDB or RTM_DELMDB names, appended. Entries for one VLAN, for link layer
// groups or for the host itself are left out; so is what is malformed.
void decode_groups(const Message& message, std::vector<BridgeGroup>& groups);

// Of all bridges.
Result<std::vector<BridgeGroup>> dump_groups(Query& query);

// Where frames to an IP group go: 01:00:5e and its low 23 bits (RFC 1112 6.4), or 33:33 and its low
// 32 (RFC 2464 7). Precondition: it is multicast.
MacAddress group_mac(const IpAddress& group) noexcept;

}  // namespace dove::netlink
