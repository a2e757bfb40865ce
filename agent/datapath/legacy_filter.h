// The filter tables of iptables-legacy in this thread's network namespace, which nft(8) does not
// list. Read from the kernel as iptables reads them (linux/netfilter_ipv4/ip_tables.h and its
// sibling); a table that nobody has made is not made by looking. May wait for an iptables that is
// at work: not on the loop thread.
#pragma once

#include <cstddef>
#include <set>
#include <span>
#include <string>

namespace dove::agent {

struct LegacyFilter {
  bool drops_forwarded = false;  // the policy of its chain FORWARD
  std::set<std::string> chains;  // those that iptables does not have by itself
};

// One that is not there, or cannot be read, drops nothing.
struct LegacyFilters {
  LegacyFilter ipv4, ipv6;
};
LegacyFilters legacy_filters();

// The entries of a table as the kernel gives them, `policy` being where FORWARD's is.
LegacyFilter parse_ipv4_filter(std::span<const std::byte> entries, std::size_t policy);
LegacyFilter parse_ipv6_filter(std::span<const std::byte> entries, std::size_t policy);

}  // namespace dove::agent
