#include "agent/datapath/firewall_check.h"

#include <fmt/format.h>

#include "tests/catch.h"

namespace dove::agent {
namespace {

constexpr BridgedFiltering kBoth{.ipv4 = true, .ipv6 = true};

std::string chain(const char* family, const char* table, const char* name,
                  const std::string& rest = {}) {
  return fmt::format(
      R"({{"chain": {{"family": "{}", "table": "{}", "name": "{}", "handle": 1{}}}}})", family,
      table, name, rest);
}
std::string hooked(const char* hook, const char* policy) {
  return fmt::format(R"(, "type": "filter", "hook": "{}", "prio": 0, "policy": "{}")", hook,
                     policy);
}
std::string listing(const std::vector<std::string>& chains) {
  return fmt::format(R"({{"nftables": [{{"metainfo": {{"version": "1.0.6"}}}}, {}]}})",
                     fmt::join(chains, ", "));
}
std::vector<std::string> notes(const BridgedFiltering& filtering,
                               const std::vector<std::string>& chains) {
  const auto found = firewall_notes(filtering, listing(chains), {});
  REQUIRE(found);
  return *found;
}
bool says(const std::string& note, const char* part) {
  return note.find(part) != std::string::npos;
}

TEST_CASE("firewalls: Docker's chain is named, with the sysctl and the rule") {
  const auto found = notes(kBoth, {chain("ip", "filter", "DOCKER"),
                                   chain("ip", "filter", "FORWARD", hooked("forward", "drop"))});
  REQUIRE(found.size() == 1);
  CHECK(says(found[0], "(Docker)"));
  CHECK(says(found[0], "\"sysctl -w net.bridge.bridge-nf-call-iptables=0\""));
  CHECK(says(found[0], "\"iptables -I FORWARD -i dvbr+ -o dvbr+ -j ACCEPT\""));
}

TEST_CASE("firewalls: ufw has a chain for each version") {
  const auto found = notes(kBoth, {chain("ip", "filter", "ufw-before-forward"),
                                   chain("ip", "filter", "FORWARD", hooked("forward", "drop")),
                                   chain("ip6", "filter", "ufw6-before-forward"),
                                   chain("ip6", "filter", "FORWARD", hooked("forward", "drop"))});
  REQUIRE(found.size() == 2);
  CHECK(says(found[0], "(ufw)"));
  CHECK(says(found[1], "(ufw)"));
  CHECK(says(found[1], "\"sysctl -w net.bridge.bridge-nf-call-ip6tables=0\""));
  CHECK(says(found[1], "\"ip6tables -I FORWARD"));
}

TEST_CASE("firewalls: firewalld drops without a policy") {
  const auto found =
      notes(kBoth, {chain("inet", "firewalld", "filter_FORWARD", hooked("forward", "accept"))});
  REQUIRE(found.size() == 1);
  CHECK(says(found[0], "(firewalld)"));
  CHECK(
      says(found[0], "net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0"));
  CHECK(says(found[0], "nft insert rule inet firewalld filter_FORWARD"));
}

TEST_CASE("firewalls: what is not in the way is not named") {
  const auto drop = hooked("forward", "drop");
  CHECK(notes({}, {chain("ip", "filter", "FORWARD", drop)}).empty());
  CHECK(notes({.ipv4 = false, .ipv6 = true}, {chain("ip", "filter", "FORWARD", drop)}).empty());
  CHECK(notes({.ipv4 = true, .ipv6 = true},
              {chain("ip", "filter", "INPUT", hooked("input", "drop")),
               chain("ip", "filter", "FORWARD", hooked("forward", "accept")),
               chain("inet", "dove", "forward", drop), chain("bridge", "x", "forward", drop)})
            .empty());
  CHECK(notes(kBoth, {chain("inet", "mine", "f", drop)}).size() == 1);  // nobody known
}

TEST_CASE("firewalls: those that iptables-legacy keeps") {
  const LegacyFilters legacy{.ipv4 = {true, {"DOCKER", "FORWARD"}}, .ipv6 = {true, {}}};
  const auto found = firewall_notes(kBoth, listing({chain("ip", "x", "y")}), legacy);
  REQUIRE((found && found->size() == 2));
  CHECK(says(found->at(0), "(Docker)"));
  CHECK(says(found->at(0), "\"sysctl -w net.bridge.bridge-nf-call-iptables=0\""));
  CHECK(says(found->at(0), "\"iptables-legacy -I FORWARD -i dvbr+ -o dvbr+ -j ACCEPT\""));
  CHECK(says(found->at(1), "\"sysctl -w net.bridge.bridge-nf-call-ip6tables=0\""));
  CHECK(says(found->at(1), "\"ip6tables-legacy -I FORWARD"));
  const auto one =
      firewall_notes({.ipv4 = false, .ipv6 = true}, listing({chain("ip", "x", "y")}), legacy);
  CHECK((one && one->size() == 1));
}

TEST_CASE("firewalls: what is not nft's listing is an error") {
  for (const auto* text :
       {"", "[]", "{}", R"({"nftables": [{"chain": {}}]})",
        R"({"nftables": [{"chain": {"family": 1, "table": "x", "name": "y"}}]})"})
    CHECK_FALSE(firewall_notes(kBoth, text, {}));
}

}  // namespace
}  // namespace dove::agent
