// Brings to guests what the kernel's `proxy` keeps from them: a local guest's announcements to the
// guests of other hosts, as the VXLAN that the kernel would have made; and into local guests' ports
// that an address has moved.
//
// Nothing goes round: what is carried comes in by the other hosts' VXLAN devices and what is told
// leaves by guests' ports, and the guest port log, from where announcements are carried, hears
// neither.
//
// Belongs to the loop thread.
#pragma once

#include <cstdint>
#include <span>

#include "agent/action.h"
#include "core/result.h"
#include "netlink/datagram_socket.h"
#include "netlink/packet_socket.h"

namespace dove::agent {

class Announcer {
 public:
  struct Counters {
    std::uint64_t carried = 0;  // datagrams
    std::uint64_t told = 0;     // frames into ports
    std::uint64_t errors = 0;
  };
  // `from` is this host's VTEP's address.
  static Result<Announcer> open(const IpAddress& from);

  void carry(const CarryFrame& frame);
  void tell(const TellGuests& moved, std::span<const IfIndex> ports);
  const Counters& counters() const noexcept { return counters_; }

 private:
  Announcer(netlink::DatagramSocket underlay, netlink::PacketSocket ports)
      : underlay_{std::move(underlay)}, ports_{std::move(ports)} {}
  netlink::DatagramSocket underlay_;
  netlink::PacketSocket ports_;
  Counters counters_;
};

}  // namespace dove::agent
