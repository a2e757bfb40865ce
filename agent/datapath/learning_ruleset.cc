#include "agent/datapath/learning_ruleset.h"

#include <fmt/ranges.h>

#include "agent/datapath/nft_listing.h"
#include "agent/datapath/ruleset_text.h"
#include "core/link_local.h"

namespace dove::agent {
namespace {

class LearningText {
 public:
  LearningText(const WallOptions& options, const WalledPort& port)
      : options_{options}, port_{fmt::format("port-{}", port.number)}, guests_{*port.learned} {}

  std::string take() {
    for (const auto* counter : kLearningCounters)
      text_ += fmt::format("add counter bridge dove {}-{}\n", port_, counter);
    for (const auto& [set, type] : kLearningSets)
      text_ += fmt::format("add set bridge dove {0}-{1} {2}\nflush set bridge dove {0}-{1}\n",
                           port_, set, type);
    for (const auto* chain : kLearningChains)
      text_ += fresh_chain(fmt::format("bridge dove {}-{}", port_, chain));
    add_elements();
    ipv4();
    ipv6();
    arp();
    icmpv6();
    if (!guests_.empty()) neighbour_discovery();
    add("nd", "icmpv6 type { mld-listener-report, mld2-listener-report } " + go("announcements"));
    add("nd", go("unknown"));
    unknown();
    return std::move(text_);
  }

 private:
  void add(const char* chain, const std::string& match) {
    text_ += rule(fmt::format("bridge dove {}-{}", port_, chain), match);
  }
  std::string go(const char* chain) const { return fmt::format("goto {}-{}", port_, chain); }
  std::string drop(const char* cause) const {
    return fmt::format("counter name {}-{}_dropped drop", port_, cause);
  }

  void add_elements(const char* set, const std::vector<std::string>& elements) {
    if (elements.empty()) return;
    text_ += fmt::format("add element bridge dove {}-{} {{ {} }}\n", port_, set,
                         fmt::join(elements, ", "));
  }
  void add_elements() {
    std::vector<std::string> macs, heard4, heard6;
    for (const auto& guest : guests_) {
      const auto mac = guest.mac.to_string();
      macs.push_back(mac);
      heard6.push_back(fmt::format("{} . {}", mac, link_local_of(guest.mac).to_string()));
      for (const auto& ip : guest.ips)
        if (ip != link_local_of(guest.mac))
          (ip.is_v4() ? heard4 : heard6).push_back(fmt::format("{} . {}", mac, ip.to_string()));
    }
    add_elements("macs", macs);
    add_elements("heard4", heard4);
    add_elements("heard6", heard6);
  }

  void ipv4() {
    for (const std::string match : kFromDhcpServer) add("ip4", match + " " + drop("dhcp_server"));
    add("ip4", fmt::format("ether saddr . ip saddr @{}-heard4 accept", port_));
    add("ip4", fmt::format("ip saddr 0.0.0.0 udp sport 68 udp dport 67 ether saddr @{}-macs accept",
                           port_));
    add("ip4", fmt::format("ip saddr 0.0.0.0 ip protocol igmp ether saddr @{}-macs accept", port_));
    add("ip4", go("unknown"));
  }

  void ipv6() {
    add("ip6", std::string{kHidden} + " " + drop("hidden"));
    add("ip6", "meta l4proto ipv6-icmp " + go("icmp6"));
    for (const std::string match : kFromDhcp6Server) add("ip6", match + " " + drop("dhcp_server"));
    add("ip6", fmt::format("ether saddr . ip6 saddr @{}-heard6 accept", port_));
    add("ip6", go("unknown"));
  }

  // Who sent it and who it says it is have the same address, and an address has one MAC: they are
  // the same. In a probe, which speaks for nobody, both are the port's.
  void arp() {
    add("arp", fmt::format("{0} arp operation request arp saddr ip 0.0.0.0 ether saddr @{1}-macs "
                           "arp saddr ether @{1}-macs {2}",
                           kEthernetArp, port_, go("queries")));
    const auto own = fmt::format(
        "{0} ether saddr . arp saddr ip @{1}-heard4 arp saddr ether . arp saddr ip "
        "@{1}-heard4",
        kEthernetArp, port_);
    add("arp", fmt::format("{} arp operation request {}", own, go("queries")));
    add("arp", fmt::format("{} {}", own, go("announcements")));
    add("arp", go("unknown"));
  }

  void icmpv6() {
    add("icmp6", "icmpv6 type { nd-router-advert, nd-redirect } " + drop("router"));
    add("icmp6",
        fmt::format("{} ip6 nexthdr != ipv6-icmp {}", kNeighbourDiscovery, drop("forged_nd")));
    add("icmp6", fmt::format("ether saddr . ip6 saddr @{}-heard6 {} {}", port_, kNeighbourDiscovery,
                             go("nd")));
    add("icmp6", fmt::format("ether saddr . ip6 saddr @{}-heard6 icmpv6 type "
                             "{{ mld-listener-report, mld2-listener-report }} {}",
                             port_, go("announcements")));
    add("icmp6", fmt::format("ether saddr . ip6 saddr @{}-heard6 accept", port_));
    add("icmp6",
        fmt::format("ip6 saddr :: {} ether saddr @{}-macs {}", kFromNobody, port_, go("nd")));
    add("icmp6", go("unknown"));
  }

