#include "netlink/link.h"

#include <fmt/format.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <cerrno>

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

Error step_error(std::string_view step, std::string_view name, const Verdict& verdict) {
  return system_error(fmt::format("{} \"{}\"", step, name), verdict.error.value(),
                      verdict.to_string());
}

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

Result<Link> Links::create_vxlan(std::string_view name, const VxlanAttributes& vxlan,
                                 const LinkSettings& settings) {
  if (auto checked = check_device_name(name); !checked) return checked.error();
  add_vxlan(batch_, name, vxlan, settings);
  if (const Verdict& made = batch_.commit().front(); !made.ok())
    return creation_error("vxlan", name, made);
  return find(name);
}

// Two requests, because libnl-route has no attributes of a bridge; the second brings it up.
Result<Link> Links::create_bridge(std::string_view name, const BridgeAttributes& bridge,
                                  const LinkSettings& settings) {
  if (auto checked = check_device_name(name); !checked) return checked.error();
  LinkSettings down = settings;
  down.up.reset();
  add_bridge(batch_, name, down);
  add_bridge_change(batch_, {.name = name}, bridge);
  if (settings.up) add_change(batch_, {.name = name}, {.up = settings.up});
  const auto verdicts = batch_.commit();
  if (!verdicts[0].ok()) return creation_error("bridge", name, verdicts[0]);
  for (const Verdict& verdict : verdicts.subspan(1)) {
    if (verdict.ok()) continue;
    const Error error = step_error("set up bridge", name, verdict);
    add_removal(batch_, {.name = name});
    static_cast<void>(batch_.commit());
    return error;
  }
  return find(name);
}

Result<OverlayLinks> Links::create_overlay(const Overlay& overlay) {
  if (auto checked = check_device_name(overlay.vxlan_name); !checked) return checked.error();
  LinkSettings bridge_settings = overlay.bridge_settings;
  bridge_settings.up = true;
  auto bridge = create_bridge(overlay.bridge_name, overlay.bridge, bridge_settings);
  if (!bridge) return bridge.error();
  auto vxlan = create_port(overlay, bridge->index);
  if (!vxlan) {
    static_cast<void>(remove(bridge->index));
    return vxlan.error();
  }
  return OverlayLinks{.bridge = *std::move(bridge), .vxlan = *std::move(vxlan)};
}

// The port flags are there before the first frame can pass.
Result<Link> Links::create_port(const Overlay& overlay, IfIndex bridge) {
  LinkSettings settings = overlay.vxlan_settings;
  settings.master = bridge;
  settings.up.reset();
  const LinkName name{.name = overlay.vxlan_name};
  add_vxlan(batch_, overlay.vxlan_name, overlay.vxlan, settings);
  add_port_change(batch_, name, overlay.vxlan_port);
  add_change(batch_, name, {.up = true});
  const auto verdicts = batch_.commit();
  if (!verdicts[0].ok()) return creation_error("vxlan", overlay.vxlan_name, verdicts[0]);
  if (verdicts[1].ok() && verdicts[2].ok()) return find(overlay.vxlan_name);

  const Error error = verdicts[1].ok()
                          ? step_error("bring up vxlan device", overlay.vxlan_name, verdicts[2])
                          : step_error("set port flags of", overlay.vxlan_name, verdicts[1]);
  add_removal(batch_, name);
  static_cast<void>(batch_.commit());
  return error;
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
  add_change(batch_, {.index = index}, settings);
  return batch_.commit_all(by_index("change", index));
}

Status Links::change_bridge(IfIndex index, const BridgeAttributes& bridge) {
  add_bridge_change(batch_, {.index = index}, bridge);
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
                         .put(IFA_LOCAL, ip.wire())
                         .put(IFA_ADDRESS, ip.wire());
  if (add && ip.is_v6()) builder.put_number(IFA_FLAGS, std::uint32_t{IFA_F_NODAD});
}

void add_unreachable_request(Batch& batch, std::uint16_t type, const IpAddress& destination,
                             std::uint32_t metric) {
  rtmsg header{};
  header.rtm_family = static_cast<std::uint8_t>(destination.family());
  header.rtm_dst_len = static_cast<std::uint8_t>(destination.bits());
  header.rtm_table = RT_TABLE_MAIN;
  header.rtm_protocol = RTPROT_STATIC;
  header.rtm_scope = RT_SCOPE_UNIVERSE;
  header.rtm_type = RTN_UNREACHABLE;
  batch.begin(type, type == RTM_NEWROUTE ? NLM_F_CREATE | NLM_F_EXCL : 0)
      .family(header)
      .put(RTA_DST, destination.wire())
      .put_number(RTA_PRIORITY, metric);
}

}  // namespace

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

Status Links::add_unreachable(const IpAddress& destination, std::uint32_t metric) {
  add_unreachable_request(batch_, RTM_NEWROUTE, destination, metric);
  return tolerate(batch_.commit().front(),
                  fmt::format("add the route \"unreachable {}\"", destination.to_string()), EEXIST);
}

Status Links::remove_unreachable(const IpAddress& destination, std::uint32_t metric) {
  add_unreachable_request(batch_, RTM_DELROUTE, destination, metric);
  return tolerate(batch_.commit().front(),
                  fmt::format("remove the route \"unreachable {}\"", destination.to_string()),
                  ESRCH);
}

}  // namespace dove::netlink
