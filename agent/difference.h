// One thing on this host that is not as it should be: what the agent remembers against what the
// kernel has, or against what the controller says.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/vni.h"

namespace dove::agent {

struct Difference {
  enum class With : std::uint8_t { kKernel, kController };

  With with = With::kKernel;
  std::optional<Vni> vni;  // empty: of the host as a whole
  std::string what;        // "fdb 02:00:00:00:00:01 dst 192.0.2.2 is missing"
  std::string command;     // what would mend it by hand
  bool mended = false;
  std::string problem;  // why it was not, though it was to be
};

using DifferencesDone = std::function<void(std::vector<Difference>)>;

}  // namespace dove::agent
