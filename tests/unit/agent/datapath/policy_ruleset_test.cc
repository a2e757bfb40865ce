#include "agent/datapath/policy_ruleset.h"

#include "tests/catch.h"

namespace dove::agent {
namespace {

const Vni kNet = *Vni::from(100);
const MacAddress kRouter{{0x02, 0xd0, 0, 0, 0, 1}};

NetworkPolicy denying(const std::vector<const char*>& prefixes) {
  NetworkPolicy policy{kRouter, {}};
  for (const auto* prefix : prefixes) policy.denied.push_back(*Prefix::parse(prefix));
  return policy;
}

bool has(const std::string& text, const char* line) {
  return text.find(std::string{line} + "\n") != std::string::npos;
}

TEST_CASE("policies: what is denied is looked for to the router and from it") {
  CHECK(policy_ruleset(kNet, denying({"10.2.0.0/24", "fd00:2::/64", "10.3.0.0/16"})) ==
        R"(add set bridge dove denied4-100 { type ipv4_addr; flags interval; }
flush set bridge dove denied4-100
add element bridge dove denied4-100 { 10.3.0.0/16, 10.2.0.0/24 }
add set bridge dove denied6-100 { type ipv6_addr; flags interval; }
flush set bridge dove denied6-100
add element bridge dove denied6-100 { fd00:2::/64 }
add chain bridge dove denied-100-to
flush chain bridge dove denied-100-to
add rule bridge dove denied-100-to ether daddr 02:d0:00:00:00:01 ip daddr @denied4-100 counter name denied_sent drop
add rule bridge dove denied-100-to ether daddr 02:d0:00:00:00:01 ip6 daddr @denied6-100 counter name denied_sent drop
add element bridge dove denied_to { "dvx100" : jump denied-100-to }
add chain bridge dove denied-100-from
flush chain bridge dove denied-100-from
add rule bridge dove denied-100-from ether saddr 02:d0:00:00:00:01 ip saddr @denied4-100 counter name denied_received drop
add rule bridge dove denied-100-from ether saddr 02:d0:00:00:00:01 ip6 saddr @denied6-100 counter name denied_received drop
add element bridge dove denied_from { "dvx100" : jump denied-100-from }
)");
}

TEST_CASE("policies: a family that nothing is denied of is emptied") {
  const auto text = policy_ruleset(kNet, denying({"fd00:2::/64"}));
  CHECK(has(text, "flush set bridge dove denied4-100"));
  CHECK(text.find("add element bridge dove denied4") == std::string::npos);
}

TEST_CASE("policies: what lies in another is left out") {
  const auto text = policy_ruleset(
      kNet, denying({"10.2.0.128/25", "10.2.0.0/24", "10.2.0.0/24", "10.0.0.0/8", "192.0.2.0/24"}));
  CHECK(has(text, "add element bridge dove denied4-100 { 10.0.0.0/8, 192.0.2.0/24 }"));
}

TEST_CASE("policies: the networks that have some are read from nft's list") {
  const auto none = parse_policies(
      R"({"nftables": [{"metainfo": {}}, {"map": {"name": "denied_to", "table": "dove"}}]})");
  REQUIRE(none);
  CHECK(none->empty());
  const auto two = parse_policies(
      R"({"nftables": [{"map": {"name": "denied_to", "elem": [
          ["dvx100", {"jump": {"target": "denied-100-to"}}],
          ["dvx200", {"jump": {"target": "denied-200-to"}}], ["d", {}], ["dvx0", {}]]}}]})");
  REQUIRE(two);
  CHECK(*two == std::set<Vni>{kNet, *Vni::from(200)});
  CHECK_FALSE(parse_policies("nonsense"));
  CHECK_FALSE(parse_policies(R"({"nftables": [{"map": {"elem": [[7]]}}]})"));
}

}  // namespace
}  // namespace dove::agent
