// The guest port log: what guests ask and announce, heard at their own ports and nowhere else, so
// that what came through the tunnel never looks local.
//
// Belongs to the loop thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "agent/event.h"
#include "agent/frames/guest_frame.h"
#include "core/result.h"
#include "netlink/log.h"

namespace dove::agent {

class GuestLog {
 public:
  struct Counters {
    std::uint64_t frames = 0;
    std::uint64_t meaningless = 0;  // of no port of ours, malformed, or spoken for another MAC
    std::uint64_t overruns = 0;
  };
  // kConflict when somebody else listens to the group.
  static Result<GuestLog> open(std::uint16_t group);

  int fd() const noexcept { return listener_.fd(); }
  void add_port(IfIndex port, Vni vni) { ports_.insert_or_assign(port, vni); }
  void remove_port(IfIndex port) { ports_.erase(port); }

  // Of one frame. What was kept back has no events.
  struct Heard {
    std::optional<GuestHeard> sender;
    GuestEvents events;
  };
  // Gives what was heard to `take`. True: there may be more.
  Result<bool> read(const std::function<void(const Heard&)>& take);

  const Counters& counters() const noexcept { return counters_; }

 private:
  explicit GuestLog(netlink::LogListener listener) : listener_{std::move(listener)} {}
  Heard decode(const netlink::LoggedPacket& packet);

  netlink::LogListener listener_;
  std::map<IfIndex, Vni> ports_;
  std::vector<netlink::LoggedPacket> packets_;
  std::vector<std::byte> frame_;
  Counters counters_;
};

}  // namespace dove::agent
