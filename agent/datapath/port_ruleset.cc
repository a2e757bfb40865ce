// A guest port's part of the ruleset.
#include <array>

#include "agent/datapath/learning_ruleset.h"
#include "agent/datapath/overlay_devices.h"
#include "agent/datapath/port_security.h"
#include "agent/datapath/ruleset.h"
#include "agent/datapath/ruleset_text.h"

namespace dove::agent {
namespace {

constexpr std::array kPortCounters{"tagged_dropped", "reserved_dropped", "queries_dropped",
                                   "announcements_dropped"};
constexpr std::array kOpenCounters{"forged_router_dropped"};

// The two that hear: what is over the limit is dropped before it is logged.
std::string limited_chain(const WallOptions& options, unsigned number, std::string_view what,
                          const Rate& rate) {
  const auto chain = fmt::format("bridge dove port-{}-{}", number, what);
  return fresh_chain(chain) +
         rule(chain, fmt::format("{} counter name port-{}-{}_dropped drop", limit_over(rate),
                                 number, what)) +
         rule(chain, fmt::format("log group {} snaplen {}", options.log_group, kLogBytes)) +
         rule(chain, "accept");
}

std::string add_counters(const auto& counters, unsigned number) {
  std::string text;
  for (const auto* counter : counters)
    text += fmt::format("add counter bridge dove port-{}-{}\n", number, counter);
  return text;
}

// What leaves the port's chain by an end of its own is let through. No rule about what is inside a
// packet comes before the one that drops VLAN tags; `ether type` is the tag's own.
class PortChain {
 public:
  explicit PortChain(const WalledPort& port)
      : port_{port}, own_{fmt::format("port-{}", port.number)} {}

  std::string take() {
    text_ = fresh_chain("bridge dove " + own_);
    add("meta mark set meta mark & {:#x} | {:#x}", ~kMarkMask, mark_of(port_.number));
    if (port_.learned)
      learning();
    else
      port_.only ? secured() : open();
    return std::move(text_);
  }

 private:
  template <class... Args>
  void add(fmt::format_string<Args...> match, Args&&... args) {
    text_ += rule("bridge dove " + own_, fmt::format(match, std::forward<Args>(args)...));
  }
  void drop_tagged() {
    add("ether type {{ 8021q, 8021ad }} counter name {}-tagged_dropped drop", own_);
  }
  void drop_reserved() {
    add("ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 counter name {}-reserved_dropped "
        "drop",
        own_);
  }

  void open() {
    drop_tagged();
    drop_reserved();
    add("ether saddr @routers counter name {}-forged_router_dropped drop", own_);
    add("ether type ip accept");
    add("ether type arp arp operation request goto {}-queries", own_);
    add("ether type {{ arp, 0x8035 }} goto {}-announcements", own_);
    add("icmpv6 type {{ nd-neighbor-solicit, nd-router-solicit }} goto {}-queries", own_);
    add("icmpv6 type {{ nd-neighbor-advert, nd-router-advert, mld-listener-report, "
        "mld2-listener-report }} goto {}-announcements",
        own_);
  }

  void secured() {
    drop_reserved();
    add("ether type ip goto {}-ip4", own_);
    add("ether type ip6 goto {}-ip6", own_);
    drop_tagged();
    add("ether saddr != {} counter name {}-foreign_mac_dropped drop", port_.only->mac.to_string(),
        own_);
    add("ether type arp goto {}-arp", own_);
    add("ether type 0x8035 goto {}-announcements", own_);
  }

  void learning() {
    drop_reserved();
    add("ether type ip goto {}-ip4", own_);
    add("ether type ip6 goto {}-ip6", own_);
    drop_tagged();
    add("ether type arp goto {}-arp", own_);
    add("ether saddr != @{0}-macs goto {0}-unknown", own_);
    add("ether type 0x8035 goto {}-announcements", own_);
  }

