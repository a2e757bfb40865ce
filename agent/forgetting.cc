#include "agent/forgetting.h"

#include <utility>
#include <vector>

namespace dove::agent {

void Forgetting::forget(const MacKey& guest, std::span<const IpAddress> ips) {
  const std::vector<IpAddress> these{ips.begin(), ips.end()};
  directory_.unlearn(guest, ips, [this, guest, these](const Status& done) {
    if (!done) owe(guest, these);
  });
}

void Forgetting::owe(const MacKey& guest, std::span<const IpAddress> ips) {
  if (owed_.size() >= kMost && !owed_.contains(guest)) return;
  auto& owed = owed_[guest];
  owed.all = owed.all || ips.empty();
  owed.ips.insert(ips.begin(), ips.end());
}

// Each that fails once more is owed again by its own answer.
void Forgetting::on_time(TimePoint now, const IsHere& is_here) {
  if (owed_.empty() || now < next_) return;
  next_ = now + kPause;
  for (auto& [guest, owed] : std::exchange(owed_, {})) {
    if (owed.all && !is_here(guest, {})) {
      forget(guest, {});
      continue;
    }
    std::vector<IpAddress> ips;
    for (const auto& ip : owed.ips)
      if (!is_here(guest, ip)) ips.push_back(ip);
    if (!ips.empty()) forget(guest, ips);
  }
}

}  // namespace dove::agent
