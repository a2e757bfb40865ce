// A bridge's own attributes (IFLA_INFO_DATA) and the flags of its ports (IFLA_INFO_SLAVE_DATA, and
// IFLA_PROTINFO in notifications), which libnl-route does not have.
#pragma once

#include <linux/if_link.h>

#include "netlink/builder.h"
#include "netlink/link.h"
#include "netlink/message.h"

namespace dove::netlink {

BridgeAttributes read_bridge(const Attributes<IFLA_BR_MAX>& table) noexcept;
// `has_vlan_filtering`: what the bridge has now; a new one has it not.
void put_bridge(Builder& builder, const BridgeAttributes& bridge, bool has_vlan_filtering);

BridgePortFlags read_port_flags(const Attributes<IFLA_BRPORT_MAX>& table) noexcept;
void put_port_flags(Builder& builder, const BridgePortFlags& flags);

}  // namespace dove::netlink
