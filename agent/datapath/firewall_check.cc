#include "agent/datapath/firewall_check.h"

#include <fmt/format.h>

#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "agent/datapath/nft_listing.h"
#include "agent/datapath/ruleset.h"
#include "netlink/sysctl.h"

namespace dove::agent {
namespace {

struct Table {
  std::string family;
  std::string name;
  friend auto operator<=>(const Table&, const Table&) = default;
};

// Chains that tell whose a table is, too.
constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kOwners{
    {{"DOCKER", "Docker"},
     {"ufw-before-forward", "ufw"},
     {"ufw6-before-forward", "ufw"},
     {"LIBVIRT_FWI", "libvirt"}}};

bool is_on(const char* sysctl) {
  const auto value = netlink::read_sysctl(sysctl);
  return value && *value != "0";
}

std::string owners_of(const std::set<std::string>& chains) {
  std::set<std::string_view> owners;
  for (const auto& [chain, owner] : kOwners)
    if (chains.count(std::string{chain}) != 0) owners.insert(owner);
  return fmt::format("{}", fmt::join(owners, ", "));
}

// firewalld drops at the end of its chain, the others by policy.
bool drops_forwarded(const Table& table, const nlohmann::json& chain) {
  return chain.value("hook", "") == "forward" &&
         (chain.value("policy", "") == "drop" || table.name == "firewalld");
}

// Of what is handed over, what a table of this family gets.
BridgedFiltering handed_to(const std::string& family, const BridgedFiltering& filtering) {
  const bool both = family == "inet";
  return {.ipv4 = filtering.ipv4 && (both || family == "ip"),
          .ipv6 = filtering.ipv6 && (both || family == "ip6")};
}

std::string sysctls(const BridgedFiltering& handed) {
  std::vector<std::string> settings;
  if (handed.ipv4) settings.emplace_back("net.bridge.bridge-nf-call-iptables=0");
  if (handed.ipv6) settings.emplace_back("net.bridge.bridge-nf-call-ip6tables=0");
  return fmt::format("{}", fmt::join(settings, " "));
}

// A rule of iptables' own where the table is one of its.
std::string allowing_rule(const Table& table, const std::string& chain) {
  const bool of_iptables = table.name == "filter" && chain == "FORWARD" && table.family != "inet";
  if (of_iptables)
    return fmt::format("{}tables -I FORWARD -i dvbr+ -o dvbr+ -j ACCEPT", table.family);
  return fmt::format("nft insert rule {} {} {} iifname \"dvbr*\" oifname \"dvbr*\" accept",
                     table.family, table.name, chain);
}

std::string note(const std::string& owners, const std::string& where,
                 const BridgedFiltering& handed, const std::string& rule) {
  return fmt::format(
      "the host's firewall{} drops bridged guests' frames ({}): \"sysctl -w {}\" keeps them from "
      "it, \"{}\" lets them pass",
      owners.empty() ? "" : " (" + owners + ")", where, sysctls(handed), rule);
}

std::string note(const BridgedFiltering& handed, const Table& table, const std::string& chain,
                 const std::set<std::string>& chains) {
  return note(table.name == "firewalld" ? "firewalld" : owners_of(chains),
              fmt::format("table {} {}, chain {}", table.family, table.name, chain), handed,
              allowing_rule(table, chain));
}

std::string legacy_note(const BridgedFiltering& handed, const LegacyFilter& filter) {
  const std::string program = handed.ipv4 ? "iptables-legacy" : "ip6tables-legacy";
  return note(owners_of(filter.chains), "table filter of " + program + ", chain FORWARD", handed,
              program + " -I FORWARD -i dvbr+ -o dvbr+ -j ACCEPT");
}

}  // namespace

BridgedFiltering bridged_filtering() {
  return {.ipv4 = is_on("bridge/bridge-nf-call-iptables"),
          .ipv6 = is_on("bridge/bridge-nf-call-ip6tables")};
}

Result<std::vector<std::string>> firewall_notes(const BridgedFiltering& filtering,
                                                std::string_view chains,
                                                const LegacyFilters& legacy) {
  std::map<Table, std::set<std::string>> names;
  std::vector<std::pair<Table, std::string>> dropping;
  const auto read = each_object(chains, "chain", [&](const nlohmann::json& chain) {
    const Table table{chain.at("family").get<std::string>(), chain.at("table").get<std::string>()};
    const auto name = chain.at("name").get<std::string>();
    names[table].insert(name);
    const auto handed = handed_to(table.family, filtering);
    if (table.name != kWallTable && (handed.ipv4 || handed.ipv6) && drops_forwarded(table, chain))
      dropping.emplace_back(table, name);
  });
  if (!read) return read.error();
  std::vector<std::string> notes;
  for (const auto& [table, chain] : dropping)
    notes.push_back(note(handed_to(table.family, filtering), table, chain, names[table]));
  if (filtering.ipv4 && legacy.ipv4.drops_forwarded)
    notes.push_back(legacy_note({.ipv4 = true}, legacy.ipv4));
  if (filtering.ipv6 && legacy.ipv6.drops_forwarded)
    notes.push_back(legacy_note({.ipv6 = true}, legacy.ipv6));
  return notes;
}

}  // namespace dove::agent
