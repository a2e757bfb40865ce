#include "agent/datapath/punt_device.h"

#include <fmt/format.h>
#include <linux/rtnetlink.h>

#include "netlink/batch.h"
#include "netlink/dump.h"
#include "netlink/sysctl.h"

namespace dove::agent {
namespace {

// Many frames may come while the loop is busy elsewhere; the limits per guest stand before it.
constexpr std::uint32_t kQueueLength = 10000;
// Behind every other route.
constexpr std::uint32_t kMetric = 0xfffffffeU;

// "unreachable PREFIX metric kMetric" in the main table: of the connected route's length, because a
// longer one would be taken before it.
void put_unreachable(netlink::Builder& builder, const Prefix& prefix) {
  rtmsg route{};
  route.rtm_family = static_cast<unsigned char>(prefix.network().family());
  route.rtm_dst_len = static_cast<unsigned char>(prefix.length());
  route.rtm_table = RT_TABLE_MAIN;
  route.rtm_protocol = RTPROT_STATIC;
  route.rtm_scope = RT_SCOPE_UNIVERSE;
  route.rtm_type = RTN_UNREACHABLE;
  builder.family(route).put(RTA_DST, prefix.network().wire()).put_number(RTA_PRIORITY, kMetric);
}

Status change_route(const Prefix& prefix, bool add) {
  auto batch = netlink::Batch::open();
  if (!batch) return batch.error();
  put_unreachable(add ? batch->begin(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE)
                      : batch->begin(RTM_DELROUTE, 0),
                  prefix);
  const auto error = batch->commit()[0].error;
  if (!error || (!add && error == std::errc::no_such_process)) return {};
  return Error{ErrorCode::kSystem,
               fmt::format("cannot {} the route \"unreachable {}\": {}", add ? "add" : "remove",
                           prefix.to_string(), error.message()),
               error.value()};
}

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
  if (auto status = change_route(prefix_, true); !status) return status;
  if (auto status = links.change(index(), {.mtu = mtu,
                                           .tx_queue_length = kQueueLength,
                                           .up = true,
                                           .alias = kPuntAlias,
                                           .no_ipv6_addresses = true});
      !status)
    return status;
  return links.add_address(index(), own_, prefix_.length());
}

Status PuntDevice::remove(netlink::Links& links, const Prefix& prefix) {
  const auto present = links.find(kPuntDevice);
  if (present && present->alias == kPuntAlias)
    if (auto removed = links.remove(present->index); !removed) return removed;
  return change_route(prefix, false);
}

}  // namespace dove::agent
