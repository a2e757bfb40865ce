// Whom a guest at a port may be.
#pragma once

#include <vector>

#include "core/ip_address.h"
#include "core/mac_address.h"

namespace dove::agent {

// This MAC, these addresses, and the link-local address that follows from the MAC (RFC 4291,
// appendix A).
struct GuestIdentity {
  MacAddress mac;
  std::vector<IpAddress> ips;
  friend bool operator==(const GuestIdentity&, const GuestIdentity&) = default;
};

}  // namespace dove::agent
