// The link-local IPv6 addresses that guests of this host were heard using, to be told to the
// controller: each once, a bounded number a guest. Pure.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "core/key.h"

namespace dove::agent {

class Announcements {
 public:
  static constexpr std::size_t kPerGuest = 16;

  // True: new, to be announced. False: known, not link-local IPv6, or one too many.
  bool add(const MacKey& guest, const IpAddress& address);
  void remove(const MacKey& guest, const IpAddress& address);
  // The guest has left; its addresses are another's business.
  void remove(const MacKey& guest) { guests_.erase(guest); }
  std::vector<std::pair<MacKey, IpAddress>> all() const;

 private:
  std::map<MacKey, std::set<IpAddress>> guests_;
};

}  // namespace dove::agent
