// What the sources that read doved's options share. Not for other files.
#pragma once

#include <fmt/format.h>

#include <charconv>
#include <string_view>

#include "core/result.h"

namespace dove::agent {

inline Error wrong(std::string_view option, std::string_view word, std::string_view reason) {
  return {ErrorCode::kInvalid,
          fmt::format("argument \"{}\" of {} is wrong: {}", word, option, reason)};
}

struct Range {
  unsigned low;
  unsigned high;
};

// An empty word leaves `out` as it is.
inline Status read_number(std::string_view option, std::string_view word, Range range,
                          unsigned& out) {
  if (word.empty()) return {};
  unsigned value = 0;
  const char* const end = word.data() + word.size();
  const auto [stop, error] = std::from_chars(word.data(), end, value);
  if (error != std::errc{} || stop != end || value < range.low || value > range.high)
    return wrong(option, word, fmt::format("expected a number of {}..{}", range.low, range.high));
  out = value;
  return {};
}

}  // namespace dove::agent
