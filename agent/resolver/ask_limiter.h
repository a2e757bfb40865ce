// How many questions the controller is asked because of one guest, and because of all guests of
// this host. A guest that asks more is limited, not its neighbours: of what the host may ask, the
// last half is kept for guests that have asked little lately. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <unordered_map>

#include "agent/event.h"
#include "agent/resolver.h"

namespace dove::agent {

class AskLimiter {
 public:
  explicit AskLimiter(const Limits& limits)
      : guest_{limits.asks_per_guest}, host_{limits.asks_per_host} {}

  // Whether one more may be asked because of the guest; then it counts as asked.
  bool take(std::uint64_t guest, TimePoint now);
  // One more is asked, whoever wanted it.
  void charge(TimePoint now);
  std::size_t guests() const noexcept { return guests_.size(); }

 private:
  // A bucket is told by the moment at which it will be full: what is taken puts that off.
  struct Rate {
    explicit Rate(AskRate rate);
    std::chrono::nanoseconds interval{0};  // 0: no limit
    std::chrono::nanoseconds depth{0};     // of a bucket
  };
  void forget_full(TimePoint now);

  const Rate guest_;
  const Rate host_;
  TimePoint host_full_{};
  std::unordered_map<std::uint64_t, TimePoint> guests_;  // when each one's bucket is full
  std::size_t most_ = 64;  // at so many guests those whose bucket is full are forgotten
};

}  // namespace dove::agent
