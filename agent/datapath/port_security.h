// Port security as text for nft(8): the chains of a guest port that let pass what the guest may say
// as itself. Pure; part of port_ruleset().
//
// The established path is one lookup: `ether saddr . ip saddr` in the port's own set. Only what is
// not in it, and all ICMPv6, is looked at more closely:
//   IPv4   a DHCP client that has no address yet, and IGMP from none (RFC 3376 4.2.13)
//   IPv6   no fragment whose first one need not show what is inside (RFC 7112)
//   ARP    sender MAC and address its own, or a probe (RFC 5227)
//   ICMPv6 sent from an own address, or from none by who asks for one; in neighbour discovery no
//          extension header, the link-layer option, if any, its own and the first, and beside it
//          a nonce (RFC 7527) at the most; only own addresses advertised
//   other  the own MAC
//
// A link-local address that does not follow from the MAC is the guest's when the controller has
// given it: doved announces what it hears in duplicate address detection, and an answer comes
// before the guest has waited out its second. Neighbour discovery from one that is not (a guest
// that does not detect) is heard and dropped; when it is asked again, it may be its own.
#pragma once

#include <array>
#include <string>
#include <utility>

#include "agent/datapath/ruleset.h"

namespace dove::agent {

// Counters, chains and sets that a port's security may have; their names follow "port-N-".
inline constexpr std::array kSecurityCounters{
    "foreign_mac_dropped", "foreign_ip_dropped", "forged_arp_dropped", "forged_nd_dropped",
    "dhcp_server_dropped", "router_dropped",     "hidden_dropped"};
inline constexpr std::array kSecurityChains{"ip4", "ip6", "arp", "icmp6", "nd", "strange"};
inline constexpr std::array kSecuritySets{std::pair{"own4", "{ type ether_addr . ipv4_addr; }"},
                                          std::pair{"own6", "{ type ether_addr . ipv6_addr; }"}};

// Precondition: chains "queries" and "announcements" of the port are there. Precedes the port's own
// chain, which goes to "ip4", "ip6" and "arp".
std::string security_chains(const WallOptions& options, const WalledPort& port);

}  // namespace dove::agent
