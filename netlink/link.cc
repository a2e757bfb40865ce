#include "netlink/link.h"

#include <fmt/format.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <cerrno>
#include <span>
#include <vector>

#include "netlink/dump.h"
#include "netlink/link_request.h"
#include "netlink/system_error.h"

namespace dove::netlink {
namespace {

Status check_device_name(std::string_view name) {
  if (!name.empty() && name.size() < IFNAMSIZ && name.find('\0') == std::string_view::npos)
    return {};
  return Error{ErrorCode::kInvalid, fmt::format("device name \"{}\" is wrong: it must have 1 to {} "
                                                "characters",
                                                name, IFNAMSIZ - 1)};
}

// "Unknown device type" is how the kernel says it.
Error creation_error(std::string_view kind, std::string_view name, const Verdict& verdict) {
  const std::string what = fmt::format("create {} device \"{}\"", kind, name);
  if (verdict.error.value() != EOPNOTSUPP)
    return system_error(what, verdict.error.value(), verdict.to_string());
  return system_error(
      what, EOPNOTSUPP,
      fmt::format("this kernel has no {} devices (is the module \"{}\" there?)", kind, kind));
}

constexpr std::string_view kSetUp = "set up";

std::string by_index(std::string_view what, IfIndex index) {
  return fmt::format("{} device {}", what, static_cast<int>(index));
}

}  // namespace

Result<Links> Links::open() {
  auto query = Query::open();
  if (!query) return query.error();
  auto batch = Batch::open();
  if (!batch) return batch.error();
  return Links{std::move(*query), std::move(*batch)};
}

Result<Link> Links::ask(std::string_view name, IfIndex index) {
  const std::string what =
      name.empty() ? by_index("find", index) : fmt::format("find device \"{}\"", name);
  std::optional<Link> link;
  const auto asked = query_.ask({.what = what,
                                 .type = RTM_GETLINK,
                                 .put =
                                     [&](Builder& builder) {
                                       ifinfomsg header{};
                                       header.ifi_index = static_cast<int>(index);
                                       builder.family(header);
                                       if (!name.empty()) builder.put(IFLA_IFNAME, name);
                                       builder.put_number(IFLA_EXT_MASK, kLinkFilter);
                                     }},
                                [&](const Message& message) { link = decode_link(message); });
  if (!asked) return asked.error();
  if (!link) return system_error(what, EBADMSG);
  return *std::move(link);
}

Result<Link> Links::find(std::string_view name) {
  if (auto checked = check_device_name(name); !checked) return checked.error();
  return ask(name, IfIndex{0});
}

Result<Link> Links::find(IfIndex index) {
  if (static_cast<int>(index) <= 0) return system_error(by_index("find", index), ENODEV);
  return ask({}, index);
}

Result<std::vector<Link>> Links::all() { return dump_links(query_); }

// Requests about one device, with what each does, for the error; and an errno that is none.
struct Links::Steps {
  struct Step {
    std::string_view what;
    int harmless = 0;
  };
  std::vector<Step> steps;

  void add(Batch& batch, const LinkName& link, const LinkSettings& settings) {
    add_settings(batch, link, settings);
    steps.push_back({kSetUp});
    if (settings.no_ipv6_addresses) {
      add_no_ipv6_addresses(batch, link);
      steps.push_back({kSetUp, EAFNOSUPPORT});  // it has no IPv6 at all
    }
  }
  void add_up(Batch& batch, const LinkName& link, bool up) {
    netlink::add_up(batch, link, up);
    steps.push_back({up ? "bring up" : "take down"});
  }
  // The first that failed.
  Status judge(std::span<const Verdict> verdicts, std::string_view device) const {
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const int error = verdicts[i].error.value();
      if (error != 0 && error != steps[i].harmless)
        return system_error(fmt::format("{} {}", steps[i].what, device), error,
                            verdicts[i].to_string());
    }
    return {};
  }
};

// Carries out the request that makes `name`, and `steps` behind it. When one of these is refused
// the device is removed again.
Result<Link> Links::finish_creation(std::string_view kind, std::string_view name,
                                    const Steps& steps) {
  const auto verdicts = batch_.commit();
  if (!verdicts[0].ok()) return creation_error(kind, name, verdicts[0]);
  const auto judged = steps.judge(verdicts.subspan(1), fmt::format("{} device \"{}\"", kind, name));
  if (judged) return find(name);
  add_removal(batch_, {.name = name});
  static_cast<void>(batch_.commit());
  return judged.error();
}

