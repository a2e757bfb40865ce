#include "agent/resolver/guest_limiter.h"

#include <algorithm>

namespace dove::agent {

GuestLimiter::Rate::Rate(GuestRate rate) {
  if (rate.per_second == 0) return;
  interval = std::chrono::nanoseconds{std::chrono::seconds{1}} / rate.per_second;
  depth = interval * std::max(rate.burst, 1U);
}

// What the host does not grant counts against the guest too: who tries much asks much.
bool GuestLimiter::take(std::uint64_t guest, TimePoint now, std::size_t times) {
  if (guests_.size() >= most_) forget_full(now);
  auto& full = guests_[guest];
  const auto guest_after = std::max(full, now) + guest_.cost(times);
  if (guest_after - now > guest_.depth) return false;
  full = guest_after;
  const bool asks_little = guest_after - now <= guest_.depth / 4;
  const auto host_after = std::max(host_full_, now) + host_.cost(times);
  if (host_after - now > (asks_little ? host_.depth : host_.depth / 2)) return false;
  host_full_ = host_after;
  return true;
}

void GuestLimiter::charge(TimePoint now) {
  host_full_ = std::min(std::max(host_full_, now) + host_.interval, now + host_.depth);
}

void GuestLimiter::forget_full(TimePoint now) {
  std::erase_if(guests_, [now](const auto& guest) { return guest.second <= now; });
  most_ = std::max<std::size_t>(64, 2 * guests_.size());
}

}  // namespace dove::agent
