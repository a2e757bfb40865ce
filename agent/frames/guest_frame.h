// What a frame heard at a guest's own port means to the agent.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "agent/event.h"

namespace dove::agent {

// A frame can be both: who probes for an address asks for it and is about to use it, a solicitation
// from a link-local address asks for one and shows another.
struct GuestEvents {
  std::optional<AddressQuery> query;
  std::optional<AddressSeen> seen;
};

// `frame` begins with its Ethernet header. Neither, when it is malformed, no ARP or ND, or speaks
// for a MAC other than the one that sent it. Addresses nobody can have are neither asked nor seen.
GuestEvents read_guest_frame(std::span<const std::byte> frame, IfIndex port, Vni vni) noexcept;

}  // namespace dove::agent
