#include <fmt/format.h>
#include <linux/if_bridge.h>

#include "agent/datapath/difference_text.h"
#include "agent/datapath/overlay_devices.h"
#include "core/quoted.h"
#include "netlink/dump.h"
#include "netlink/sysctl.h"

namespace dove::agent {
namespace {

// Without IPv6 every neighbour that is one fails; the bridge has no use for it.
struct Ipv6Setting {
  std::string path;
  const char* wanted;
};
Ipv6Setting vxlan_ipv6(Vni vni) {
  return {fmt::format("ipv6/conf/{}/disable_ipv6", vxlan_name(vni)), "0"};
}
Ipv6Setting bridge_ipv6(Vni vni) {
  return {fmt::format("ipv6/conf/{}/disable_ipv6", bridge_name(vni)), "1"};
}

bool is_set(const Ipv6Setting& setting) {
  const auto has = netlink::read_sysctl(setting.path);
  return !has || *has == setting.wanted;  // a kernel without IPv6 has no such setting
}

void check(const Ipv6Setting& setting, Vni vni, std::vector<Difference>& out) {
  if (is_set(setting)) return;
  out.push_back({.vni = vni,
                 .what = fmt::format("sysctl net/{} is not {}", setting.path, setting.wanted),
                 .command = fmt::format("sysctl -w net/{}={}", setting.path, setting.wanted)});
}

}  // namespace

std::vector<Difference> OverlayDevices::differences(Vni vni) {
  std::vector<Difference> out;
  const auto known = links_of_.find(vni);
  if (known == links_of_.end()) return out;
  for (const auto& [name, index] : {std::pair{bridge_name(vni), known->second.bridge},
                                    std::pair{vxlan_name(vni), known->second.vxlan}}) {
    const auto link = links_.find(index);
    if (link) {
      check_device(*link, vni, out);
      check_addresses(*link, vni, out);
    } else {
      out.push_back({.vni = vni,
                     .what = fmt::format("device {} is missing", name),
                     .command = "dovectl check -fix"});
    }
  }
  check(vxlan_ipv6(vni), vni, out);
  check(bridge_ipv6(vni), vni, out);
  return out;
}

void OverlayDevices::check_device(const netlink::Link& link, Vni vni,
                                  std::vector<Difference>& out) const {
  const auto tell = [&](const std::string& what, const std::string& wanted) {
    out.push_back({.vni = vni,
                   .what = fmt::format("device {} {} instead of {}", link.name, what, wanted),
                   .command = fmt::format("ip link set {} {}", link.name, wanted)});
  };
  const auto wanted = differing(link, vni);
  if (wanted.mac)
    tell("address " + (link.mac ? link.mac->to_string() : "none"),
         "address " + wanted.mac->to_string());
  if (wanted.mtu) tell(fmt::format("mtu {}", link.mtu), fmt::format("mtu {}", *wanted.mtu));
  if (wanted.up) tell("down", "up");
  if (wanted.master) tell("on another master", "master " + bridge_name(vni));
  if (wanted.alias)
    tell("alias " + dove::quoted(link.alias), fmt::format("alias \"{}\"", overlay_alias(vni)));
  if (wanted.no_ipv6_addresses) tell("with IPv6 addresses", "addrgenmode none");
  check_kind(link, vni, out);
}

// They draw what the host sends to a guest's addresses into the network.
void OverlayDevices::check_addresses(const netlink::Link& link, Vni vni,
                                     std::vector<Difference>& out) const {
  const auto addresses = links_.addresses(link.index);
  if (!addresses) {
    out.push_back({.vni = vni,
                   .what = fmt::format("the addresses of {} cannot be compared", link.name),
                   .command = "dovectl check",
                   .problem = addresses.error().message});
    return;
  }
  for (const auto& address : *addresses) {
    const auto text = fmt::format("{}/{}", address.ip.to_string(), address.prefix_length);
    out.push_back({.vni = vni,
                   .what = fmt::format("device {} has the address {}", link.name, text),
                   .command = fmt::format("ip address del {} dev {}", text, link.name)});
  }
}

void OverlayDevices::check_kind(const netlink::Link& link, Vni vni,
                                std::vector<Difference>& out) const {
  const auto tell = [&](const std::string& what, std::string command) {
    if (what.empty()) return;
    out.push_back({.vni = vni,
                   .what = fmt::format("device {} {}", link.name, what),
                   .command = std::move(command)});
  };
  if (link.bridge)
    tell(netlink::difference(*link.bridge, overlay_bridge_attributes(options_)),
         "dovectl check -fix");
  if (!link.vxlan) return;
  tell(difference_of(link, vni), "ip link del " + link.name);
  if (link.port)
    tell(netlink::difference(*link.port, overlay_port_flags()),
         fmt::format("bridge link set dev {} {}", link.name, flags_text(overlay_port_flags())));
  if (link.blocked)
    tell("does not forward",
         fmt::format("bridge link set dev {} state {}", link.name, BR_STATE_FORWARDING));
}

// All that can be; the first failure.
Status OverlayDevices::mend(Vni vni) {
  const auto known = links_of_.find(vni);
  if (known == links_of_.end()) return {};
  const OverlayLink own = known->second;
  Status outcome;
  const auto note = [&](const Status& status) {
    if (outcome) outcome = status;
  };
  for (const IfIndex index : {own.bridge, own.vxlan}) {
    const auto corrected = correct(index);
    note(corrected ? Status{} : Status{corrected.error()});
    note(drop_addresses(index));
  }
  for (const auto& setting : {vxlan_ipv6(vni), bridge_ipv6(vni)})
    if (!is_set(setting)) note(netlink::write_sysctl(setting.path, setting.wanted));
  return outcome;
}

Status OverlayDevices::drop_addresses(IfIndex index) {
  const auto addresses = links_.addresses(index);
  if (!addresses) return addresses.error();
  for (const auto& address : *addresses)
    if (auto gone = links_.remove_address(index, address.ip, address.prefix_length); !gone)
      return gone;
  return {};
}

}  // namespace dove::agent
