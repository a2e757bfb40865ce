// How often something is done because of one guest, and because of all guests of this host, such as
// that the controller is asked. A guest that wants more is limited, not its neighbours: of what the
// host may do, the last half is kept for guests that have wanted little lately. Pure.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "agent/event.h"
#include "agent/resolver.h"

namespace dove::agent {

class GuestLimiter {
 public:
  explicit GuestLimiter(GuestRate guest, GuestRate host = {}) : guest_{guest}, host_{host} {}

  // Whether it may be done once more, or so many times, because of the guest; then it counts as
  // done. More than a burst counts as one.
  bool take(std::uint64_t guest, TimePoint now, std::size_t times = 1);
  // It is done once more, whoever wanted it.
  void charge(TimePoint now);
  std::size_t guests() const noexcept { return guests_.size(); }

 private:
  // A bucket is told by the moment at which it will be full: what is taken puts that off.
  struct Rate {
    explicit Rate(GuestRate rate);
    std::chrono::nanoseconds interval{0};  // 0: no limit
    std::chrono::nanoseconds depth{0};     // of a bucket
    std::chrono::nanoseconds cost(std::size_t times) const {
      return std::min(interval * static_cast<std::int64_t>(times), depth);
    }
  };
  void forget_full(TimePoint now);

  const Rate guest_;
  const Rate host_;
  TimePoint host_full_{};
  std::unordered_map<std::uint64_t, TimePoint> guests_;  // when each one's bucket is full
  std::size_t most_ = 64;  // at so many guests those whose bucket is full are forgotten
};

}  // namespace dove::agent
