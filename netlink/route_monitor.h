// That routes changed, and nothing of how: who cares asks again (route_to()). Has a small buffer
// and a socket of its own, because a routing daemon may tell of thousands in a second.
#pragma once

#include "netlink/socket.h"

namespace dove::netlink {

class RouteMonitor {
 public:
  // Of AF_INET or AF_INET6.
  static Result<RouteMonitor> open(int family);

  int fd() const noexcept { return socket_.fd(); }

  struct Drained {
    bool changed = false;  // since the last call
    bool more = false;     // there may be more: drain again before going to sleep
  };
  Result<Drained> drain();

 private:
  explicit RouteMonitor(Socket socket);
  Socket socket_;
  Inbox inbox_;
};

}  // namespace dove::netlink
