// Which hosts are silent. A host of which nothing was heard for the length of a lease is suspect,
// until it is heard again; that alone takes nothing from it. Time is an argument, by the clock of
// whoever listens. Pure.
//
// Not thread-safe.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <vector>

#include "controller/state.h"

namespace dove::controller {

class HostLeases {
 public:
  explicit HostLeases(std::chrono::milliseconds length) : length_{length} {}

  // From now on the host is one that should be heard. Whether it was suspect.
  bool begin(HostId host, TimePoint now);
  // Something of it was heard at this time; one that is suspect stays so until it begins again.
  void heard(HostId host, TimePoint at);
  void end(HostId host) { leases_.erase(host); }

  // Those that have become suspect since the last call. To be called often: what passes between two
  // calls beyond a few seconds does not count, as whoever did not run could hear nobody.
  std::vector<HostId> expire(TimePoint now);

  bool is_suspect(HostId host) const;
  // How long nothing was heard; of one that was never heard, since it began.
  std::chrono::milliseconds silence(HostId host, TimePoint now) const;
  std::chrono::milliseconds length() const noexcept { return length_; }

 private:
  struct Lease {
    TimePoint from;   // the lease
    TimePoint heard;  // for people: not moved when time did not count
    bool suspect = false;
  };

  const std::chrono::milliseconds length_;
  std::map<HostId, Lease> leases_;
  std::optional<TimePoint> last_expired_;
};

}  // namespace dove::controller
