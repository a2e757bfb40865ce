#include "controller/host_leases.h"

#include <algorithm>

namespace dove::controller {
namespace {

// Between two calls of expire() that were made often: they are made every second.
constexpr std::chrono::milliseconds kOften{3000};
constexpr std::chrono::milliseconds kTimely{1500};

}  // namespace

bool HostLeases::begin(HostId host, TimePoint now) {
  const auto at = leases_.find(host);
  const bool was_suspect = at != leases_.end() && at->second.suspect;
  leases_.insert_or_assign(host, Lease{now, now});
  return was_suspect;
}

void HostLeases::heard(HostId host, TimePoint at) {
  const auto found = leases_.find(host);
  if (found == leases_.end() || found->second.suspect) return;
  auto& lease = found->second;
  lease.from = std::max(lease.from, at);
  lease.heard = std::max(lease.heard, at);
}

std::vector<HostId> HostLeases::expire(TimePoint now) {
  const auto passed = last_expired_ ? now - *last_expired_ : TimePoint::duration{};
  last_expired_ = now;
  if (passed > std::max(kTimely, std::min(kOften, length_ / 2)))
    for (auto& [host, lease] : leases_) lease.from = now;
  std::vector<HostId> silent;
  for (auto& [host, lease] : leases_) {
    if (lease.suspect || now - lease.from < length_) continue;
    lease.suspect = true;
    silent.push_back(host);
  }
  return silent;
}

bool HostLeases::is_suspect(HostId host) const {
  const auto at = leases_.find(host);
  return at != leases_.end() && at->second.suspect;
}

std::chrono::milliseconds HostLeases::silence(HostId host, TimePoint now) const {
  const auto at = leases_.find(host);
  if (at == leases_.end()) return {};
  return std::chrono::duration_cast<std::chrono::milliseconds>(now - at->second.heard);
}

}  // namespace dove::controller