Result<Link> Links::create_vxlan(std::string_view name, const VxlanAttributes& vxlan,
                                 const LinkSettings& settings) {
  if (auto checked = check_device_name(name); !checked) return checked.error();
  Steps steps;
  add_vxlan(batch_, name, vxlan, settings);
  steps.add(batch_, {.name = name}, settings);
  if (settings.up.value_or(false)) steps.add_up(batch_, {.name = name}, true);
  return finish_creation("vxlan", name, steps);
}

Result<Link> Links::create_bridge(std::string_view name, const BridgeAttributes& bridge,
                                  const LinkSettings& settings) {
  if (auto checked = check_device_name(name); !checked) return checked.error();
  Steps steps;
  add_bridge(batch_, name, settings);
  steps.add(batch_, {.name = name}, settings);
  add_bridge_change(batch_, {.name = name}, bridge, false);
  steps.steps.push_back({kSetUp});
  if (settings.up.value_or(false)) steps.add_up(batch_, {.name = name}, true);
  return finish_creation("bridge", name, steps);
}

Result<OverlayLinks> Links::create_overlay(const Overlay& overlay) {
  if (auto checked = check_device_name(overlay.vxlan_name); !checked) return checked.error();
  LinkSettings bridge_settings = overlay.bridge_settings;
  bridge_settings.up = true;
  auto bridge = create_bridge(overlay.bridge_name, overlay.bridge, bridge_settings);
  if (!bridge) return bridge.error();
  auto vxlan = create_vxlan_port(overlay, bridge->index);
  if (!vxlan) {
    static_cast<void>(remove(bridge->index));
    return vxlan.error();
  }
  return OverlayLinks{.bridge = *std::move(bridge), .vxlan = *std::move(vxlan)};
}

// The port flags are there before the first frame can pass.
Result<Link> Links::create_vxlan_port(const Overlay& overlay, IfIndex bridge) {
  LinkSettings settings = overlay.vxlan_settings;
  settings.master = bridge;
  const LinkName name{.name = overlay.vxlan_name};
  Steps steps;
  add_vxlan(batch_, overlay.vxlan_name, overlay.vxlan, settings);
  steps.add(batch_, name, settings);
  add_port_change(batch_, name, overlay.vxlan_port);
  steps.steps.push_back({"set the bridge port flags of"});
  steps.add_up(batch_, name, true);
  return finish_creation("vxlan", overlay.vxlan_name, steps);
}

Status Links::create_veth(std::string_view name, std::string_view peer) {
  for (const auto& end : {name, peer})
    if (auto checked = check_device_name(end); !checked) return checked;
  add_veth(batch_, name, peer);
  if (const Verdict& made = batch_.commit().front(); !made.ok())
    return creation_error("veth", name, made);
  return {};
}

Status Links::change(IfIndex index, const LinkSettings& settings) {
  Steps steps;
  steps.add(batch_, {.index = index}, settings);
  if (settings.up) steps.add_up(batch_, {.index = index}, *settings.up);
  return steps.judge(batch_.commit(), fmt::format("device {}", static_cast<int>(index)));
}

Status Links::change_bridge(IfIndex index, const BridgeAttributes& bridge) {
  const auto link = find(index);
  if (!link) return link.error();
  // While it is on, the kernel refuses a forward delay of 0.
  if (link->bridge && link->bridge->stp && !bridge.stp) add_stp_off(batch_, {.index = index});
  add_bridge_change(batch_, {.index = index}, bridge, link->bridge && link->bridge->vlan_filtering);
  return batch_.commit_all(by_index("change the bridge attributes of", index));
}

Status Links::release(IfIndex index) { return change(index, {.master = IfIndex{0}}); }

Status Links::set_port_flags(IfIndex index, const BridgePortFlags& flags) {
  add_port_change(batch_, {.index = index}, flags);
  return batch_.commit_all(by_index("set the bridge port flags of", index));
}

Status Links::remove(IfIndex index) {
  add_removal(batch_, {.index = index});
  return batch_.commit_all(by_index("remove", index));
}

