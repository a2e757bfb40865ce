// Reading and writing wire bytes by offset, for the codecs of this folder. A codec checks the
// length once, up front; these only shift. Network byte order throughout.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/ip_address.h"
#include "core/mac_address.h"

namespace dove::agent {

using ByteView = std::span<const std::byte>;
using ByteSpan = std::span<std::byte>;

inline std::uint8_t get8(ByteView bytes, std::size_t at) noexcept {
  assert(at < bytes.size());
  return std::to_integer<std::uint8_t>(bytes[at]);
}
inline std::uint16_t get16(ByteView bytes, std::size_t at) noexcept {
  return static_cast<std::uint16_t>(get8(bytes, at) << 8U | get8(bytes, at + 1));
}
inline std::uint32_t get24(ByteView bytes, std::size_t at) noexcept {
  return static_cast<std::uint32_t>(get16(bytes, at)) << 8U | get8(bytes, at + 2);
}
inline MacAddress get_mac(ByteView bytes, std::size_t at) noexcept {
  return *MacAddress::from_wire(bytes.subspan(at, 6));
}
inline IpAddress get_ip4(ByteView bytes, std::size_t at) noexcept {
  return *IpAddress::from_wire(bytes.subspan(at, 4));
}
inline IpAddress get_ip6(ByteView bytes, std::size_t at) noexcept {
  return *IpAddress::from_wire(bytes.subspan(at, 16));
}

inline void put8(ByteSpan bytes, std::size_t at, unsigned value) noexcept {
  assert(at < bytes.size());
  bytes[at] = static_cast<std::byte>(value);
}
inline void put16(ByteSpan bytes, std::size_t at, unsigned value) noexcept {
  put8(bytes, at, value >> 8U & 0xffU);
  put8(bytes, at + 1, value & 0xffU);
}
inline void put24(ByteSpan bytes, std::size_t at, unsigned value) noexcept {
  put16(bytes, at, value >> 8U);
  put8(bytes, at + 2, value & 0xffU);
}
inline void put_bytes(ByteSpan bytes, std::size_t at, ByteView value) noexcept {
  assert(at + value.size() <= bytes.size());
  std::copy(value.begin(), value.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at));
}

// The Internet checksum (RFC 1071), unfolded so that parts can be added: each part but the last has
// an even length.
inline std::uint32_t checksum_add(std::uint32_t sum, ByteView bytes) noexcept {
  std::size_t i = 0;
  for (; i + 1 < bytes.size(); i += 2) sum += get16(bytes, i);
  if (i < bytes.size()) sum += static_cast<std::uint32_t>(get8(bytes, i)) << 8U;
  return sum;
}
inline std::uint16_t checksum_fold(std::uint32_t sum) noexcept {
  while (sum >> 16U != 0) sum = (sum & 0xffffU) + (sum >> 16U);
  return static_cast<std::uint16_t>(~sum & 0xffffU);
}
// The checksum after some of the bytes it covers changed (RFC 1624, equation 3).
inline std::uint16_t checksum_update(std::uint16_t checksum, ByteView before,
                                     ByteView after) noexcept {
  std::uint32_t sum = static_cast<std::uint16_t>(~checksum);
  for (std::size_t i = 0; i + 1 < before.size(); i += 2)
    sum += static_cast<std::uint16_t>(~get16(before, i));
  return checksum_fold(checksum_add(sum, after));
}

inline constexpr std::size_t kEthernetHeader = 14;
inline constexpr std::uint16_t kEtherTypeIpv4 = 0x0800;
inline constexpr std::uint16_t kEtherTypeArp = 0x0806;
inline constexpr std::uint16_t kEtherTypeIpv6 = 0x86dd;

}  // namespace dove::agent
