#include "core/vtep.h"

#include <fmt/format.h>

namespace dove {

std::string Vtep::to_string() const {
  if (port == kDefaultPort) return address.to_string();
  return address.is_v4() ? fmt::format("{}:{}", address.to_string(), port)
                         : fmt::format("[{}]:{}", address.to_string(), port);
}

}  // namespace dove
