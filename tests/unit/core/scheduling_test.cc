#include "core/scheduling.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <optional>
#include <string>
#include <thread>

#include "tests/catch.h"

namespace dove::test {
namespace {

using namespace std::chrono_literals;

// Of the calling thread.
int policy() { return ::sched_getscheduler(0); }

// What a test's own thread has got, as one of the process's.
void be_ordinary() {
  const sched_param none{};
  ::sched_setscheduler(0, SCHED_OTHER, &none);
}

// Where it is refused, that is all there is to see.
bool may() {
  std::optional<Error> refused;
  std::thread{[&refused] {
    const auto taken = Realtime::take(1, [](bool) {});
    if (!taken) refused = taken.error();
  }}.join();
  if (!refused) return true;
  CHECK(refused->os_error == EPERM);
  WARN("SKIPPED: " << refused->message << " (run as root)");
  return false;
}

// A thread that does nothing, or all it can, or what nobody waits for.
class Thread {
 public:
  enum class Does { kNothing, kWork, kBackground };

  Thread() : thread_{[this] { run(); }} {}
  ~Thread() {
    stop_ = true;
    thread_.join();
  }
  bool comes_to(int wanted) const {
    for (int i = 0; i < 2000 && policy_ != wanted; ++i) std::this_thread::sleep_for(10ms);
    return policy_ == wanted;
  }
  void does(Does what) { does_ = what; }

 private:
  void run() {
    std::optional<Background> background;
    while (!stop_) {
      if (does_ == Does::kBackground && !background) background.emplace();
      if (does_ != Does::kBackground) background.reset();
      policy_ = policy();
      if (does_ != Does::kWork) std::this_thread::sleep_for(1ms);
    }
  }
  std::atomic<int> policy_{-1};
  std::atomic<bool> stop_{false};
  std::atomic<Does> does_{Does::kNothing};
  std::thread thread_;
};

TEST_CASE("real-time priority goes to threads started later, but for work in the background") {
  if (!may()) return;
  std::atomic<int> before{-1}, after{-1};
  std::atomic<bool> right{false};
  std::thread{[&] {
    before = policy();
    const auto realtime = Realtime::take(2, [](bool) {});
    after = policy();
    Thread first;
    const Thread second;
    bool good = first.comes_to(SCHED_RR) && second.comes_to(SCHED_RR);
    first.does(Thread::Does::kBackground);
    good = good && first.comes_to(SCHED_BATCH);
    first.does(Thread::Does::kNothing);
    right = good && first.comes_to(SCHED_RR);
  }}.join();
  be_ordinary();
  CHECK(before == SCHED_OTHER);
  CHECK(after == SCHED_RR);
  CHECK(right);
}

TEST_CASE("who works much loses the priority, and has it again when there is less to do") {
  if (!may()) return;
  std::atomic<int> lost{0}, again{0};
  std::atomic<bool> right{false};
  std::thread{[&] {
    const auto realtime = Realtime::take(1, [&](bool had) { ++(had ? again : lost); });
    Thread worker, background;
    const Thread other;
    background.does(Thread::Does::kBackground);
    bool good = worker.comes_to(SCHED_RR) && background.comes_to(SCHED_BATCH);
    worker.does(Thread::Does::kWork);
    good = good && worker.comes_to(SCHED_OTHER) && other.comes_to(SCHED_OTHER);
    worker.does(Thread::Does::kNothing);
    good = good && worker.comes_to(SCHED_RR) && other.comes_to(SCHED_RR);
    right = good && background.comes_to(SCHED_BATCH) && policy() == SCHED_RR;
  }}.join();
  be_ordinary();
  CHECK(right);
  CHECK(lost >= 1);
  CHECK(again >= 1);
}

TEST_CASE("without a priority, work in the background leaves the thread as it was") {
  std::atomic<int> during{-1}, after{-1};
  std::thread{[&] {
    {
      const Background background;
      during = policy();
    }
    after = policy();
  }}.join();
  CHECK(during == SCHED_BATCH);
  CHECK(after == SCHED_OTHER);
}

// How many calm periods it takes until it is allowed again.
unsigned calm_needed(RealtimeBudget& budget) {
  for (unsigned n = 1; n <= 2 * RealtimeBudget::kLongestCalm; ++n)
    if (budget.allows(0.1)) return n;
  return 0;
}

TEST_CASE("the budget: lost by one busy period, back after some that are calm") {
  RealtimeBudget budget;
  CHECK(budget.allows(0.0));
  CHECK(budget.allows(0.6));
  CHECK_FALSE(budget.allows(0.7));
  CHECK_FALSE(budget.allows(0.1));
  CHECK_FALSE(budget.allows(0.1));
  CHECK_FALSE(budget.allows(0.5));  // not calm: counted anew
  CHECK(calm_needed(budget) == RealtimeBudget::kCalmPeriods);
  CHECK(budget.allows(0.6));
  CHECK_FALSE(budget.allows(2.0));
}

TEST_CASE("the budget: who loses it again and again waits for longer, until it has kept it") {
  RealtimeBudget budget;
  CHECK_FALSE(budget.allows(1.0));
  unsigned expected = RealtimeBudget::kCalmPeriods;
  for (int i = 0; i < 10; ++i) {
    CHECK(calm_needed(budget) == expected);
    expected = std::min(expected * 2, RealtimeBudget::kLongestCalm);
    CHECK(budget.allows(0.5));
    CHECK_FALSE(budget.allows(1.0));
  }
  CHECK(calm_needed(budget) == RealtimeBudget::kLongestCalm);
  for (unsigned n = 0; n < RealtimeBudget::kProbation; ++n) CHECK(budget.allows(0.5));
  CHECK_FALSE(budget.allows(1.0));
  CHECK(calm_needed(budget) == RealtimeBudget::kCalmPeriods);
}

TEST_CASE("a priority that cannot be had is named, and why") {
  const auto realtime = Realtime::take(kHighestRealtimePriority + 1, [](bool) {});
  REQUIRE_FALSE(realtime);
  CHECK(realtime.error().code == ErrorCode::kSystem);
  CHECK(realtime.error().os_error == EINVAL);
  CHECK(realtime.error().message.find("100: Invalid argument") != std::string::npos);
  CHECK(policy() == SCHED_OTHER);
}

}  // namespace
}  // namespace dove::test
