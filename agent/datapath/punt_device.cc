#include "agent/datapath/punt_device.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/quoted.h"
#include "netlink/dump.h"
#include "netlink/sysctl.h"

namespace dove::agent {
namespace {

// Many frames may come while the loop is busy elsewhere; the limits per guest stand before it.
constexpr std::uint32_t kQueueLength = 10000;
// Behind every other route: "unreachable PREFIX metric kMetric" in the main table. Of the connected
// route's length, because a longer one would be taken before it.
constexpr std::uint32_t kMetric = 0xfffffffeU;

Status check_unused(netlink::Query& query, const Prefix& prefix, IfIndex own) {
  const auto addresses = netlink::dump_addresses(query);
  if (!addresses) return addresses.error();
  for (const auto& address : *addresses)
    if (address.device != own && prefix.contains(address.ip))
      return Error{ErrorCode::kConflict,
                   fmt::format("the punt's addresses {} are in use on this host ({} at the device "
                               "with index {}): remove them there",
                               prefix.to_string(), address.ip.to_string(),
                               static_cast<unsigned>(address.device))};
  return {};
}

Status remove_renamed(netlink::Links& links) {
  const auto all = links.all();
  if (!all) return all.error();
  for (const auto& link : *all)
    if (is_renamed_punt(link))
      if (auto removed = links.remove(link.index); !removed) return removed;
  return {};
}

Error foreign(const netlink::Link& link) {
  return Error{ErrorCode::kConflict,
               fmt::format("device {0} is there and is not dove's (kind \"{1}\", alias \"{2}\"): "
                           "remove it (ip link del {0}) or give it another name",
                           link.name, link.kind, link.alias)};
}

}  // namespace

bool is_renamed_punt(const netlink::Link& link) {
  return link.alias == kPuntAlias && link.kind == "tun" && link.name != kPuntDevice;
}

Prefix default_punt_prefix(const IpAddress& vtep) {
  return *Prefix::parse(vtep.is_v4() ? "169.254.77.64/31" : "100::/127");
}

Result<PuntDevice> PuntDevice::open(netlink::Links& links, netlink::Query& query,
                                    const Prefix& prefix, std::uint32_t mtu) {
  if (auto removed = remove_renamed(links); !removed) return removed.error();
  const auto present = links.find(kPuntDevice);
  if (present && (present->kind != "tun" || present->alias != kPuntAlias)) return foreign(*present);
  if (auto unused = check_unused(query, prefix, present ? present->index : IfIndex{}); !unused)
    return unused.error();
  auto tun = netlink::Tun::open(kPuntDevice, {.persistent = true});
  if (!tun) return tun.error();
  PuntDevice device{std::move(*tun), prefix};
  if (auto right = device.make_right(links, mtu); !right) return right.error();
  return device;
}

PuntDevice::PuntDevice(netlink::Tun tun, const Prefix& prefix)
    : tun_{std::move(tun)},
      prefix_{prefix},
      own_{prefix.network()},
      gateway_{*prefix.address_at(1)} {}

Status PuntDevice::make_right(netlink::Links& links, std::uint32_t mtu) {
  // Without IPv6 of its own the TUN has no solicitations and reports to punt.
  if (own_.is_v4())
    (void)netlink::write_sysctl(fmt::format("ipv6/conf/{}/disable_ipv6", kPuntDevice), "1");
  if (auto status = links.add_unreachable(prefix_, kMetric); !status) return status;
  if (auto status = links.change(index(), {.mtu = mtu,
                                           .tx_queue_length = kQueueLength,
                                           .up = true,
                                           .alias = kPuntAlias,
                                           .no_ipv6_addresses = true});
      !status)
    return status;
  if (auto status = links.add_address(index(), own_, prefix_.length()); !status) return status;
  return links.add_connected(index(), prefix_);
}

bool PuntDevice::leads_out(netlink::Query& query) const {
  const auto route = netlink::route_to(query, gateway_);
  return route && route->device == index();
}

std::vector<Difference> PuntDevice::differences(netlink::Links& links, netlink::Query& query,
                                                std::uint32_t mtu) const {
  std::vector<Difference> found;
  const auto tell = [&](const std::string& what, std::string command) {
    found.push_back({.what = what, .command = std::move(command)});
  };
  const auto unread = [&](const std::string& what, const Error& why) {
    found.push_back(
        {.what = what + " cannot be compared", .command = "dovectl check", .problem = why.message});
  };
  const std::string name = kPuntDevice, device = "device " + name;
  const auto link = links.find(index());
  if (!link) {
    unread(device, link.error());
    return found;
  }
  if (!link->up) tell(device + " is down", "ip link set " + name + " up");
  if (link->mtu != mtu)
    tell(device + " has another MTU", fmt::format("ip link set {} mtu {}", name, mtu));
  if (link->alias != kPuntAlias)
    tell(fmt::format("{} has the alias {}", device, dove::quoted(link->alias)),
         fmt::format("ip link set {} alias \"{}\"", name, kPuntAlias));
  const auto addresses = netlink::dump_addresses(query, index());
  const auto is_own = [&](const auto& address) { return address.ip == own_; };
  if (!addresses)
    unread("the address of " + name, addresses.error());
  else if (std::none_of(addresses->begin(), addresses->end(), is_own))
    tell(device + " has lost its address",
         fmt::format("ip address add {} dev {}", prefix_.to_string(), name));
  else if (own_.is_v6() && !leads_out(query))  // over IPv4 `via dvpunt` is enough
    tell(device + " has lost its route",
         fmt::format("ip route add {} dev {}", prefix_.to_string(), name));
  const auto guarded = netlink::has_unreachable(query, prefix_, kMetric);
  const auto route = fmt::format("unreachable {} metric {}", prefix_.to_string(), kMetric);
  if (!guarded)
    unread("the route \"" + route + "\"", guarded.error());
  else if (!*guarded)
    tell("the route \"" + route + "\" is missing", "ip route add " + route);
  return found;
}

Status PuntDevice::remove(netlink::Links& links, const Prefix& prefix) {
  const auto present = links.find(kPuntDevice);
  if (present && present->alias == kPuntAlias)
    if (auto removed = links.remove(present->index); !removed) return removed;
  return links.remove_unreachable(prefix, kMetric);
}

}  // namespace dove::agent
