#include "core/link_local.h"

#include <array>

namespace dove {

IpAddress link_local_of(const MacAddress& mac) noexcept {
  const auto& m = mac.bytes();
  const std::array<std::uint8_t, 16> bytes{
      0xfe, 0x80, 0,    0,    0,    0,    0,   0, static_cast<std::uint8_t>(m[0] ^ 2U),
      m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]};
  return *IpAddress::from_wire(std::as_bytes(std::span{bytes}));
}

std::optional<MacAddress> mac_of_link_local(const IpAddress& ip) noexcept {
  if (!ip.is_v6()) return std::nullopt;
  const auto byte = [wire = ip.wire()](std::size_t i) {
    return std::to_integer<std::uint8_t>(wire[i]);
  };
  const MacAddress mac{
      {static_cast<std::uint8_t>(byte(8) ^ 2U), byte(9), byte(10), byte(13), byte(14), byte(15)}};
  return mac.is_unicast() && link_local_of(mac) == ip ? std::optional{mac} : std::nullopt;
}

}  // namespace dove
