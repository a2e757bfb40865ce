// The flags of a bridge's port, as they stand in IFLA_INFO_SLAVE_DATA and in IFLA_PROTINFO.
#pragma once

#include <linux/if_link.h>

#include "netlink/builder.h"
#include "netlink/link.h"
#include "netlink/message.h"

namespace dove::netlink {

BridgePortFlags read_port_flags(const Attributes<IFLA_BRPORT_MAX>& table) noexcept;
void put_port_flags(Builder& builder, const BridgePortFlags& flags);

}  // namespace dove::netlink
