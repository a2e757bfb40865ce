// The options that bound what guests, networks and the host as a whole may have waiting, asked and
// remembered: one table of them.
#pragma once

#include <CLI/CLI.hpp>
#include <array>
#include <string>

#include "agent/resolver.h"
#include "core/result.h"

namespace dove::agent {

inline constexpr std::size_t kBoundOptions = 9;
using BoundWords = std::array<std::string, kBoundOptions>;

// `words` outlives what `app` parses.
void describe_bounds(CLI::App& app, BoundWords& words);
// What was not given stays as it is.
Status read_bounds(const BoundWords& words, Limits& out);

}  // namespace dove::agent
