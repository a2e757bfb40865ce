// Which address of a subnet is its gateway's when nobody says.
#pragma once

#include <optional>

#include "core/ip_address.h"
#include "core/prefix.h"

namespace dove {

// The first that a guest could have. Empty: the subnet has none.
std::optional<IpAddress> default_gateway(const Prefix& prefix);

}  // namespace dove
