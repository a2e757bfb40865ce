// Which networks' replicas are to be asked for: one after the other, so that no more than one
// snapshot is on its way. Pure.
#pragma once

#include <algorithm>
#include <deque>
#include <optional>

#include "core/vni.h"

namespace dove::agent {

class ReplicaRequests {
 public:
  // After this one's answer comes, if it is being asked for, it is asked for again.
  void add(Vni vni) {
    if (!is_waiting(vni)) waiting_.push_back(vni);
  }
  // It is being asked for, or will be.
  bool has(Vni vni) const { return asked_ == vni || is_waiting(vni); }
  // The answer has come, or the network has gone.
  void end(Vni vni) {
    if (asked_ == vni) asked_.reset();
  }
  void remove(Vni vni) {
    end(vni);
    std::erase(waiting_, vni);
  }
  void clear() {
    waiting_.clear();
    asked_.reset();
  }
  // The one to ask for now, if any: it is being asked for from here on.
  std::optional<Vni> next() {
    if (asked_ || waiting_.empty()) return std::nullopt;
    asked_ = waiting_.front();
    waiting_.pop_front();
    return asked_;
  }

 private:
  bool is_waiting(Vni vni) const {
    return std::find(waiting_.begin(), waiting_.end(), vni) != waiting_.end();
  }

  std::deque<Vni> waiting_;
  std::optional<Vni> asked_;
};

}  // namespace dove::agent
