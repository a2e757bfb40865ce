// The router of a network. It is nowhere: every host has it, with one MAC for all networks, and the
// kernel routes on the sending host.
#pragma once

#include <algorithm>
#include <vector>

#include "core/ip_address.h"
#include "core/mac_address.h"

namespace dove::agent {

struct Router {
  MacAddress mac;
  std::vector<IpAddress> gateways;  // one a subnet

  bool has(const IpAddress& ip) const {
    return std::find(gateways.begin(), gateways.end(), ip) != gateways.end();
  }
  friend bool operator==(const Router&, const Router&) = default;
};

}  // namespace dove::agent
