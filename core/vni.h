// A VXLAN network identifier (RFC 7348): 1 .. 2^24 - 1. Zero names no network here, so an
// out-of-range Vni cannot exist and no function that accepts one checks it again.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/hash.h"

namespace dove {

class Vni {
 public:
  static constexpr std::uint32_t kLimit = 1U << 24;  // one past the largest

  static constexpr std::optional<Vni> from(std::uint32_t raw) noexcept {
    return raw != 0 && raw < kLimit ? std::optional{Vni{raw}} : std::nullopt;
  }
  // Decimal digits only: "100" => 100; "", "0", "0x64", "+1", "16777216" => empty.
  static std::optional<Vni> parse(std::string_view text) noexcept;

  constexpr std::uint32_t value() const noexcept { return value_; }
  std::string to_string() const;
  friend constexpr auto operator<=>(Vni, Vni) noexcept = default;

 private:
  explicit constexpr Vni(std::uint32_t value) noexcept : value_{value} {}
  std::uint32_t value_;
};

}  // namespace dove

template <>
struct std::hash<dove::Vni> {
  std::size_t operator()(dove::Vni vni) const noexcept { return dove::mix(vni.value()); }
};