  // Lengths and places as in port_security.cc.
  void neighbour_discovery() {
    std::vector<std::string> macs, targets;
    for (const auto& guest : guests_) {
      macs.push_back("0x" + hex(guest.mac.wire()));
      targets.push_back("0x" + hex(link_local_of(guest.mac).wire()));
      for (const auto& ip : guest.ips)
        if (ip.is_v6() && ip != link_local_of(guest.mac)) targets.push_back("0x" + hex(ip.wire()));
    }
    const auto own = fmt::format("{{ {} }}", fmt::join(macs, ", "));
    const auto solicit = [&](const std::string& match) {
      add("nd", fmt::format("icmpv6 type nd-neighbor-solicit {} {}", match, go("queries")));
    };
    solicit("ip6 length 24");
    solicit(fmt::format("ip6 length 32 @th,192,16 0x0101 @th,208,48 {}", own));
    solicit("ip6 length 32 ip6 saddr :: @th,192,16 0x0e01");
    solicit(fmt::format("ip6 length 40 @th,192,16 0x0101 @th,208,48 {} @th,256,16 0x0e01", own));
    add("nd", "icmpv6 type nd-router-solicit ip6 length 8 " + go("queries"));
    add("nd", fmt::format("icmpv6 type nd-router-solicit ip6 length 16 @th,64,16 0x0101 "
                          "@th,80,48 {} {}",
                          own, go("queries")));
    const auto advert =
        fmt::format("icmpv6 type nd-neighbor-advert @th,64,128 {{ {} }}", fmt::join(targets, ", "));
    add("nd", fmt::format("{} ip6 length 24 {}", advert, go("announcements")));
    add("nd", fmt::format("{} ip6 length 32 @th,192,16 0x0201 @th,208,48 {} {}", advert, own,
                          go("announcements")));
  }

  void unknown() {
    add("unknown",
        fmt::format("{} {}", limit_over(options_.limits.announcements), drop("unheard")));
    add("unknown", fmt::format("log prefix \"{}\" group {} snaplen {}", kUnknownPrefix,
                               options_.log_group, kLogBytes));
    add("unknown", drop("unknown"));
  }

  const WallOptions& options_;
  const std::string port_;
  const std::vector<GuestIdentity>& guests_;
  std::string text_;
};

// "port-17-heard4" => 17, when it is a learning port's set; else 0.
unsigned port_of_set(std::string_view name) {
  constexpr std::string_view kPrefix = "port-";
  const auto dash = name.rfind('-');
  if (name.substr(0, kPrefix.size()) != kPrefix || dash <= kPrefix.size()) return 0;
  bool ours = false;
  for (const auto& [set, type] : kLearningSets) ours = ours || name.substr(dash + 1) == set;
  unsigned number = 0;
  for (const char c : name.substr(kPrefix.size(), dash - kPrefix.size())) {
    if (!ours || c < '0' || c > '9' || number > kPortLimit) return 0;
    number = number * 10 + static_cast<unsigned>(c - '0');
  }
  return number <= kPortLimit ? number : 0;
}

std::optional<GuestActivity> activity_of(const nlohmann::json& element) {
  const auto& value = element.at("val");
  const auto text = [&](std::size_t i) {
    return value.is_string() ? value.get<std::string>()
                             : value.at("concat").at(i).get<std::string>();
  };
  const auto mac = MacAddress::parse(text(0));
  const auto ip = value.is_string() ? std::nullopt : IpAddress::parse(text(1));
  if (!mac || (!ip && !value.is_string())) return std::nullopt;
  return GuestActivity{*mac, ip, element.at("counter").at("packets").get<std::uint64_t>()};
}

}  // namespace

std::string learning_chains(const WallOptions& options, const WalledPort& port) {
  return LearningText{options, port}.take();
}

Result<std::map<unsigned, std::vector<GuestActivity>>> parse_activity(std::string_view json) {
  std::map<unsigned, std::vector<GuestActivity>> all;
  const auto status = each_object(json, "set", [&](const nlohmann::json& set) {
    const unsigned port = port_of_set(set.at("name").get<std::string>());
    if (port == 0 || set.at("table") != kWallTable || !set.contains("elem")) return;
    for (const auto& element : set.at("elem"))
      if (const auto activity = activity_of(element.at("elem"))) all[port].push_back(*activity);
  });
  if (!status) return status.error();
  return all;
}

}  // namespace dove::agent
