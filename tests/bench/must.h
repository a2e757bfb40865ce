// For programs of which nothing is left to do when something fails.
#pragma once

#include <stdexcept>
#include <utility>

#include "core/result.h"

namespace dove::bench {

// The value, or the error as an exception for main().
template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(result).value();
}

inline void must(const Status& status) {
  if (!status) throw std::runtime_error(status.error().message);
}

}  // namespace dove::bench
