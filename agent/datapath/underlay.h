// The network that carries the tunnels: the device that has the VTEP's address, and how long a
// packet may be on the ways to the other hosts, which need not begin at that device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/ip_address.h"
#include "core/result.h"
#include "core/vtep.h"
#include "netlink/link.h"
#include "netlink/query.h"

namespace dove::agent {

struct Underlay {
  IfIndex device{};
  std::string name;
  IpAddress address;      // the VTEP's
  std::uint32_t mtu = 0;  // the device's; of loopback, which carries no tunnel, Ethernet's
};

// kNotFound, naming the address, when no device has it.
Result<Underlay> find_underlay(netlink::Links& links, netlink::Query& query,
                               const IpAddress& address);

// The MTUs of the ways to the other hosts: each the route's own, or what was learnt of the path, or
// its output device's. Guests get the smallest, because one that has a longer packet for a far host
// may have no other MTU for it.
struct UnderlayMtu {
  std::uint32_t smallest = 0;
  std::uint32_t largest = 0;
  friend bool operator==(const UnderlayMtu&, const UnderlayMtu&) = default;
};

// Finds it out for some VTEPs after others, as each costs some microseconds.
class UnderlayMtuRound {
 public:
  // The own one may be among them.
  explicit UnderlayMtuRound(std::vector<IpAddress> vteps) : vteps_{std::move(vteps)} {}

  // Asks about `count` more. True: that was all.
  bool ask(netlink::Links& links, netlink::Query& query, const Underlay& underlay,
           std::size_t count);
  // Precondition: all have been asked about. What there is no route to is left out; when that is
  // all, it is the MTU of the VTEP's device.
  UnderlayMtu take(const Underlay& underlay) const;

 private:
  std::vector<IpAddress> vteps_;
  std::size_t asked_ = 0;
  UnderlayMtu found_;
};

inline constexpr IfIndex kLoopback{1};

// What a frame grows by: outer IP, UDP, VXLAN and the inner Ethernet header.
inline std::uint32_t overhead(const IpAddress& underlay) noexcept {
  return underlay.is_v4() ? 50 : 70;
}

}  // namespace dove::agent
