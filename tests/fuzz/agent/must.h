// What must hold, in builds without assertions too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

namespace dove::agent::fuzz {

inline void must(bool holds) {
  if (!holds) std::abort();
}

inline std::span<const std::byte> bytes_of(const std::uint8_t* data, std::size_t size) {
  return std::as_bytes(std::span{data, size});
}

}  // namespace dove::agent::fuzz
