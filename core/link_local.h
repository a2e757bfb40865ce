// fe80::/64 with the interface identifier made from a MAC (RFC 4291, appendix A), and back.
#pragma once

#include <optional>

#include "core/ip_address.h"
#include "core/mac_address.h"

namespace dove {

// Its guest's by itself, registered or not, and gone with it.
inline bool is_implicit(const IpAddress& ip) noexcept { return ip.is_v6() && ip.is_link_local(); }

IpAddress link_local_of(const MacAddress& mac) noexcept;
// Empty when the address is not of this shape, or of no unicast MAC.
std::optional<MacAddress> mac_of_link_local(const IpAddress& ip) noexcept;

}  // namespace dove
