// The outer header of a punted packet where the underlay is IPv6. No kernel fragments VXLAN over
// IPv6 (it drops what is too long and the sender may not be told), so a packet is always a whole
// datagram, and the UDP checksum is always there.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "agent/frames/punt.h"

namespace dove::agent {

bool is_ipv6(std::span<const std::byte> packet) noexcept;
// IPv6 with UDP right behind its header. What else a device with an address says by itself (router
// solicitations, MLD reports) is not.
bool is_ipv6_udp(std::span<const std::byte> packet) noexcept;

// parse_outer(), parse_plain() and set_outer_destination() of punt.h, for IPv6.
std::optional<OuterHeader> parse_outer_ipv6(std::span<const std::byte> packet) noexcept;
std::optional<PlainDatagram> parse_plain_ipv6(std::span<const std::byte> packet) noexcept;
bool set_outer_destination_ipv6(std::span<std::byte> packet, const Vtep& vtep) noexcept;

}  // namespace dove::agent
