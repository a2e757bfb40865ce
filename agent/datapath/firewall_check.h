// What other firewalls of this host do to bridged guests. While br_netfilter's sysctls are 1 the
// kernel hands bridged frames to the host's IP filters as well, and a filter that drops what is
// forwarded (Docker's, ufw's, firewalld's) drops guests' frames.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/datapath/legacy_filter.h"
#include "core/result.h"

namespace dove::agent {

// Whether bridged frames are handed to IP filters: net.bridge.bridge-nf-call-iptables and
// -ip6tables of this network namespace; false where there is no br_netfilter.
struct BridgedFiltering {
  bool ipv4 = false;
  bool ipv6 = false;
};
BridgedFiltering bridged_filtering();

// What `nft -j list chains` shows that is in the way, and what iptables-legacy keeps: one sentence
// each, with what helps. Pure.
Result<std::vector<std::string>> firewall_notes(const BridgedFiltering& filtering,
                                                std::string_view chains,
                                                const LegacyFilters& legacy);

}  // namespace dove::agent
