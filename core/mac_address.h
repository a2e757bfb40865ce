// An EUI-48 address, held in wire order. A regular value: copy it, compare it, hash it.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/hash.h"

namespace dove {

class MacAddress {
 public:
  using Bytes = std::array<std::uint8_t, 6>;

  constexpr MacAddress() noexcept = default;  // 00:00:00:00:00:00, VXLAN's default destination
  explicit constexpr MacAddress(Bytes bytes) noexcept : bytes_{bytes} {}
  static constexpr MacAddress broadcast() noexcept {
    return MacAddress{Bytes{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
  }

  // Empty unless `wire` is exactly six bytes.
  static std::optional<MacAddress> from_wire(std::span<const std::byte> wire) noexcept;
  // Six pairs of hex digits, either case, joined by ':' => the address; anything else => empty.
  static std::optional<MacAddress> parse(std::string_view text) noexcept;

  constexpr const Bytes& bytes() const noexcept { return bytes_; }
  std::span<const std::byte> wire() const noexcept { return std::as_bytes(std::span{bytes_}); }
  std::string to_string() const;  // lower case, as ip(8) prints it

  constexpr bool is_zero() const noexcept { return bytes_ == Bytes{}; }
  constexpr bool is_broadcast() const noexcept { return *this == broadcast(); }
  constexpr bool is_multicast() const noexcept { return (bytes_[0] & 1U) != 0; }  // or broadcast
  // What an endpoint can have: neither multicast nor zero.
  constexpr bool is_unicast() const noexcept { return !is_multicast() && !is_zero(); }

  // The address as one number, its first byte the highest: 00:00:00:00:01:02 => 0x102. Comparing
  // and hashing go by it; both are on the path of every punted frame.
  constexpr std::uint64_t number() const noexcept {
    const std::uint32_t high = (std::uint32_t{bytes_[0]} << 24) | (std::uint32_t{bytes_[1]} << 16) |
                               (std::uint32_t{bytes_[2]} << 8) | bytes_[3];
    const std::uint32_t low = (std::uint32_t{bytes_[4]} << 8) | bytes_[5];
    return (std::uint64_t{high} << 16) | low;
  }
  friend constexpr bool operator==(const MacAddress& a, const MacAddress& b) noexcept {
    return a.number() == b.number();
  }
  friend constexpr auto operator<=>(const MacAddress& a, const MacAddress& b) noexcept {
    return a.number() <=> b.number();
  }

  std::size_t hash(std::uint64_t seed = 0) const noexcept { return hash_number(number(), seed); }

 private:
  Bytes bytes_{};
};

}  // namespace dove

template <>
struct std::hash<dove::MacAddress> {
  std::size_t operator()(const dove::MacAddress& mac) const noexcept { return mac.hash(); }
};
