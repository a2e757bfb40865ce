#include "agent/answer_clock.h"

#include "tests/catch.h"

namespace dove::agent {
namespace {

using namespace std::chrono_literals;

const Vni kNet = *Vni::from(10);
const Key kQuestion = IpKey{kNet, IpAddress::v4(1)};
const Key kOther = IpKey{kNet, IpAddress::v4(2)};
const AnswerClock::TimePoint kNow{1h};

std::vector<BindingRecord> answers(const Key& key) {
  return {IpBinding{.key = std::get<IpKey>(key)}};
}

TEST_CASE("answer clock: from the question to its answer, whatever comes between") {
  AnswerClock clock;
  CHECK_FALSE(clock.answered(answers(kQuestion), kNow));
  clock.asked(kQuestion, kNow);
  clock.asked(kOther, kNow + 1ms);  // one at a time
  CHECK_FALSE(clock.answered(answers(kOther), kNow + 2ms));
  CHECK(clock.answered(answers(kQuestion), kNow + 3ms) == std::optional{3'000'000ns});
  CHECK_FALSE(clock.answered(answers(kQuestion), kNow + 4ms));
}

TEST_CASE("answer clock: a lost session has no answers, a question without one is given up") {
  AnswerClock clock;
  clock.asked(kQuestion, kNow);
  clock.stop();
  CHECK_FALSE(clock.answered(answers(kQuestion), kNow + 1ms));
  clock.asked(kQuestion, kNow);
  clock.asked(kOther, kNow + 11s);
  CHECK(clock.answered(answers(kOther), kNow + 12s) == std::optional{std::chrono::nanoseconds{1s}});
}

}  // namespace
}  // namespace dove::agent
