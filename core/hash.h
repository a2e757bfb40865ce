// Hash of a few bytes, for the keys of our own tables. Not for anything an outsider can profit from
// choosing: every table keyed by what guests send is bounded besides.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace dove {

// splitmix64's finaliser: every input bit reaches every output bit.
inline constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15ULL;  // 2^64 divided by the golden ratio

constexpr std::uint64_t mix(std::uint64_t x) noexcept {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ULL;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

constexpr std::size_t hash_number(std::uint64_t number, std::uint64_t seed = 0) noexcept {
  return static_cast<std::size_t>(mix(number + (seed + 1) * kGolden));
}

inline std::size_t hash_bytes(std::span<const std::byte> bytes, std::uint64_t seed = 0) noexcept {
  std::uint64_t state = mix(seed + bytes.size() + kGolden);
  while (!bytes.empty()) {
    std::uint64_t word = 0;
    const std::size_t n = bytes.size() < sizeof word ? bytes.size() : sizeof word;
    std::memcpy(&word, bytes.data(), n);
    state = mix(state ^ word);
    bytes = bytes.subspan(n);
  }
  return static_cast<std::size_t>(state);
}

}  // namespace dove
