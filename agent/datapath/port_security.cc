#include "agent/datapath/port_security.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "agent/datapath/ruleset_text.h"
#include "core/link_local.h"

namespace dove::agent {
namespace {

class SecurityText {
 public:
  SecurityText(const WallOptions& options, const WalledPort& port)
      : options_{options},
        port_{fmt::format("port-{}", port.number)},
        mac_{port.only->mac.to_string()},
        own_link_{hex(port.only->mac.wire())},
        own6_{link_local_of(port.only->mac)} {
    for (const auto& ip : port.only->ips) (ip.is_v4() ? own4_ : own6_).push_back(ip);
  }

  std::string take() {
    for (const auto& [set, type] : kSecuritySets)
      text_ += fmt::format("add set bridge dove {0}-{1} {2}\nflush set bridge dove {0}-{1}\n",
                           port_, set, type);
    add_elements("own4", own4_);
    add_elements("own6", own6_);
    for (const auto* chain : kSecurityChains)
      text_ += fresh_chain(fmt::format("bridge dove {}-{}", port_, chain));
    ipv4();
    ipv6();
    arp();
    icmpv6();
    neighbour_discovery();
    strange();
    return std::move(text_);
  }

 private:
  void add_elements(const char* set, const std::vector<IpAddress>& ips) {
    std::vector<std::string> elements;
    for (const auto& ip : ips) elements.push_back(fmt::format("{} . {}", mac_, ip.to_string()));
    if (elements.empty()) return;
    text_ += fmt::format("add element bridge dove {}-{} {{ {} }}\n", port_, set,
                         fmt::join(elements, ", "));
  }
  void add(const char* chain, const std::string& match) {
    text_ += rule(fmt::format("bridge dove {}-{}", port_, chain), match);
  }
  std::string go(const char* chain) const { return fmt::format("goto {}-{}", port_, chain); }
  std::string drop(const char* cause) const {
    return fmt::format("counter name {}-{}_dropped drop", port_, cause);
  }
  void drop_foreign(const char* chain) {
    add(chain, fmt::format("ether saddr != {} {}", mac_, drop("foreign_mac")));
  }

  void ipv4() {
    for (const std::string match : kFromDhcpServer) add("ip4", match + " " + drop("dhcp_server"));
    add("ip4", fmt::format("ether saddr . ip saddr @{}-own4 accept", port_));
    drop_foreign("ip4");
    add("ip4", "ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept");
    add("ip4", "ip saddr 0.0.0.0 ip protocol igmp accept");
    add("ip4", drop("foreign_ip"));
  }

  void ipv6() {
    add("ip6", std::string{kHidden} + " " + drop("hidden"));
    add("ip6", "meta l4proto ipv6-icmp " + go("icmp6"));
    for (const std::string match : kFromDhcp6Server) add("ip6", match + " " + drop("dhcp_server"));
    add("ip6", fmt::format("ether saddr . ip6 saddr @{}-own6 accept", port_));
    drop_foreign("ip6");
    add("ip6", drop("foreign_ip"));
  }

  void arp() {
    add("arp", fmt::format("{} arp operation request arp saddr ether {} arp saddr ip 0.0.0.0 {}",
                           kEthernetArp, mac_, go("queries")));
    const auto own = fmt::format("{} arp saddr ether . arp saddr ip @{}-own4", kEthernetArp, port_);
    add("arp", fmt::format("{} arp operation request {}", own, go("queries")));
    add("arp", fmt::format("{} {}", own, go("announcements")));
    add("arp", drop("forged_arp"));
  }

  void icmpv6() {
    add("icmp6", "icmpv6 type { nd-router-advert, nd-redirect } " + drop("router"));
    add("icmp6",
        fmt::format("{} ip6 nexthdr != ipv6-icmp {}", kNeighbourDiscovery, drop("forged_nd")));
    add("icmp6", fmt::format("ether saddr . ip6 saddr @{}-own6 {}", port_, go("nd")));
    drop_foreign("icmp6");
    add("icmp6", fmt::format("ip6 saddr :: {} {}", kFromNobody, go("nd")));
    add("icmp6", fmt::format("ip6 saddr fe80::/10 {} {}", kFromNobody, go("strange")));
    add("icmp6", drop("foreign_ip"));
  }

  // A message with options is as long as the header, its own link-layer address and a nonce. The
  // options begin behind 24 bytes, a router solicitation's behind 8.
  void neighbour_discovery() {
    const auto solicit = [&](const std::string& match) {
      add("nd", fmt::format("icmpv6 type nd-neighbor-solicit {} {}", match, go("queries")));
    };
    solicit("ip6 length 24");
    solicit(fmt::format("ip6 length 32 @th,192,64 0x0101{}", own_link_));
    solicit("ip6 length 32 ip6 saddr :: @th,192,16 0x0e01");
    solicit(fmt::format("ip6 length 40 @th,192,64 0x0101{} @th,256,16 0x0e01", own_link_));
    add("nd", "icmpv6 type nd-router-solicit ip6 length 8 " + go("queries"));
    add("nd", fmt::format("icmpv6 type nd-router-solicit ip6 length 16 @th,64,64 0x0101{} {}",
                          own_link_, go("queries")));
    const auto advert = fmt::format("icmpv6 type nd-neighbor-advert @th,64,128 {}", targets());
    add("nd", fmt::format("{} ip6 length 24 {}", advert, go("announcements")));
    add("nd", fmt::format("{} ip6 length 32 @th,192,64 0x0201{} {}", advert, own_link_,
                          go("announcements")));
    add("nd", fmt::format("{} {}", kNeighbourDiscovery, drop("forged_nd")));
    add("nd", "icmpv6 type { mld-listener-report, mld2-listener-report } " + go("announcements"));
  }

  std::string targets() const {
    std::vector<std::string> all;
    for (const auto& ip : own6_) all.push_back("0x" + hex(ip.wire()));
    return fmt::format("{{ {} }}", fmt::join(all, ", "));
  }

  void strange() {
    add("strange", limit_over(options_.limits.announcements) + " " + drop("announcements"));
    add("strange", fmt::format("log group {} snaplen {}", options_.log_group, kLogBytes));
    add("strange", drop("foreign_ip"));
  }

  const WallOptions& options_;
  const std::string port_;
  const std::string mac_;
  const std::string own_link_;  // as hexadecimal digits
  std::vector<IpAddress> own4_, own6_;
  std::string text_;
};

}  // namespace

std::string security_chains(const WallOptions& options, const WalledPort& port) {
  return SecurityText{options, port}.take();
}

}  // namespace dove::agent
