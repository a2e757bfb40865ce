// Requests that make and change devices, each one message in a batch. What libnl-route knows it
// encodes (VXLAN attributes, what every device has); the bridge's and its ports' attributes, which
// it does not have, are put here.
#pragma once

#include <string_view>

#include "netlink/batch.h"
#include "netlink/link.h"

namespace dove::netlink {

// Which device a request is about.
struct LinkName {
  std::string_view name;  // empty: by index
  IfIndex index{};
};

// A device is made down. Of `settings` these take what the kernel takes in a message that makes a
// device (MAC, master, MTU, queue length); for the rest it must be there.
void add_vxlan(Batch& batch, std::string_view name, const VxlanAttributes& vxlan,
               const LinkSettings& settings);
void add_bridge(Batch& batch, std::string_view name, const LinkSettings& settings);
// All of `settings` but the following two, which are messages of their own: the kernel refuses the
// first where there is no IPv6, and looks at it only after it has brought a device up.
void add_settings(Batch& batch, const LinkName& link, const LinkSettings& settings);
void add_no_ipv6_addresses(Batch& batch, const LinkName& link);
void add_up(Batch& batch, const LinkName& link, bool up);

void add_bridge_change(Batch& batch, const LinkName& link, const BridgeAttributes& bridge,
                       bool has_vlan_filtering);
void add_stp_off(Batch& batch, const LinkName& link);
void add_port_change(Batch& batch, const LinkName& link, const BridgePortFlags& flags);
void add_veth(Batch& batch, std::string_view name, std::string_view peer);
void add_removal(Batch& batch, const LinkName& link);

}  // namespace dove::netlink
