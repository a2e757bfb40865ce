#include "agent/datapath/underlay.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "netlink/dump.h"

namespace dove::agent {
namespace {

constexpr std::uint32_t kEthernetMtu = 1500;

// Each device is asked once.
class DeviceMtus {
 public:
  explicit DeviceMtus(netlink::Links& links) : links_{links} {}
  Result<std::uint32_t> of(IfIndex device) {
    if (const auto known = known_.find(device); known != known_.end()) return known->second;
    const auto link = links_.find(device);
    if (!link) return link.error();
    return known_.emplace(device, link->mtu).first->second;
  }

 private:
  netlink::Links& links_;
  std::map<IfIndex, std::uint32_t> known_;
};

}  // namespace

Result<Underlay> find_underlay(netlink::Links& links, netlink::Query& query,
                               const IpAddress& address) {
  const auto addresses = netlink::dump_addresses(query);
  if (!addresses) return addresses.error();
  for (const auto& one : *addresses) {
    if (one.ip != address) continue;
    const auto link = links.find(one.device);
    if (!link) return link.error();
    const auto mtu = link->index == kLoopback ? kEthernetMtu : link->mtu;
    return Underlay{link->index, link->name, address, mtu};
  }
  return Error{ErrorCode::kNotFound, fmt::format("no device of this host has the VTEP's address {}",
                                                 address.to_string())};
}

bool UnderlayMtuRound::ask(netlink::Links& links, netlink::Query& query, const Underlay& underlay,
                           std::size_t count) {
  DeviceMtus devices{links};
  for (; asked_ < vteps_.size() && count > 0; ++asked_, --count) {
    const auto& vtep = vteps_[asked_];
    if (vtep == underlay.address) continue;
    const auto route = netlink::route_to(query, vtep, underlay.address);
    if (!route || route->local) continue;
    const auto device = devices.of(route->device);
    if (!device) continue;  // it went between the two questions, and its routes with it
    const std::uint32_t mtu = std::min(route->mtu.value_or(*device), *device);
    found_.smallest = found_.smallest == 0 ? mtu : std::min(found_.smallest, mtu);
    found_.largest = std::max(found_.largest, mtu);
  }
  return asked_ == vteps_.size();
}

UnderlayMtu UnderlayMtuRound::take(const Underlay& underlay) const {
  return found_.smallest == 0 ? UnderlayMtu{underlay.mtu, underlay.mtu} : found_;
}

}  // namespace dove::agent