namespace {

// Success, or what `wanted` says is no failure.
Status tolerate(const Verdict& verdict, std::string_view what, int harmless) {
  if (verdict.ok() || verdict.error.value() == harmless) return {};
  return system_error(what, verdict.error.value(), verdict.to_string());
}

void add_address_request(Batch& batch, std::uint16_t type, IfIndex index, const IpAddress& ip,
                         unsigned prefix_length) {
  ifaddrmsg header{};
  header.ifa_family = static_cast<std::uint8_t>(ip.family());
  header.ifa_prefixlen = static_cast<std::uint8_t>(prefix_length);
  header.ifa_index = static_cast<std::uint32_t>(index);
  const bool add = type == RTM_NEWADDR;
  Builder& builder = batch.begin(type, add ? NLM_F_CREATE | NLM_F_EXCL : 0)
                         .family(header)
                         .put(IFA_LOCAL, ip.wire());
  if (add) builder.put(IFA_ADDRESS, ip.wire());  // else it has any peer
  if (add && ip.is_v6()) builder.put_number(IFA_FLAGS, std::uint32_t{IFA_F_NODAD});
}

rtmsg route_header(const Prefix& destination, std::uint8_t type) {
  rtmsg header{};
  header.rtm_family = static_cast<std::uint8_t>(destination.network().family());
  header.rtm_dst_len = static_cast<std::uint8_t>(destination.length());
  header.rtm_table = RT_TABLE_MAIN;
  header.rtm_protocol = RTPROT_STATIC;
  header.rtm_scope = RT_SCOPE_UNIVERSE;
  header.rtm_type = type;
  return header;
}

void add_unreachable_request(Batch& batch, std::uint16_t type, const Prefix& destination,
                             std::uint32_t metric) {
  const rtmsg header = route_header(destination, RTN_UNREACHABLE);
  batch.begin(type, type == RTM_NEWROUTE ? NLM_F_CREATE | NLM_F_EXCL : 0)
      .family(header)
      .put(RTA_DST, destination.network().wire())
      .put_number(RTA_PRIORITY, metric);
}

}  // namespace

Result<std::vector<Address>> Links::addresses(IfIndex index) {
  return dump_addresses(query_, index);
}

Status Links::add_address(IfIndex index, const IpAddress& address, unsigned prefix_length) {
  add_address_request(batch_, RTM_NEWADDR, index, address, prefix_length);
  return tolerate(batch_.commit().front(),
                  by_index(fmt::format("add address {} to", address.to_string()), index), EEXIST);
}

Status Links::remove_address(IfIndex index, const IpAddress& address, unsigned prefix_length) {
  add_address_request(batch_, RTM_DELADDR, index, address, prefix_length);
  return tolerate(batch_.commit().front(),
                  by_index(fmt::format("remove address {} from", address.to_string()), index),
                  EADDRNOTAVAIL);
}

Status Links::add_unreachable(const Prefix& destination, std::uint32_t metric) {
  add_unreachable_request(batch_, RTM_NEWROUTE, destination, metric);
  return tolerate(batch_.commit().front(),
                  fmt::format("add the route \"unreachable {}\"", destination.to_string()), EEXIST);
}

Status Links::remove_unreachable(const Prefix& destination, std::uint32_t metric) {
  add_unreachable_request(batch_, RTM_DELROUTE, destination, metric);
  return tolerate(batch_.commit().front(),
                  fmt::format("remove the route \"unreachable {}\"", destination.to_string()),
                  ESRCH);
}

// As the kernel makes it: over IPv6 with IP6_RT_PRIO_ADDRCONF.
Status Links::add_connected(IfIndex index, const Prefix& prefix) {
  constexpr std::uint32_t kIpv6Metric = 256;
  rtmsg header = route_header(prefix, RTN_UNICAST);
  header.rtm_protocol = RTPROT_KERNEL;
  if (prefix.network().is_v4()) header.rtm_scope = RT_SCOPE_LINK;
  Builder& builder = batch_.begin(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL)
                         .family(header)
                         .put(RTA_DST, prefix.network().wire())
                         .put_number(RTA_OIF, index);
  if (prefix.network().is_v6()) builder.put_number(RTA_PRIORITY, kIpv6Metric);
  return tolerate(batch_.commit().front(),
                  by_index(fmt::format("add the route \"{}\" of", prefix.to_string()), index),
                  EEXIST);
}

}  // namespace dove::netlink
