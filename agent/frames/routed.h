// The frame inside punted packets, for when it is not sent on as it is: routed into another
// network, or given to a guest of this host.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "agent/action.h"

namespace dove::agent {

struct InnerChange {
  std::optional<Vni> vni;
  std::optional<RoutedMacs> macs;
};

// Changes the frame in place in the one packet that has its header (a whole datagram, or the first
// fragment), with the outer UDP checksum where there is one; other fragments stay as they are.
// False, and the packet is unchanged, when it is not what parse_outer() takes or too short.
bool change_inner(std::span<std::byte> packet, const InnerChange& change) noexcept;

// The frame, from its Ethernet header on, put together from all fragments. Empty when they are not
// all there.
std::optional<std::vector<std::byte>> inner_frame(const PuntedPackets& packets);
void set_macs(std::span<std::byte> frame, const RoutedMacs& macs) noexcept;

}  // namespace dove::agent
