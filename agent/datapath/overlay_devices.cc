#include "agent/datapath/overlay_devices.h"

#include <fmt/format.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>

#include <algorithm>

#include "agent/datapath/querier.h"
#include "netlink/sysctl.h"

namespace dove::agent {
namespace {

constexpr std::chrono::seconds kRemovalRetry{10};  // of one that the kernel has refused

enum Kind : std::uint8_t { kBridge = 0xb0, kVxlan = 0xd0 };

// Nobody's but ours (locally administered), the same after every restart, and no business of
// udev's MAC policies, because it is set when the device is made.
MacAddress device_mac(Vni vni, std::uint8_t kind) {
  const auto raw = vni.value();
  return MacAddress{{0x02, 0xd0, kind, static_cast<std::uint8_t>(raw >> 16U),
                     static_cast<std::uint8_t>(raw >> 8U), static_cast<std::uint8_t>(raw)}};
}

bool is_empty(const netlink::LinkSettings& settings) {
  return !settings.mac && !settings.master && !settings.mtu && !settings.up && !settings.alias &&
         !settings.no_ipv6_addresses;
}

Error foreign(const netlink::Link& link, std::string_view differs) {
  return Error{ErrorCode::kConflict,
               fmt::format("device {} is there and is not dove's ({}); remove it (ip link del "
                           "{}) or give it another name",
                           link.name, differs, link.name)};
}

// Why a device of one of our names cannot be ours; empty when it is.
std::string why_foreign(const netlink::Link& link, std::string_view kind, Vni vni) {
  if (link.kind != kind)
    return fmt::format("its kind is \"{}\" instead of \"{}\"", link.kind, kind);
  if (link.alias != overlay_alias(vni))
    return fmt::format("its alias is \"{}\" instead of \"{}\"", link.alias, overlay_alias(vni));
  return {};
}

void take_ipv6_from_bridge(const std::string& name) {
  // A kernel without IPv6 has no such setting, and then nothing to switch off.
  (void)netlink::write_sysctl(fmt::format("ipv6/conf/{}/disable_ipv6", name), "1");
}

Result<std::optional<netlink::Link>> find_if_there(netlink::Links& links, const std::string& name) {
  auto link = links.find(name);
  if (link) return std::optional{std::move(*link)};
  if (link.error().code == ErrorCode::kNotFound) return std::optional<netlink::Link>{};
  return link.error();
}

}  // namespace

// It listens to who joins which group, for us to know. Our queries are not seen by it, and without
// a querier it floods multicast all the same; when it has seen a guest's, the tunnel still gets
// all, because the lists of its own decide there. Guests behind a port without security it has
// learned: they are there, and reached, until they have not answered.
netlink::BridgeAttributes overlay_bridge_attributes(const DatapathOptions& options) {
  constexpr std::chrono::seconds kShortest{300}, kAsked{60};
  const auto ageing = std::max(kShortest, options.learn_ageing + kAsked);
  return {.ageing = static_cast<std::uint32_t>(ageing.count()),
          .multicast_snooping = true,
          .membership_interval =
              static_cast<std::uint32_t>(membership_interval(options.query_interval).count())};
}

// The tunnel learns nothing from its frames: what is where, the controller says.
netlink::BridgePortFlags overlay_port_flags() {
  return {.learning = false,
          .flood = true,
          .multicast_flood = true,
          .broadcast_flood = true,
          .locked = false,
          .isolated = false,
          .neigh_suppress = false,
          .hairpin = false,
          .guard = false,
          .multicast_router = MDB_RTR_TYPE_PERM};
}

MacAddress bridge_mac(Vni vni) { return device_mac(vni, kBridge); }
std::string bridge_name(Vni vni) { return "dvbr" + vni.to_string(); }
std::string vxlan_name(Vni vni) { return "dvx" + vni.to_string(); }
std::string overlay_alias(Vni vni) { return kAlias + vni.to_string(); }

namespace {

std::optional<Vni> network_by_alias(const netlink::Link& link) {
  const std::string_view alias = link.alias;
  const std::string_view prefix = kAlias;
  if (alias.substr(0, prefix.size()) != prefix) return std::nullopt;
  return Vni::parse(alias.substr(prefix.size()));
}

bool is_name_of(const netlink::Link& link, Vni vni) {
  return link.name == bridge_name(vni) || link.name == vxlan_name(vni);
}

}  // namespace

std::optional<Vni> network_of(const netlink::Link& link) {
  const auto vni = network_by_alias(link);
  return vni && is_name_of(link, *vni) ? vni : std::nullopt;
}

bool is_renamed(const netlink::Link& link) {
  const auto vni = network_by_alias(link);
  return vni && !is_name_of(link, *vni) && (link.kind == "bridge" || link.kind == "vxlan");
}

OverlayDevices::OverlayDevices(netlink::Links& links, const DatapathOptions& options)
    : links_{links}, options_{options} {}

netlink::VxlanAttributes OverlayDevices::vxlan_attributes(Vni vni) const {
  return {.vni = vni,
          .local = options_.local.address,
          .port = options_.local.port,
          .learning = false,
          .proxy = true,
          .rsc = true,
          .l2miss = true,
          .l3miss = true,
          .ageing = static_cast<std::uint32_t>(options_.ageing.count())};
}

netlink::LinkSettings OverlayDevices::settings(Vni vni, std::uint8_t kind) const {
  return {.mac = device_mac(vni, kind),
          .mtu = kOverlayMtu,
          .up = true,
          .alias = overlay_alias(vni),
          .no_ipv6_addresses = true};
}

Result<std::vector<Vni>> OverlayDevices::find_existing() {
  const auto all = links_.all();
  if (!all) return all.error();
  for (const auto& link : *all) {
    // It stands in the way of the one that is to be made.
    if (is_renamed(link))
      if (auto removed = links_.remove(link.index); !removed) return removed.error();
    const auto vni = network_of(link);
    if (!vni) continue;
    auto& known = links_of_[*vni];
    (link.name == bridge_name(*vni) ? known.bridge : known.vxlan) = link.index;
    by_index_.insert_or_assign(link.index, *vni);
  }
  return networks();
}

Result<OverlayDevices::Added> OverlayDevices::add(Vni vni) {
  const bool called_off =
      std::erase_if(waiting_, [&](const Waiting& one) { return one.vni == vni; }) != 0;
  const auto bridge = find_if_there(links_, bridge_name(vni));
  if (!bridge) return bridge.error();
  const auto vxlan = find_if_there(links_, vxlan_name(vni));
  if (!vxlan) return vxlan.error();
  if (*bridge)
    if (const auto why = why_foreign(**bridge, "bridge", vni); !why.empty())
      return foreign(**bridge, why);
  if (*vxlan)
    if (const auto why = why_foreign(**vxlan, "vxlan", vni); !why.empty())
      return foreign(**vxlan, why);

  auto added = [&]() -> Result<Added> {
    if (*bridge) return adopt(vni, **bridge, *vxlan);
    if (*vxlan)  // half of a removal that was cut short
      if (auto removed = links_.remove((*vxlan)->index); !removed) return removed.error();
    auto made = create(vni);
    if (!made) return made.error();
    return Added{*made, true};
  }();
  if (!added) return added.error();
  record(vni, added->link);
  added->called_off = called_off;
  return added;
}

void OverlayDevices::record(Vni vni, const OverlayLink& link) {
  std::erase_if(by_index_, [&](const auto& known) { return known.second == vni; });
  links_of_[vni] = link;
  by_index_.insert_or_assign(link.bridge, vni);
  by_index_.insert_or_assign(link.vxlan, vni);
}

Result<OverlayLink> OverlayDevices::create(Vni vni) {
  auto made = links_.create_overlay({.bridge_name = bridge_name(vni),
                                     .bridge = overlay_bridge_attributes(options_),
                                     .bridge_settings = settings(vni, kBridge),
                                     .vxlan_name = vxlan_name(vni),
                                     .vxlan = vxlan_attributes(vni),
                                     .vxlan_settings = settings(vni, kVxlan),
                                     .vxlan_port = overlay_port_flags()});
  if (!made) return made.error();
  take_ipv6_from_bridge(bridge_name(vni));
  const OverlayLink link{made->bridge.index, made->vxlan.index};
  // A bridge follows the smallest MTU of its ports until its own has been changed once.
  for (const std::uint32_t mtu : {kOverlayMtu - 1, kOverlayMtu})
    if (auto changed = links_.change(link.bridge, {.mtu = mtu}); !changed) return changed.error();
  return link;
}

Result<OverlayDevices::Added> OverlayDevices::adopt(Vni vni, const netlink::Link& bridge,
                                                    const std::optional<netlink::Link>& vxlan) {
  Added added{{bridge.index, {}}, false};
  take_ipv6_from_bridge(bridge.name);
  if (const auto wanted = overlay_bridge_attributes(options_); bridge.bridge != wanted)
    if (auto status = links_.change_bridge(bridge.index, wanted); !status) return status.error();
  const bool usable = vxlan && difference_of(*vxlan, vni).empty();
  if (usable) {
    added.link.vxlan = vxlan->index;
  } else {
    if (vxlan)
      if (auto removed = links_.remove(vxlan->index); !removed) return removed.error();
    const auto made = remake_vxlan(vni, bridge.index);
    if (!made) return made.error();
    added = {{bridge.index, made->index}, true};
  }
  if (auto status = make_right(vni, added.link); !status) return status.error();
  return added;
}

Result<netlink::Link> OverlayDevices::remake_vxlan(Vni vni, IfIndex bridge) {
  auto wanted = settings(vni, kVxlan);
  wanted.master = bridge;
  wanted.up = false;
  auto made = links_.create_vxlan(vxlan_name(vni), vxlan_attributes(vni), wanted);
  if (!made) return made.error();
  if (auto status = links_.set_port_flags(made->index, overlay_port_flags()); !status)
    return status.error();
  if (auto status = links_.change(made->index, {.up = true}); !status) return status.error();
  return made;
}

// What can be changed of a device without losing its entries.
Status OverlayDevices::make_right(Vni vni, const OverlayLink& link) {
  record(vni, link);
  for (const IfIndex index : {link.bridge, link.vxlan})
    if (auto corrected = correct(index); !corrected) return corrected.error();
  return {};
}

// Only what differs is set: even the same MAC set again empties the device's neighbour table.
netlink::LinkSettings OverlayDevices::differing(const netlink::Link& link, Vni vni) const {
  const OverlayLink& own = links_of_.at(vni);
  const bool is_vxlan = link.index == own.vxlan;
  netlink::LinkSettings wanted = settings(vni, is_vxlan ? kVxlan : kBridge);
  if (is_vxlan && link.master != own.bridge) wanted.master = own.bridge;
  if (link.mac == wanted.mac) wanted.mac.reset();
  if (link.mtu == kOverlayMtu) wanted.mtu.reset();
  if (link.up) wanted.up.reset();
  if (link.alias == wanted.alias) wanted.alias.reset();
  // A device without IPv6 (its MTU is too small) has no such setting and no addresses.
  if (!link.addrgenmode || *link.addrgenmode == IN6_ADDR_GEN_MODE_NONE)
    wanted.no_ipv6_addresses = false;
  return wanted;
}

Result<bool> OverlayDevices::correct(IfIndex index) {
  const auto known = by_index_.find(index);
  if (known == by_index_.end()) return false;
  const Vni vni = known->second;
  bool corrected = false;
  // Twice: what an MTU that was too small took away can be set only after it is raised.
  for (int round = 0; round < 2; ++round) {
    const auto link = links_.find(index);
    if (!link) return link.error();
    const auto wanted = differing(*link, vni);
    if (is_empty(wanted)) break;
    corrected = true;
    const netlink::LinkSettings only_mtu{.mtu = wanted.mtu};
    if (auto status = links_.change(index, wanted.mtu ? only_mtu : wanted); !status)
      return status.error();
  }
  const auto link = links_.find(index);
  if (!link) return link.error();
  if (index != links_of_.at(vni).vxlan) {
    const auto wanted = overlay_bridge_attributes(options_);
    if (link->bridge == wanted) return corrected;
    if (auto status = links_.change_bridge(index, wanted); !status) return status.error();
    return true;
  }
  if (link->port && netlink::difference(*link->port, overlay_port_flags()).empty() &&
      !link->blocked)
    return corrected;
  auto flags = overlay_port_flags();
  if (link->blocked) flags.state = BR_STATE_FORWARDING;
  if (auto status = links_.set_port_flags(index, flags); !status) return status.error();
  return true;
}

// The limit of entries is the operator's: the kernel takes it only for a device that is being made.
std::string OverlayDevices::difference_of(const netlink::Link& vxlan, Vni vni) const {
  if (!vxlan.vxlan) return "it has no attributes";
  auto wanted = vxlan_attributes(vni);
  wanted.limit = vxlan.vxlan->limit;
  return netlink::difference(*vxlan.vxlan, wanted);
}

bool OverlayDevices::is_spoilt(Vni vni) {
  const auto known = links_of_.find(vni);
  if (known == links_of_.end()) return false;
  const auto link = links_.find(known->second.vxlan);
  return link && !difference_of(*link, vni).empty();
}

void OverlayDevices::remove_later(Vni vni, TimePoint now) {
  if (links_of_.count(vni) == 0) return;
  for (const auto& one : waiting_)
    if (one.vni == vni) return;
  waiting_.push_back({vni, now + options_.removal_delay});
}

std::optional<TimePoint> OverlayDevices::next_deadline() const {
  if (waiting_.empty()) return std::nullopt;
  return waiting_.front().due;
}

std::optional<Vni> OverlayDevices::remove_due(TimePoint now, std::string* trouble) {
  if (waiting_.empty() || waiting_.front().due > now) return std::nullopt;
  const Vni vni = waiting_.front().vni;
  waiting_.pop_front();
  if (auto removed = remove_devices(vni); !removed) {
    *trouble = removed.error().message;
    if (now != TimePoint::max()) {
      const Waiting again{vni, now + kRemovalRetry};
      const auto later = [](const Waiting& a, const Waiting& b) { return a.due < b.due; };
      waiting_.insert(std::upper_bound(waiting_.begin(), waiting_.end(), again, later), again);
    }
    return std::nullopt;
  }
  return vni;
}

std::vector<Vni> OverlayDevices::remove_all_waiting(std::string* trouble) {
  std::vector<Vni> removed;
  while (!waiting_.empty())
    if (const auto vni = remove_due(TimePoint::max(), trouble)) removed.push_back(*vni);
  return removed;
}

Status OverlayDevices::remove_devices(Vni vni) {
  const OverlayLink link = links_of_.at(vni);
  for (const IfIndex index : {link.vxlan, link.bridge}) {
    if (index == IfIndex{}) continue;
    auto removed = links_.remove(index);
    if (!removed && removed.error().code != ErrorCode::kNotFound) return removed;
    by_index_.erase(index);
  }
  links_of_.erase(vni);
  return {};
}

const OverlayLink* OverlayDevices::find(Vni vni) const {
  const auto found = links_of_.find(vni);
  return found == links_of_.end() ? nullptr : &found->second;
}

std::optional<Vni> OverlayDevices::network(IfIndex vxlan_or_bridge) const {
  const auto found = by_index_.find(vxlan_or_bridge);
  return found == by_index_.end() ? std::nullopt : std::optional{found->second};
}

std::vector<Vni> OverlayDevices::networks() const {
  std::vector<Vni> all;
  for (const auto& [vni, link] : links_of_) all.push_back(vni);
  return all;
}

}  // namespace dove::agent
