// What the kernel side of doved is told at its start; nothing here changes afterwards.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "core/prefix.h"
#include "core/vtep.h"

namespace dove::agent {

// How a miss is learnt of.
enum class MissMode : std::uint8_t {
  // The packet itself comes out of the TUN and is sent on: nothing is lost. An L3 miss is a packet
  // to the router, which comes likewise, or a query that the guest's port logs. The kernel's own
  // notifications of it, before which no limit stands, tell besides of a neighbour that was lost
  // unheard; of many in a short time a sample is enough.
  kPunt,
  kNotify,  // the kernel's notifications alone: the packet is lost
};

// What one guest may do per second before its own frames are dropped at its own port. A bucket
// holds `burst` packets.
struct Rate {
  unsigned per_second;
  unsigned burst;
};

struct WallLimits {
  Rate punts{20000, 200};        // frames to unknown destinations
  Rate queries{2000, 1000};      // ARP requests, neighbour and router solicitations
  Rate announcements{100, 100};  // ARP replies, neighbour advertisements, RARP, MLD reports
};

struct DatapathOptions {
  Vtep local;  // this host's VTEP; its port is the VXLAN devices' and every peer's
  MissMode miss_mode = MissMode::kPunt;
  std::chrono::seconds ageing{300};        // of FDB entries that no packet uses
  std::chrono::seconds learn_ageing{300};  // a guest that nobody registered is asked for after it
  std::chrono::seconds removal_delay{10};  // an unused network's devices stay this long
  // The two addresses of dvpunt, of the VTEP's family: a /31 or /127. Empty: 169.254.77.64/31 or
  // 100::/127 (the discard prefix, RFC 6666).
  std::optional<Prefix> punt_prefix;
  // The VTEPs of other hosts that may send to us until set_vteps() says who does, besides those
  // that an earlier doved left in the kernel.
  std::set<IpAddress> known_vteps;
  WallLimits limits;
  std::chrono::seconds query_interval{125};  // between questions which groups a guest listens to
  // In this time every network is compared with the kernel once; 0: never by itself.
  std::chrono::seconds audit_period{60};
  // After changes were lost all is compared at once, and not again sooner than this afterwards.
  std::chrono::milliseconds reconcile_pause{10'000};
  std::uint16_t log_group = 4789;  // NFLOG group of the guest port log
  uid_t uid = ::geteuid();         // who alone may send to the VXLAN port
};

}  // namespace dove::agent
