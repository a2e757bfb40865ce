// The text of the rules for guests' packets that are too long for the tunnel, for nft(8): what the
// kernel needs of us to answer all of them. Pure.
//
// Over IPv4 the kernel sends a guest's IPv4 packet that is too long and may be fragmented in
// fragments of the outer packet. Over IPv6 it drops it without a word; so it gets DF, and is
// answered.
//
// Broadcasts and multicasts are answered by nobody. Those of IPv4 lose their DF over IPv4, and
// arrive; the others are counted, and lost.
//
// The kernel's answer to a packet that it routed is addressed to the router's MAC, which nobody
// has: the packet had it as its source by then. The answer is still the guest's packet and carries
// the guest's mark, and by that gets the MAC from which such a packet came last.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/mac_address.h"

namespace dove::agent {

struct TooLong {
  std::uint32_t above = 0;           // this length, of an IP packet; 0: no rules
  bool set_df = false;               // of IPv4 that may be fragmented
  std::optional<MacAddress> router;  // of the networks that route to each other
  friend bool operator==(const TooLong&, const TooLong&) = default;
};

// Precondition: the chains of the table `dove` of the bridge family have just been made anew.
std::string too_long_ruleset(const TooLong& too_long);

}  // namespace dove::agent
