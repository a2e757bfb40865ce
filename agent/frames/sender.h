// Who sent a frame, by its own word.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "core/ip_address.h"
#include "core/mac_address.h"

namespace dove::agent {

struct FrameSender {
  MacAddress mac;
  std::optional<IpAddress> ip;  // that it sent from or, in ARP and neighbour discovery, spoke for
  bool claimed = false;         // the latter: others will believe it
  std::optional<IpAddress> tentative = {};  // that it asks about before it makes it its own
};

// Empty when it is no whole Ethernet header, or sent by a group. An address in a probe or in
// duplicate address detection is not yet one's own. Who speaks in ARP or neighbour
// discovery for a MAC other than the frame's, or in it malformed, has none.
std::optional<FrameSender> read_sender(std::span<const std::byte> frame) noexcept;

// Whether who has no address yet may say it: what is neither IP nor ARP, and a DHCP client's
// messages from 0.0.0.0.
bool needs_no_address(std::span<const std::byte> frame) noexcept;

}  // namespace dove::agent
