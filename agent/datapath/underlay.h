// The network that carries the tunnels: the device that has the VTEP's address.
#pragma once

#include <cstdint>
#include <string>

#include "core/ip_address.h"
#include "core/result.h"
#include "core/vtep.h"
#include "netlink/link.h"
#include "netlink/query.h"

namespace dove::agent {

struct Underlay {
  IfIndex device{};
  std::string name;
  std::uint32_t mtu = 0;
};

// kNotFound, naming the address, when no device has it.
Result<Underlay> find_underlay(netlink::Links& links, netlink::Query& query,
                               const IpAddress& address);

// What a frame grows by: outer IP, UDP, VXLAN and the inner Ethernet header.
inline std::uint32_t overhead(const IpAddress& underlay) noexcept {
  return underlay.is_v4() ? 50 : 70;
}

}  // namespace dove::agent
