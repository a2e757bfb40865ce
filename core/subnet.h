// One of a network's subnets. The gateway is the address that every host answers for.
#pragma once

#include <optional>

#include "core/prefix.h"

namespace dove {

struct Subnet {
  Prefix prefix;
  std::optional<IpAddress> gateway;  // empty only in requests: to be chosen

  friend bool operator==(const Subnet&, const Subnet&) = default;
};

}  // namespace dove
