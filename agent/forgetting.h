// What the controller is to forget of learned guests: asked again until it has, as a controller
// whose disk is full, or that is gone, cannot. Pure; belongs to the loop thread.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>

#include "agent/directory.h"
#include "agent/event.h"

namespace dove::agent {

class Forgetting {
 public:
  static constexpr std::chrono::seconds kPause{10};  // between two attempts
  static constexpr std::size_t kMost = 4096;         // guests; the next session tells of the others

  explicit Forgetting(Directory& directory) : directory_{directory} {}

  // The guest; or, if there are any, these addresses of it.
  void forget(const MacKey& guest, std::span<const IpAddress> ips);
  // Now and then, while there is a controller. `is_here`: whether the guest, or this address of it,
  // has come back; then it is not to be forgotten any more.
  using IsHere = std::function<bool(const MacKey&, const std::optional<IpAddress>&)>;
  void on_time(TimePoint now, const IsHere& is_here);

 private:
  struct Owed {
    bool all = false;
    std::set<IpAddress> ips;
  };
  void owe(const MacKey& guest, std::span<const IpAddress> ips);

  Directory& directory_;
  std::map<MacKey, Owed> owed_;
  TimePoint next_{};
};

}  // namespace dove::agent
