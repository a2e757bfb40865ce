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

// Of `settings` these take what the kernel allows in a message that makes a device; the rest is
// add_later_settings().
void add_vxlan(Batch& batch, std::string_view name, const VxlanAttributes& vxlan,
               const LinkSettings& settings);
void add_bridge(Batch& batch, std::string_view name, const LinkSettings& settings);
void add_later_settings(Batch& batch, const LinkName& link, const LinkSettings& settings);
void add_up(Batch& batch, const LinkName& link, bool up);

// One request, or two when `settings` says up or down.
void add_change(Batch& batch, const LinkName& link, const LinkSettings& settings);
void add_bridge_change(Batch& batch, const LinkName& link, const BridgeAttributes& bridge,
                       bool has_vlan_filtering);
void add_port_change(Batch& batch, const LinkName& link, const BridgePortFlags& flags);
void add_veth(Batch& batch, std::string_view name, std::string_view peer);
void add_removal(Batch& batch, const LinkName& link);

}  // namespace dove::netlink
