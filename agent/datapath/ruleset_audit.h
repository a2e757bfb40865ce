// Whether the kernel has a ruleset as its text (ruleset.h) makes it. Pure.
//
// Compared are the chains of the text, with their hooks, the number of rules in each, and the
// elements of its sets and maps but those that packets make (flag `dynamic`). Another chain in its
// table is a difference when it has a hook: others see no packet. What nobody changes without
// changing one of these is left out: what the single rules say, and counters.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace dove::agent {

struct RulesetDifference {
  std::string object;        // the chain's, set's or map's name; empty: the table itself
  std::string element;       // which the set or map lacks, or has too many; a map's key
  std::string what;          // "nft set inet dove vteps lacks 192.0.2.9"
  std::string removal = {};  // the commands that take away what is too many; empty: the text does
};

// `text`: commands in order, one a line, beginning with an empty ruleset; those for other families
// than `family` are passed over. `listing`: `nft -j list table FAMILY dove`. The sets and maps
// named in `open` may have elements that the text does not name. A listing that is not nft's is
// kSystem.
Result<std::vector<RulesetDifference>> ruleset_differences(std::string_view text,
                                                           std::string_view family,
                                                           std::string_view listing,
                                                           const std::set<std::string>& open);

}  // namespace dove::agent
