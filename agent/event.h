// What happens on a host, in the agent's own words: the inputs of the resolver. Whoever reads a
// socket turns what it read into one of these; nothing here knows where it came from.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/key.h"
#include "core/vtep.h"

namespace dove::agent {

using TimePoint = std::chrono::steady_clock::time_point;

// The kernel has no forwarding entry for this destination (l2miss; the frame is gone).
struct MacMiss {
  MacKey key;
};

// The kernel has no neighbour for this address (l3miss). It may be an ARP request or neighbour
// solicitation that `proxy` ate, or a routed packet. It does not say who asked.
struct IpMiss {
  IpKey key;
};

// A guest asked who has `target.ip`: an ARP request or a neighbour solicitation, heard at its port.
struct AddressQuery {
  IfIndex port;  // the guest's own device
  IpKey target;
  MacAddress asker;                 // sender hardware address
  std::optional<IpAddress> source;  // empty in a probe (ARP sender 0.0.0.0, NS from ::)
  bool kept_back = false;           // by its port: the kernel has not had it and does not answer
};

// A guest was heard using an address, or about to use it.
struct AddressSeen {
  enum class How : std::uint8_t {
    kUsed,       // answered for it, or sent a frame from it (link-local sources only)
    kTentative,  // asks whether anybody has it: ARP probe, duplicate address detection
    kAnnounced,  // told everybody: gratuitous ARP, unsolicited NA
  };
  IfIndex port;
  IpKey address;
  MacAddress mac;
  How how = How::kUsed;
  std::optional<bool> router = {};  // of an IPv6 address: what the guest says of itself
  // The frame, when it is meant for everybody and the kernel's `proxy` keeps it from other hosts.
  std::vector<std::byte> eaten = {};
};

// A frame was heard at a guest's port: who sent it.
struct GuestHeard {
  IfIndex port;
  MacKey guest;
  std::optional<IpAddress> ip;              // that it sent from or spoke for
  bool claimed = false;                     // by ARP or neighbour discovery
  std::optional<IpAddress> tentative = {};  // that it is about to use, if nobody else does
  std::vector<std::byte> held = {};         // the frame, when its port has kept it back
};

// Outer IP packets as they came out of the punt TUN: one, or the fragments of one in order of
// arrival. Opaque to the resolver; it gives them back to be sent on or dropped.
struct PuntedPackets {
  std::vector<std::vector<std::byte>> packets;
  std::size_t bytes() const noexcept {
    std::size_t sum = 0;
    for (const auto& packet : packets) sum += packet.size();
    return sum;
  }
};

// A frame that the kernel did not know where to send.
struct PuntedFrame {
  MacKey destination;  // unicast, multicast or broadcast
  // The guest's, as its port let no other pass; or the router's, when the kernel has routed it and
  // then did not know where `destination` is.
  MacAddress source;
  PuntedPackets packets;
  std::optional<IpAddress> ip;  // the destination of the IP packet inside, if there is one
};

}  // namespace dove::agent
