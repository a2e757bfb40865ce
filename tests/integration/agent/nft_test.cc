#include "agent/datapath/nft.h"

#include <fmt/format.h>

#include <future>
#include <map>
#include <numeric>

#include "agent/datapath/policy_ruleset.h"
#include "agent/datapath/ruleset.h"
#include "agent/datapath/ruleset_audit.h"
#include "tests/integration/agent/host.h"

namespace dove::agent::test {
namespace {

// A runner that is busy until told to go on, so that calls gather behind that; what became of them.
class Gathered {
 public:
  Gathered() {
    // Behind a listing: what is to be gathered is not joined to it.
    runner_.run(
        {{"list", "tables"}, {}}, [](const auto&) {},
        [this](const auto&) { go_on_.get_future().wait(); });
  }

  void transaction(int number, const std::string& text) {
    runner_.run(NftCall::transaction(text),
                [this, number](const auto& result) { results_[number] = result.ok(); });
  }
  // Number -> whether it succeeded.
  const std::map<int, bool>& carried_out() {
    go_on_.set_value();
    runner_.drain();
    return results_;
  }
  // Without the first one.
  std::uint64_t processes() {
    const auto counts = runner_.times();
    return std::accumulate(counts.counts().begin(), counts.counts().end(), std::uint64_t{0}) - 1;
  }

 private:
  std::promise<void> go_on_;
  std::map<int, bool> results_;  // by the runner's thread, before drain() is over
  NftRunner runner_{[](const std::function<void()>& call) { call(); }};
};

std::string element(int number) { return fmt::format("add element inet t s {{ {} }}", number); }

std::string elements() { return run("nft -j list set inet t s"); }

TEST_CASE("transactions that gathered while nft was busy are one") {
  enter_fresh_namespace();
  run("nft 'add table inet t; add set inet t s { type inet_service; }'");
  Gathered all;
  for (int i = 1; i <= 20; ++i) all.transaction(i, element(i));
  all.transaction(21, "delete element inet t s { 7 }");
  const auto& results = all.carried_out();
  CHECK(results.size() == 21);
  CHECK(all.processes() == 1);
  for (const auto& [number, succeeded] : results) {
    CAPTURE(number);
    CHECK(succeeded);
  }
  CHECK(elements().find("[1, 2, 3, 4, 5, 6, 8, 9, ") != std::string::npos);
}

TEST_CASE("of transactions that gathered only those fail that nft refuses alone") {
  enter_fresh_namespace();
  run("nft 'add table inet t; add set inet t s { type inet_service; }'");
  Gathered all;
  all.transaction(1, element(1));
  all.transaction(2, "add element inet t nowhere { 2 }");
  all.transaction(3, element(3));
  all.transaction(4, "no nft at all {");
  all.transaction(5, element(5));
  CHECK(all.carried_out() ==
        std::map<int, bool>{{1, true}, {2, false}, {3, true}, {4, false}, {5, true}});
  CHECK(elements().find("[1, 3, 5]") != std::string::npos);
}

const WallOptions kOptions{.vtep = *IpAddress::parse("192.0.2.1")};

WalledPort walled(const char* device, unsigned number, const char* address) {
  return {device, number, vni(100), GuestIdentity{mac("02:00:00:00:00:0a"), {ip(address)}}};
}

// How the kernel's walls differ from these commands.
std::vector<std::string> differences(const std::string& text) {
  std::vector<std::string> all;
  for (const std::string family : {"inet", "arp", "bridge"}) {
    const auto listing = run(fmt::format("nft -j list table {} {}", family, kWallTable));
    for (const auto& one : take(ruleset_differences(text, family, listing, {})))
      all.push_back(one.what);
  }
  return all;
}

TEST_CASE("the number of a port that goes is the next one's, also in one transaction") {
  enter_fresh_namespace();
  const auto base = base_ruleset(kOptions) + policy_base();
  const auto first = walled("port0", 1, "10.0.0.1"), next = walled("port1", 1, "10.0.0.2");
  const auto passing = walled("port2", 2, "10.0.0.3");
  take(run_nft(NftCall::transaction(base + port_ruleset(kOptions, first))));
  CHECK(differences(base + port_ruleset(kOptions, first)).empty());
  const NetworkPolicy policy{mac("02:d0:00:00:00:01"), {*Prefix::parse("10.2.0.0/24")}};
  Gathered all;
  all.transaction(1, port_removal("port0", 1));
  all.transaction(2, port_ruleset(kOptions, next));
  all.transaction(3, port_ruleset(kOptions, passing));
  all.transaction(4, policy_hook() + policy_ruleset(vni(100), policy));
  all.transaction(5, port_removal("port2", 2));
  all.transaction(6, policy_hook_removal() + policy_removal(vni(100)));
  all.transaction(7, port_ruleset(kOptions, next));
  CHECK(all.carried_out().size() == 7);
  CHECK(all.processes() == 1);
  const auto found = differences(base + policy_hook_removal() + port_ruleset(kOptions, next));
  for (const auto& one : found) UNSCOPED_INFO(one);
  CHECK(found.empty());
}

}  // namespace
}  // namespace dove::agent::test
