#include "netlink/miss.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include <array>

namespace dove::netlink {

std::optional<Miss> decode_miss(const Message& message) noexcept {
  if (message.type() != RTM_GETNEIGH) return std::nullopt;
  const auto family = message.family<ndmsg>();
  const auto attributes = Attributes<NDA_LLADDR>::of<ndmsg>(message);
  if (!family || !attributes) return std::nullopt;

  const IfIndex device{family->ndm_ifindex};
  const auto mac = MacAddress::from_wire((*attributes)[NDA_LLADDR]);
  const auto ip = IpAddress::from_wire((*attributes)[NDA_DST]);
  if (mac && !ip) return MacMiss{device, *mac};
  if (ip && !mac) return IpMiss{device, *ip};
  return std::nullopt;
}

Result<MissMonitor> MissMonitor::open(std::size_t receive_buffer) {
  auto socket = Socket::open(NETLINK_ROUTE, {.receive_buffer = receive_buffer});
  if (!socket) return socket.error();
  // The filter first, the group second: so nothing else is ever in the buffer.
  constexpr std::array<std::uint16_t, 1> kTypes{RTM_GETNEIGH};
  if (auto filtered = socket->accept_only(kTypes); !filtered) return filtered.error();
  if (auto joined = socket->join(RTNLGRP_NEIGH); !joined) return joined.error();
  return MissMonitor{std::move(*socket)};
}

// A miss is one message of some 60 bytes in a datagram of its own.
MissMonitor::MissMonitor(Socket socket) : socket_{std::move(socket)}, inbox_{kAtOnce, 256} {}

Result<MissMonitor::Drained> MissMonitor::drain(std::vector<Miss>& misses) {
  const auto received = socket_.receive(inbox_);
  if (!received) return received.error();
  for (ByteView rest : received->datagrams)
    while (const auto message = Message::next(rest))
      if (const auto miss = decode_miss(*message)) misses.push_back(*miss);
  return Drained{.overrun = received->overrun, .more = received->more};
}

}  // namespace dove::netlink
