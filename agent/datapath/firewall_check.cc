#include "agent/datapath/firewall_check.h"

#include <fmt/format.h>

#include <array>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "agent/datapath/nft_listing.h"
#include "agent/datapath/ruleset.h"

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

bool is_one(const char* sysctl) {
  std::ifstream file{sysctl};
  int value = 0;
  return file >> value && value != 0;
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

bool is_handed_to(const BridgedFiltering& filtering, const std::string& family) {
  return (filtering.ipv4 && (family == "ip" || family == "inet")) ||
         (filtering.ipv6 && (family == "ip6" || family == "inet"));
}

std::string sysctls(const BridgedFiltering& filtering, const std::string& family) {
  std::string names;
  for (const auto& [on, of, name] : {std::tuple{filtering.ipv4, "ip6", "iptables"},
                                     std::tuple{filtering.ipv6, "ip", "ip6tables"}})
    if (on && family != of)
      names += fmt::format("{}net.bridge.bridge-nf-call-{}=0", names.empty() ? "" : " ", name);
  return names;
}

// A rule of iptables' own where the table is one of its.
std::string allowing_rule(const Table& table, const std::string& chain) {
  const bool of_iptables = table.name == "filter" && chain == "FORWARD" && table.family != "inet";
  if (of_iptables)
    return fmt::format("{}tables -I FORWARD -i dvbr+ -o dvbr+ -j ACCEPT", table.family);
  return fmt::format("nft insert rule {} {} {} iifname \"dvbr*\" oifname \"dvbr*\" accept",
                     table.family, table.name, chain);
}

std::string note(const BridgedFiltering& filtering, const Table& table, const std::string& chain,
                 const std::set<std::string>& chains) {
  const auto owners = table.name == "firewalld" ? "firewalld" : owners_of(chains);
  return fmt::format(
      "the host's firewall{} drops bridged guests' frames (table {} {}, chain {}): \"sysctl -w "
      "{}\" "
      "keeps them from it, \"{}\" lets them pass",
      owners.empty() ? "" : " (" + owners + ")", table.family, table.name, chain,
      sysctls(filtering, table.family), allowing_rule(table, chain));
}

}  // namespace

BridgedFiltering bridged_filtering() {
  return {.ipv4 = is_one("/proc/sys/net/bridge/bridge-nf-call-iptables"),
          .ipv6 = is_one("/proc/sys/net/bridge/bridge-nf-call-ip6tables")};
}

Result<std::vector<std::string>> firewall_notes(const BridgedFiltering& filtering,
                                                std::string_view chains) {
  std::map<Table, std::set<std::string>> names;
  std::vector<std::pair<Table, std::string>> dropping;
  const auto read = each_object(chains, "chain", [&](const nlohmann::json& chain) {
    const Table table{chain.at("family").get<std::string>(), chain.at("table").get<std::string>()};
    const auto name = chain.at("name").get<std::string>();
    names[table].insert(name);
    if (table.name != kWallTable && is_handed_to(filtering, table.family) &&
        drops_forwarded(table, chain))
      dropping.emplace_back(table, name);
  });
  if (!read) return read.error();
  std::vector<std::string> notes;
  for (const auto& [table, chain] : dropping)
    notes.push_back(note(filtering, table, chain, names[table]));
  return notes;
}

}  // namespace dove::agent