  const WalledPort& port_;
  const std::string own_;
  std::string text_;
};

// What of its frames goes into another network without the router.
std::string home_chains(const WalledPort& port) {
  const auto name = fmt::format("port-{}-home", port.number);
  const auto inet = "inet dove " + name, bridge = "bridge dove " + name;
  return fresh_chain(inet) +
         rule(inet, fmt::format("{} != {} counter name unrouted_sent drop", kVxlanVni,
                                port.vni.value())) +
         fresh_chain(bridge) +
         rule(bridge, fmt::format("iifname != \"{}\" counter name unrouted_received drop",
                                  vxlan_name(port.vni)));
}

std::string port_elements(const std::string& device, unsigned number) {
  std::string text;
  for (const auto* table : {"inet", "arp", "bridge"})
    text += fmt::format("add element {} dove ports {{ \"{}\" }}\n", table, device);
  for (const auto* table : {"inet", "bridge"})
    text += fmt::format("add element {} dove homes {{ {} : jump port-{}-home }}\n", table,
                        mark_of(number), number);
  return text + fmt::format("add element bridge dove walled {{ \"{}\" : goto port-{} }}\n", device,
                            number);
}

// Chains lead to one another: all are emptied before any goes.
std::string chain_removal(unsigned number) {
  std::vector<std::string> chains{fmt::format("inet dove port-{}-home", number),
                                  fmt::format("bridge dove port-{}", number)};
  for (const auto* name : kSecurityChains)
    chains.push_back(fmt::format("bridge dove port-{}-{}", number, name));
  for (const auto* name : {"home", "unknown", "queries", "announcements"})
    chains.push_back(fmt::format("bridge dove port-{}-{}", number, name));
  std::string text;
  for (const auto& chain : chains) text += fresh_chain(chain);
  for (const auto& chain : chains) text += fmt::format("delete chain {}\n", chain);
  const auto remove_set = [&](const auto& set) {
    text +=
        fmt::format("add set bridge dove port-{0}-{1} {2}\ndelete set bridge dove port-{0}-{1}\n",
                    number, set.first, set.second);
  };
  for (const auto& set : kSecuritySets) remove_set(set);
  for (const auto& set : kLearningSets) remove_set(set);
  return text;
}

std::string counter_removal(const auto& counters, unsigned number) {
  std::string text;
  for (const auto* counter : counters)
    text += fmt::format(
        "add counter bridge dove port-{0}-{1}\ndelete counter bridge dove port-{0}-{1}\n", number,
        counter);
  return text;
}

}  // namespace

std::string port_ruleset(const WallOptions& options, const WalledPort& port) {
  std::string text = add_counters(kPortCounters, port.number);
  text += limited_chain(options, port.number, "queries", options.limits.queries);
  text += limited_chain(options, port.number, "announcements", options.limits.announcements);
  if (port.only)
    text += add_counters(kSecurityCounters, port.number) + security_chains(options, port);
  if (port.learned)
    text += add_counters(kSecurityCounters, port.number) + learning_chains(options, port);
  if (!port.only && !port.learned) text += add_counters(kOpenCounters, port.number);
  return text + home_chains(port) + PortChain{port}.take() +
         port_elements(port.device, port.number);
}

std::string port_removal(const std::string& device, unsigned number) {
  std::string text = fmt::format(
      "add chain bridge dove port-{0}\nadd chain bridge dove port-{0}-home\n"
      "add chain inet dove port-{0}-home\n",
      number);
  text += port_elements(device, number);
  for (const auto* table : {"inet", "arp", "bridge"})
    text += fmt::format("delete element {} dove ports {{ \"{}\" }}\n", table, device);
  for (const auto* table : {"inet", "bridge"})
    text += fmt::format("delete element {} dove homes {{ {} }}\n", table, mark_of(number));
  text += fmt::format("delete element bridge dove walled {{ \"{}\" }}\n", device);
  return text + chain_removal(number) + counter_removal(kPortCounters, number) +
         counter_removal(kOpenCounters, number) + counter_removal(kSecurityCounters, number) +
         counter_removal(kLearningCounters, number);
}

}  // namespace dove::agent
