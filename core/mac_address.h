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

  friend constexpr auto operator<=>(const MacAddress&, const MacAddress&) noexcept = default;

 private:
  Bytes bytes_{};
};

}  // namespace dove

template <>
struct std::hash<dove::MacAddress> {
  std::size_t operator()(const dove::MacAddress& mac) const noexcept {
    return dove::hash_bytes(mac.wire());
  }
};
