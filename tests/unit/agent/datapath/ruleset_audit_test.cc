#include "agent/datapath/ruleset_audit.h"

#include <fmt/ranges.h>

#include "tests/catch.h"

namespace dove::agent {
namespace {

constexpr const char* kText = R"(add table bridge dove
add chain bridge dove forward { type filter hook forward priority -350; policy accept; }
flush chain bridge dove forward
add rule bridge dove forward iifname vmap @walled
add rule bridge dove forward icmpv6 type { nd-neighbor-solicit, nd-router-solicit } goto queries
add chain bridge dove queries
add chain inet dove input
add map bridge dove walled { type ifname : verdict; }
add element bridge dove walled { "tap0" : goto queries }
add set bridge dove own { type ether_addr . ipv4_addr; }
flush set bridge dove own
add element bridge dove own { 02:00:00:00:00:01 . 10.0.0.1, 02:00:00:00:00:01 . 10.0.0.2 }
add set bridge dove denied { type ipv4_addr; flags interval; }
add element bridge dove denied { 10.2.0.0/24, 10.3.0.1/32 }
add set bridge dove seen { type mark; size 4; flags dynamic; }
add element bridge dove seen { 0x1 }
add chain bridge dove old
delete chain bridge dove old
add set bridge dove gone { type mark; }
delete set bridge dove gone
)";

const std::string kForward =
    R"({"chain": {"name": "forward", "type": "filter", "hook": "forward", "prio": -350, "policy": "accept"}})";
const std::string kRule = R"({"rule": {"chain": "forward", "expr": []}})";
const std::string kQueries = R"({"chain": {"name": "queries"}})";
const std::string kWalled =
    R"({"map": {"name": "walled", "elem": [["tap0", {"goto": {"target": "queries"}}]]}})";
const std::string kOwn = R"({"set": {"name": "own", "elem": [
    {"elem": {"val": {"concat": ["02:00:00:00:00:01", "10.0.0.1"]}, "counter": {"packets": 1}}},
    {"concat": ["02:00:00:00:00:01", "10.0.0.2"]}]}})";
const std::string kDenied = R"({"set": {"name": "denied",
    "elem": [{"prefix": {"addr": "10.2.0.0", "len": 24}}, "10.3.0.1"]}})";
const std::string kSeen = R"({"set": {"name": "seen", "elem": [7]}})";

std::string listing(const std::vector<std::string>& objects) {
  return fmt::format(R"({{"nftables": [{{"metainfo": {{}}}}, {}]}})", fmt::join(objects, ", "));
}

std::vector<std::string> found(const std::vector<std::string>& objects,
                               const std::set<std::string>& open = {}) {
  const auto all = ruleset_differences(kText, "bridge", listing(objects), open);
  REQUIRE(all);
  std::vector<std::string> words;
  for (const auto& one : *all) words.push_back(one.what);
  return words;
}

using Words = std::vector<std::string>;

TEST_CASE("ruleset audit: what the text makes differs in nothing") {
  CHECK(found({kForward, kRule, kRule, kQueries, kWalled, kOwn, kDenied, kSeen}).empty());
}

TEST_CASE("ruleset audit: chains that are missing, elsewhere, or have other rules") {
  CHECK(found({kForward, kRule, kWalled, kOwn, kDenied, kSeen}) ==
        Words{"nft chain bridge dove forward has 1 rules instead of 2",
              "nft chain bridge dove queries is missing"});
  const std::string accepting =
      R"({"chain": {"name": "forward", "type": "filter", "hook": "forward", "prio": 0, "policy": "accept"}})";
  CHECK(found({accepting, kRule, kRule, kRule, kQueries, kWalled, kOwn, kDenied, kSeen}) ==
        Words{"nft chain bridge dove forward has hook \"filter forward 0 accept\" instead of "
              "\"filter forward -350 accept\"",
              "nft chain bridge dove forward has 3 rules instead of 2"});
}

TEST_CASE("ruleset audit: another chain counts when it has a hook") {
  const std::string plain = R"({"chain": {"name": "port-9"}})";
  const std::string hooked =
      R"({"chain": {"name": "alien", "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}})";
  const Words objects{kForward, kRule,   kRule, kQueries, kWalled,
                      kOwn,     kDenied, kSeen, plain,    hooked};
  const auto all = ruleset_differences(kText, "bridge", listing(objects), {});
  REQUIRE(all);
  REQUIRE(all->size() == 1);
  CHECK(all->front().what == "nft chain bridge dove \"alien\" is not dove's");
  CHECK(all->front().removal == "flush chain bridge dove alien\ndelete chain bridge dove alien\n");
}

TEST_CASE("ruleset audit: sets and maps that are missing, lack something or have too much") {
  const auto with = [](const std::string& walled, const std::string& own,
                       const std::string& denied) {
    return Words{kForward, kRule, kRule, kQueries, walled, own, denied, kSeen};
  };
  const std::string none = R"({"counter": {"name": "c"}})";
  CHECK(found(with(kWalled, none, kDenied)) == Words{"nft set bridge dove own is missing"});
  CHECK(found(with(R"({"map": {"name": "walled"}})", kOwn, kDenied)) ==
        Words{"nft map bridge dove walled lacks tap0"});
  CHECK(found(with(R"({"map": {"name": "walled", "elem": [["tap0", {"accept": null}]]}})", kOwn,
                   kDenied)) ==
        Words{"nft map bridge dove walled leads tap0 elsewhere than goto queries"});
  const std::string more = R"({"set": {"name": "denied",
      "elem": [{"prefix": {"addr": "10.2.0.0", "len": 23}}, "10.3.0.1"]}})";
  CHECK(found(with(kWalled, kOwn, more)) ==
        Words{"nft set bridge dove denied lacks 10.2.0.0/24",
              "nft set bridge dove denied has \"10.2.0.0/23\" too"});
}

TEST_CASE("ruleset audit: an open set may have more, but not less") {
  const std::string two = R"({"map": {"name": "walled", "elem":
      [["tap0", {"goto": {"target": "queries"}}], ["tap1", {"goto": {"target": "port-2"}}]]}})";
  const Words objects{kForward, kRule, kRule, kQueries, two, kOwn, kDenied, kSeen};
  CHECK(found(objects) == Words{"nft map bridge dove walled has \"tap1\" too"});
  CHECK(found(objects, {"walled"}).empty());
  CHECK(found({kForward, kRule, kRule, kQueries, R"({"map": {"name": "walled"}})", kOwn, kDenied,
               kSeen},
              {"walled"}) == Words{"nft map bridge dove walled lacks tap0"});
}

TEST_CASE("ruleset audit: what is not nft's listing is an error") {
  for (const auto* strange :
       {"", "{}", "[]", R"({"nftables": 1})", R"({"nftables": [{"chain": {}}]})",
        R"({"nftables": [{"set": {"name": "own", "elem": 1}}]})",
        R"({"nftables": [{"map": {"name": "walled", "elem": [[]]}}]})"}) {
    INFO(strange);
    const auto all = ruleset_differences(kText, "bridge", strange, {});
    REQUIRE_FALSE(all);
    CHECK(all.error().code == ErrorCode::kSystem);
  }
}

}  // namespace
}  // namespace dove::agent
