// What a guest sends that looks for one address after the other.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/ip_address.h"
#include "core/mac_address.h"

namespace dove::lab {

using Bytes = std::vector<std::uint8_t>;

struct Scanner {
  MacAddress mac;
  IpAddress ip;
};

// ARP request, or neighbour solicitation.
Bytes question(const Scanner& who, const IpAddress& target);
// One UDP datagram with no data, by the router.
Bytes datagram(const Scanner& who, const MacAddress& router, const IpAddress& target);

// The address `offset` behind `first`.
IpAddress behind(const IpAddress& first, std::uint64_t offset);

}  // namespace dove::lab
