// Where frames to a group go, by their destination MAC alone.
#pragma once

#include <cstdint>

#include "core/mac_address.h"

namespace dove::agent {

enum class Reach : std::uint8_t {
  kEverywhere,  // to every host of the network
  kMembers,     // to those where a guest listens
};

// Everywhere goes what must be heard by those who have not joined: broadcast, 224.0.0.0/24 (RFC
// 4541 2.1.2), the IPv6 groups of the same kind (ff02::XX and ff02::1:XX), and what has no
// membership protocol, that is, all that is neither IPv4 nor IPv6. Groups share MACs (ff05::2 has
// ff02::2's), so some more come along.
constexpr Reach reach_of(const MacAddress& group) noexcept {
  const auto& b = group.bytes();
  if (b[0] == 0x01 && b[1] == 0x00 && b[2] == 0x5e)
    return b[3] == 0 && b[4] == 0 ? Reach::kEverywhere : Reach::kMembers;
  if (b[0] != 0x33 || b[1] != 0x33) return Reach::kEverywhere;
  return b[2] == 0 && b[3] <= 1 && b[4] == 0 ? Reach::kEverywhere : Reach::kMembers;
}

}  // namespace dove::agent
