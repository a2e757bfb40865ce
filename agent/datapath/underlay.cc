#include "agent/datapath/underlay.h"

#include <fmt/format.h>

#include "netlink/dump.h"

namespace dove::agent {

Result<Underlay> find_underlay(netlink::Links& links, netlink::Query& query,
                               const IpAddress& address) {
  const auto addresses = netlink::dump_addresses(query);
  if (!addresses) return addresses.error();
  for (const auto& one : *addresses) {
    if (one.ip != address) continue;
    const auto link = links.find(one.device);
    if (!link) return link.error();
    return Underlay{link->index, link->name, link->mtu};
  }
  return Error{ErrorCode::kNotFound, fmt::format("no device of this host has the VTEP's address {}",
                                                 address.to_string())};
}

}  // namespace dove::agent
