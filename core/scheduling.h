// Real-time scheduling (sched(7)) of the threads that packets wait for.
//
// On a machine whose processors are all in use, a thread that wakes up waits for its turn, for
// milliseconds; with real-time priority it does not. Whoever can give such a thread work could take
// the processors from everybody else by that, so a process that uses much goes without, until it
// uses less.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "core/result.h"

namespace dove {

inline constexpr unsigned kHighestRealtimePriority = 99;

// Whether a process should have its priority, by what it used of one processor in each period.
class RealtimeBudget {
 public:
  static constexpr std::chrono::milliseconds kPeriod{250};
  static constexpr double kMost = 2.0 / 3;  // above that it is given up
  static constexpr double kCalm = 1.0 / 3;  // below that for so many periods it is taken again:
  static constexpr unsigned kCalmPeriods = 4;
  // Without it a process may use little because it gets little. So who loses it again within
  // kProbation has to wait for twice as long as before, and at most for kLongestCalm.
  static constexpr unsigned kProbation = 40, kLongestCalm = 240;

  // `used`: the processor time of the period that has ended, divided by its length.
  bool allows(double used) noexcept;

 private:
  bool allowed_ = true;
  unsigned wait_ = kCalmPeriods;
  unsigned periods_ = kProbation;  // that it has been allowed, or calm, one after the other
};

// As long as it exists, the process has its priority when the budget allows it: its threads run
// before all that have no such priority, and take turns with those of the same (SCHED_RR). To be
// made by the first thread, before there are others, and once in a process.
class Realtime {
 public:
  // `priority`: 1 to 99. `told`, on a thread of this, whether it is had from now on. kSystem: this
  // process may not (CAP_SYS_NICE, RLIMIT_RTPRIO) or cannot see its threads (/proc), and nothing
  // has changed; the message says what comes of it.
  static Result<Realtime> take(unsigned priority, std::function<void(bool)> told);
  Realtime(Realtime&&) noexcept;
  Realtime& operator=(Realtime&&) = delete;
  ~Realtime();  // the threads keep what they have

 private:
  class Guard;
  explicit Realtime(std::unique_ptr<Guard> guard);
  std::unique_ptr<Guard> guard_;
};

// As long as it exists, its thread has no such priority (SCHED_BATCH): for work that takes long and
// that no packet waits for. Not to be held while others may wait for this thread (a lock, a post).
class Background {
 public:
  Background();
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;
  ~Background();
};

// What `function` returns, which it works out in the background.
template <class Function>
auto in_background(Function&& function) {
  const Background background;
  return function();
}

}  // namespace dove
