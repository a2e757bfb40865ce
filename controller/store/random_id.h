// Ids that nobody else makes: of stores, of their openings, of commits.
#pragma once

#include <cstddef>
#include <string>

#include "core/result.h"

namespace dove::controller {

inline constexpr std::size_t kIdSize = 16;

// kIdSize bytes from the kernel.
Result<std::string> random_id();

}  // namespace dove::controller
