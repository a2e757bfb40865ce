// How rules are written, for the files that make rulesets. Not for others.
#pragma once

#include <fmt/format.h>

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "agent/datapath/options.h"

namespace dove::agent {

inline std::string limit_over(const Rate& rate) {
  return fmt::format("limit rate over {}/second burst {} packets", rate.per_second, rate.burst);
}

// Chains are named with their table: "bridge dove NAME". They are there afterwards, and empty.
inline std::string fresh_chain(std::string_view chain) {
  return fmt::format("add chain {0}\nflush chain {0}\n", chain);
}
inline std::string fresh_hook(std::string_view chain, std::string_view hook, int priority) {
  return fmt::format(
      "add chain {0} {{ type filter hook {1} priority {2}; policy accept; }}\nflush chain {0}\n",
      chain, hook, priority);
}

inline std::string rule(std::string_view chain, std::string_view text) {
  return fmt::format("add rule {} {}\n", chain, text);
}

// --- of VXLAN packets: RFC 7348 5. Behind the UDP header flags, of which this says that there is a
// VNI, from the fifth byte on the VNI, and then the frame.
inline constexpr const char* kHasVni = "@th,64,8 & 0x08 == 0x08";
inline constexpr const char* kVxlanVni = "@th,96,24";
inline constexpr const char* kInnerSource = "@th,176,48";  // MAC

// --- of frames that a guest's port looks into
inline constexpr const char* kEthernetArp = "arp htype 1 arp ptype ip arp hlen 6 arp plen 4";
inline constexpr const char* kNeighbourDiscovery =
    "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit }";
// What only a DHCP server sends; a client's message goes to the server's port.
inline constexpr std::array kFromDhcpServer{"udp sport 67", "udp dport 68"};
inline constexpr std::array kFromDhcp6Server{"udp sport 547", "udp dport 546"};
// Fragments of what has more headers behind: the first one need not reach to what is inside.
inline constexpr const char* kHidden = "ip6 nexthdr { 0, 43, 44, 60 } frag nexthdr { 0, 43, 60 }";
// What a host says before it has an address.
inline constexpr const char* kFromNobody =
    "icmpv6 type { nd-neighbor-solicit, nd-router-solicit, mld-listener-report, "
    "mld2-listener-report }";

// Digits alone: to be put behind 0x, and behind one another.
inline std::string hex(std::span<const std::byte> wire) {
  std::string text;
  for (const auto byte : wire) text += fmt::format("{:02x}", byte);
  return text;
}

}  // namespace dove::agent
