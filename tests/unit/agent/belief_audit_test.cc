#include "agent/belief_audit.h"

#include <asio/post.hpp>
#include <optional>

#include "tests/catch.h"

namespace dove::agent {
namespace {

const Vni kVni = *Vni::from(10);

// A controller that answers at once or not at all, and a host that believes what a test lets it.
class World final : public TruthSource, public Believer {
 public:
  // --- the controller
  void audit(const Beliefs& beliefs, Completion<Truth> done) override {
    ++looks;
    if (!up) return later([done] { done(Error{ErrorCode::kUnavailable, "gone"}); });
    Truth truth{.joined = true};
    truth.interest_differs = beliefs.vni && !wrong_keys.empty();
    later([done, truth] { done(truth); });
  }
  void look_up(std::span<const Key> keys, Completion<std::vector<BindingRecord>> done) override {
    looked_up.push_back(keys.size());
    later([done] { done(std::vector<BindingRecord>{}); });
  }
  void look_up(Vni, Completion<std::vector<BindingRecord>> done) override {
    later([done] { done(std::vector<BindingRecord>{}); });
  }

  // --- the host
  Beliefs beliefs(const Scope& scope) const override { return {.vni = scope}; }
  std::vector<Difference> compare(const Scope& scope, const Truth&) const override {
    std::vector<Difference> all;
    for (const auto& what : scope ? wrong : Words{}) all.push_back(difference(what));
    if (scope && looks == 1 && !passing.empty()) all.push_back(difference(passing));
    return all;
  }
  std::vector<Key> counted(Vni) const override { return wrong_keys; }
  std::vector<Difference> compare(Vni, std::span<const Key> keys,
                                  std::span<const BindingRecord>) const override {
    std::vector<Difference> all;
    for (std::size_t i = 0; i < keys.size(); ++i) all.push_back(difference("a key"));
    return keys_are_right ? std::vector<Difference>{} : all;
  }
  std::vector<Difference> compare(Vni, std::span<const BindingRecord>) const override { return {}; }
  void mend(const Scope&, const Truth&) override {
    ++mends;
    if (mendable) wrong.clear();
  }

  BeliefAudit::Outcome run(bool fix) {
    std::optional<BeliefAudit::Outcome> outcome;
    audit_.run({Scope{kVni}, Scope{}}, fix, [&](auto result) { outcome = std::move(result); });
    io_.restart();
    io_.run_for(std::chrono::seconds{10});
    REQUIRE(outcome);
    CHECK(audit_.idle());
    return *outcome;
  }
  const BeliefAudit::Counters& counters() const { return audit_.counters(); }

  using Words = std::vector<std::string>;
  Words wrong;
  std::string passing;  // is found by the first look alone
  std::vector<Key> wrong_keys;
  bool keys_are_right = false;
  bool mendable = true;
  bool up = true;
  int looks = 0;
  int mends = 0;
  std::vector<std::size_t> looked_up;

 private:
  static Difference difference(const std::string& what) { return {.vni = kVni, .what = what}; }
  void later(std::function<void()> what) { asio::post(io_, std::move(what)); }

  asio::io_context io_;
  BeliefAudit audit_{io_, *this, *this};
};

TEST_CASE("belief audit: what is right costs one look a scope") {
  World w;
  const auto outcome = w.run(true);
  CHECK(outcome.found.empty());
  CHECK(outcome.unasked.empty());
  CHECK(w.looks == 2);
  CHECK(w.counters().audits == 2);
  CHECK(w.mends == 0);
}

TEST_CASE("belief audit: what was on its way is no difference") {
  World w;
  w.passing = "a push";
  CHECK(w.run(true).found.empty());
  CHECK(w.looks == 3);
  CHECK(w.counters().differences == 0);
  CHECK(w.mends == 0);
}

TEST_CASE("belief audit: what lasts is told, and mended only when asked to") {
  World w;
  w.wrong = {"one", "two"};
  const auto told = w.run(false);
  REQUIRE(told.found.size() == 2);
  CHECK_FALSE(told.found[0].mended);
  CHECK(told.found[0].problem.empty());
  CHECK(w.mends == 0);
  const auto mended = w.run(true);
  REQUIRE(mended.found.size() == 2);
  CHECK(mended.found[1].mended);
  CHECK(w.mends == 1);
  CHECK(w.counters().differences == 4);
  CHECK(w.counters().mended == 2);
}

TEST_CASE("belief audit: what does not help is said") {
  World w;
  w.wrong = {"one"};
  w.mendable = false;
  const auto outcome = w.run(true);
  REQUIRE(outcome.found.size() == 1);
  CHECK_FALSE(outcome.found[0].mended);
  CHECK_FALSE(outcome.found[0].problem.empty());
}

TEST_CASE("belief audit: keys are looked up in parts, and one of them is named") {
  World w;
  for (std::uint32_t i = 0; i < 1200; ++i)
    w.wrong_keys.emplace_back(IpKey{kVni, IpAddress::v4(0x0a000000 + i)});
  CHECK(w.run(false).found.size() == 1200);
  CHECK(std::vector(w.looked_up.begin(), w.looked_up.begin() + 3) ==
        std::vector<std::size_t>{512, 512, 176});
  w.keys_are_right = true;
  CHECK(w.run(false).found.size() == 1);  // they are not all of them, then
}

TEST_CASE("belief audit: a controller that cannot be asked is said") {
  World w;
  w.up = false;
  CHECK(w.run(false).unasked == "gone");
  w.up = true;
  CHECK(w.run(false).unasked.empty());
}

}  // namespace
}  // namespace dove::agent
