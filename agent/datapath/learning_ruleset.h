// The chains of a port whose guests nobody registered, as text for nft(8): port security for those
// that were learned. Pure; part of port_ruleset().
//
// What comes from a MAC or an address that is not yet known there is logged, no faster than the
// limit of announcements, and dropped: doved learns who it is, and then lets it in. So no guest is
// anybody before the controller says that it may be, and what doved does not hear costs nothing.
//
// Packets are looked up by `ether saddr . ip saddr`, as with one registered guest. In ARP and
// neighbour discovery the sender is exact; the target of an advertisement and the link-layer option
// may be any of the port's own: those who share a port could say all that anyway. The sets count
// their elements' packets: that is how doved sees who is silent.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/datapath/ruleset.h"

namespace dove::agent {

// The log's prefix of what was dropped because its sender is not known.
inline constexpr const char* kUnknownPrefix = "unknown";

inline constexpr std::array kLearningCounters{"unknown_dropped", "unheard_dropped"};
inline constexpr std::array kLearningChains{"ip4", "ip6", "arp", "icmp6", "nd", "unknown"};
inline constexpr std::array kLearningSets{
    std::pair{"macs", "{ type ether_addr; counter; }"},
    std::pair{"heard4", "{ type ether_addr . ipv4_addr; counter; }"},
    std::pair{"heard6", "{ type ether_addr . ipv6_addr; counter; }"}};

// Precondition: chains "queries" and "announcements" of the port are there. Precedes the port's own
// chain, which goes to "ip4", "ip6", "arp" and "unknown".
std::string learning_chains(const WallOptions& options, const WalledPort& port);

// Of one port: how many packets each learned guest and address has sent; without address: what was
// no IP packet.
struct GuestActivity {
  MacAddress mac;
  std::optional<IpAddress> ip;
  std::uint64_t packets = 0;
};
// What `nft -j list sets bridge` says, by port numbers.
Result<std::map<unsigned, std::vector<GuestActivity>>> parse_activity(std::string_view json);

}  // namespace dove::agent
