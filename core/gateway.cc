#include "core/gateway.h"

namespace dove {

std::optional<IpAddress> default_gateway(const Prefix& prefix) {
  for (std::uint64_t index = 0; index < prefix.size() && index < 2; ++index) {
    const auto ip = *prefix.address_at(index);
    if (!prefix.is_reserved(ip) && ip.is_assignable()) return ip;
  }
  return std::nullopt;
}

}  // namespace dove
