// Has the kernel learn the MTU of a path that only routed packets take. Over IPv6 a router says
// that a packet was too big, and the kernel believes it if it knows who sent that packet: of VXLAN,
// by the packet's VNI among its own devices. What this host routes into a network that it does not
// have carries the VNI of no device here, and would be lost again and again. So a datagram is sent
// the same way from a socket, which the kernel knows: it is too big as well, and what the router
// says to that counts. Whoever gets it takes it for a VXLAN packet without a VNI, and drops it.
//
// Anybody can say that a packet was too big: it is believed of the VXLAN port only, and not of more
// than what this host sends.
//
// Over IPv4 the outer packets may be fragmented.
#pragma once

#include <cstdint>
#include <vector>

#include "agent/event.h"
#include "core/result.h"
#include "core/vtep.h"
#include "netlink/datagram_socket.h"
#include "netlink/query.h"
#include "netlink/too_big_socket.h"

namespace dove::agent {

class PathProber {
 public:
  static Result<PathProber> open(const Vtep& own);  // an IPv6 address
  int fd() const noexcept { return hears_.fd(); }

  struct Done {
    bool more = false;   // read again
    bool heard = false;  // of a way to one of `peers`: the kernel knows better now, or soon
  };
  // Of ways to `peers` only, and not too often. `mtu` is the underlay's at its beginning.
  Result<Done> read(netlink::Query& query, const std::vector<IpAddress>& peers, std::uint32_t mtu,
                    TimePoint now);

 private:
  PathProber(const Vtep& own, netlink::TooBigSocket hears, netlink::DatagramSocket asks)
      : own_{own}, hears_{std::move(hears)}, asks_{std::move(asks)} {}
  void probe(const netlink::TooBig& told, netlink::Query& query);

  Vtep own_;
  netlink::TooBigSocket hears_;
  netlink::DatagramSocket asks_;
  std::vector<netlink::TooBig> told_;
  TimePoint next_{};
};

}  // namespace dove::agent
