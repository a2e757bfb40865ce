// fe80::/64 with the interface identifier made from a MAC (RFC 4291, appendix A), and back.
#pragma once

#include <optional>

#include "core/ip_address.h"
#include "core/mac_address.h"

namespace dove::controller {

IpAddress link_local_of(const MacAddress& mac) noexcept;
// Empty when the address is not of this shape, or of no unicast MAC.
std::optional<MacAddress> mac_of_link_local(const IpAddress& ip) noexcept;

}  // namespace dove::controller
