// dvpunt: the TUN into which the kernel sends what it does not know, made so that nothing it gets
// can leave by another way.
//
// Its two addresses are a /31 (or /127): the host's own, and the gateway, which nobody has and to
// which VXLAN devices send `via dvpunt`. Behind the connected route stands an `unreachable` one, so
// that without dvpunt's address nothing for the gateway finds the default route. The device is
// persistent: it stays while doved is down, and the routes with it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/datapath/options.h"
#include "agent/difference.h"
#include "core/prefix.h"
#include "core/result.h"
#include "netlink/link.h"
#include "netlink/query.h"
#include "netlink/tun.h"

namespace dove::agent {

inline constexpr const char* kPuntDevice = "dvpunt";
inline constexpr const char* kPuntAlias = "dove punt";

// The default for a fabric of the VTEP's family.
Prefix default_punt_prefix(const IpAddress& vtep);
// A dvpunt, by its alias and kind, that somebody has given another name.
bool is_renamed_punt(const netlink::Link& link);

class PuntDevice {
 public:
  // Makes or takes over dvpunt, up. Fails, naming it, when the prefix is in use on this host, when
  // dvpunt is a foreign device, when another doved has it open (kConflict) and when the kernel has
  // no TUN.
  static Result<PuntDevice> open(netlink::Links& links, netlink::Query& query, const Prefix& prefix,
                                 std::uint32_t mtu);
  // Device and route; not while it is open.
  static Status remove(netlink::Links& links, const Prefix& prefix);

  const IpAddress& gateway() const noexcept { return gateway_; }
  IfIndex index() const noexcept { return tun_.index(); }
  netlink::Tun& tun() noexcept { return tun_; }

  // Address, routes, MTU, alias and up are as they were made, or are made so.
  Status make_right(netlink::Links& links, std::uint32_t mtu);
  // How they are not. Precondition: the device is there.
  std::vector<Difference> differences(netlink::Links& links, netlink::Query& query,
                                      std::uint32_t mtu) const;

 private:
  bool leads_out(netlink::Query& query) const;
  PuntDevice(netlink::Tun tun, const Prefix& prefix);
  netlink::Tun tun_;
  Prefix prefix_;
  IpAddress own_;
  IpAddress gateway_;
};

}  // namespace dove::agent
