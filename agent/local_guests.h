// Which guest is behind which port of this host, both ways round. A guest has one port; while it
// changes from one to another, the one that was added last.
#pragma once

#include <map>
#include <string>

#include "core/key.h"
#include "core/vtep.h"

namespace dove::agent {

class LocalGuests {
 public:
  struct Place {
    std::string device;
    IfIndex port{};
  };

  // In the place of whatever the device was before.
  void add(const MacKey& guest, const std::string& device, IfIndex port) {
    remove(device);
    places_.insert_or_assign(guest, Place{device, port});
    guests_.insert_or_assign(device, guest);
  }
  void remove(const std::string& device) {
    const auto guest = guests_.find(device);
    if (guest == guests_.end()) return;
    const auto place = places_.find(guest->second);
    if (place != places_.end() && place->second.device == device) places_.erase(place);
    guests_.erase(guest);
  }
  // nullptr: not on this host. Valid until the next change.
  const Place* find(const MacKey& guest) const {
    const auto place = places_.find(guest);
    return place != places_.end() ? &place->second : nullptr;
  }

 private:
  std::map<MacKey, Place> places_;
  std::map<std::string, MacKey> guests_;  // by device
};

}  // namespace dove::agent
