#include "netlink/route_monitor.h"

#include <linux/rtnetlink.h>

namespace dove::netlink {

Result<RouteMonitor> RouteMonitor::open(int family) {
  auto socket = Socket::open(NETLINK_ROUTE, {.receive_buffer = 64U << 10U});
  if (!socket) return socket.error();
  const unsigned group = family == AF_INET ? RTNLGRP_IPV4_ROUTE : RTNLGRP_IPV6_ROUTE;
  if (auto joined = socket->join(group); !joined) return joined.error();
  return RouteMonitor{std::move(*socket)};
}

RouteMonitor::RouteMonitor(Socket socket) : socket_{std::move(socket)}, inbox_{64, 4U << 10U} {}

Result<RouteMonitor::Drained> RouteMonitor::drain() {
  const auto received = socket_.receive(inbox_);
  if (!received) return received.error();
  return Drained{.changed = received->overrun || !received->datagrams.empty(),
                 .more = received->more};
}

}  // namespace dove::netlink
