#include "agent/datapath/policy_ruleset.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "agent/datapath/nft_listing.h"
#include "agent/datapath/overlay_devices.h"
#include "agent/datapath/ruleset_text.h"

namespace dove::agent {
namespace {

// Behind the walls, before every other filter of the host.
constexpr int kPriority = -340;

constexpr const char* kHook = "bridge dove policies";

struct Family {
  const char* set;
  const char* type;
  const char* match;
};
constexpr std::array kFamilies{Family{"denied4", "ipv4_addr", "ip"},
                               Family{"denied6", "ipv6_addr", "ip6"}};

struct Direction {
  const char* name;  // of the map, and of the network's chain
  const char* side;  // the addresses that are looked at
  const char* counter;
};
constexpr std::array kDirections{Direction{"to", "daddr", "denied_sent"},
                                 Direction{"from", "saddr", "denied_received"}};

// nft takes no interval that lies in another.
std::vector<std::string> intervals(const std::vector<Prefix>& prefixes, bool v4) {
  std::vector<Prefix> of_family;
  for (const auto& prefix : prefixes)
    if (prefix.network().is_v4() == v4) of_family.push_back(prefix);
  std::sort(of_family.begin(), of_family.end(),
            [](const auto& a, const auto& b) { return a.length() < b.length(); });
  std::vector<Prefix> kept;
  for (const auto& prefix : of_family)
    if (std::none_of(kept.begin(), kept.end(), [&](const auto& k) { return k.overlaps(prefix); }))
      kept.push_back(prefix);
  std::vector<std::string> texts;
  for (const auto& prefix : kept) texts.push_back(prefix.to_string());
  return texts;
}

std::string add_set(const Family& family, Vni vni) {
  return fmt::format("add set bridge dove {}-{} {{ type {}; flags interval; }}\n", family.set,
                     vni.value(), family.type);
}

std::string fill_set(const Family& family, Vni vni, const NetworkPolicy& policy) {
  std::string text =
      add_set(family, vni) + fmt::format("flush set bridge dove {}-{}\n", family.set, vni.value());
  const auto elements = intervals(policy.denied, family.match == std::string_view{"ip"});
  if (elements.empty()) return text;
  return text + fmt::format("add element bridge dove {}-{} {{ {} }}\n", family.set, vni.value(),
                            fmt::join(elements, ", "));
}

std::string add_element(const Direction& direction, Vni vni) {
  return fmt::format("add element bridge dove denied_{0} {{ \"{1}\" : jump denied-{2}-{0} }}\n",
                     direction.name, vxlan_name(vni), vni.value());
}

std::string network_chain(const Direction& direction, Vni vni, const MacAddress& router) {
  const auto chain = fmt::format("bridge dove denied-{}-{}", vni.value(), direction.name);
  std::string text = fresh_chain(chain);
  for (const auto& family : kFamilies)
    text += rule(chain, fmt::format("ether {} {} {} {} @{}-{} counter name {} drop", direction.side,
                                    router.to_string(), family.match, direction.side, family.set,
                                    vni.value(), direction.counter));
  return text;
}

// "dvx100" => 100
std::optional<Vni> network_of_device(std::string_view name) {
  constexpr std::string_view kDevice = "dvx";
  return name.starts_with(kDevice) ? Vni::parse(name.substr(kDevice.size())) : std::nullopt;
}

}  // namespace

std::string policy_base() {
  std::string text;
  for (const auto& direction : kDirections)
    text += fmt::format(
        "add map bridge dove denied_{} {{ type ifname : verdict; }}\nadd counter bridge dove {}\n",
        direction.name, direction.counter);
  return text;
}

std::string policy_hook() {
  return fresh_hook(kHook, "forward", kPriority) + rule(kHook, "oifname vmap @denied_to") +
         rule(kHook, "iifname vmap @denied_from");
}

std::string policy_hook_removal() {
  return fresh_chain(kHook) + fmt::format("delete chain {}\n", kHook);
}

std::string policy_ruleset(Vni vni, const NetworkPolicy& policy) {
  std::string text;
  for (const auto& family : kFamilies) text += fill_set(family, vni, policy);
  for (const auto& direction : kDirections)
    text += network_chain(direction, vni, policy.router) + add_element(direction, vni);
  return text;
}

std::string policy_removal(Vni vni) {
  std::string text;
  for (const auto& direction : kDirections) {
    const auto chain = fmt::format("bridge dove denied-{}-{}", vni.value(), direction.name);
    text += fmt::format("add chain {}\n", chain) + add_element(direction, vni);
    text += fmt::format("delete element bridge dove denied_{} {{ \"{}\" }}\n", direction.name,
                        vxlan_name(vni));
    text += fmt::format("flush chain {0}\ndelete chain {0}\n", chain);
  }
  for (const auto& family : kFamilies)
    text += add_set(family, vni) +
            fmt::format("delete set bridge dove {}-{}\n", family.set, vni.value());
  return text;
}

std::optional<Vni> policy_network_of(std::string_view object, std::string_view element) {
  if (!object.starts_with("denied")) return std::nullopt;
  if (const auto vni = network_of_device(element)) return vni;
  const auto dash = object.find('-');  // "denied4-100", "denied-100-to"
  if (dash == std::string_view::npos) return std::nullopt;
  const auto number = object.substr(dash + 1);
  return Vni::parse(number.substr(0, number.find('-')));
}

Result<std::set<Vni>> parse_policies(std::string_view json) {
  std::set<Vni> networks;
  const auto status = each_object(json, "map", [&](const nlohmann::json& map) {
    if (!map.contains("elem")) return;
    for (const auto& element : map.at("elem"))
      if (const auto vni = network_of_device(element.at(0).get<std::string>()))
        networks.insert(*vni);
  });
  if (!status) return status.error();
  return networks;
}

}  // namespace dove::agent
