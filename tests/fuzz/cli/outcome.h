// What must hold of whatever dovectl prints.
#pragma once

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string_view>

#include "cli/text.h"
#include "tests/unit/cli/harness.h"

namespace dove::cli {

inline void must(bool condition) {
  if (!condition) std::abort();
}

inline void check_lines(std::string_view text) {
  while (!text.empty()) {
    const auto end = text.find('\n');
    must(end != std::string_view::npos);
    const auto line = text.substr(0, end);
    must(is_utf8(line) && printable(line) == line);
    text.remove_prefix(end + 1);
  }
}

inline void check_outcome(const Outcome& outcome, const Format& format, bool streams) {
  must((outcome.exit == Exit::kDone) == outcome.err.empty());
  must(outcome.exit == Exit::kDone || outcome.out.empty() || streams);
  check_lines(outcome.err);
  if (!format.json) {
    check_lines(outcome.out);
  } else if (outcome.out.starts_with('[') && !streams) {
    must(nlohmann::json::parse(outcome.out, nullptr, false).is_array());
  }
}

}  // namespace dove::cli
