// How rules are written, for the files that make rulesets. Not for others.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "agent/datapath/options.h"

namespace dove::agent {

inline std::string limit_over(const Rate& rate) {
  return fmt::format("limit rate over {}/second burst {} packets", rate.per_second, rate.burst);
}

inline std::string rule(std::string_view chain, std::string_view text) {
  return fmt::format("add rule {} {}\n", chain, text);
}

}  // namespace dove::agent
