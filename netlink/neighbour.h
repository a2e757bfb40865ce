// Forwarding entries (MAC -> where) and neighbour entries (IP -> MAC), as the kernel has them.
#pragma once

#include <linux/neighbour.h>

#include <cstdint>
#include <optional>
#include <string>

#include "core/ip_address.h"
#include "core/mac_address.h"
#include "core/vni.h"
#include "core/vtep.h"
#include "netlink/batch.h"
#include "netlink/message.h"

namespace dove::netlink {

// NUD_...: bits, of which an entry usually has one.
enum class State : std::uint16_t {
  kNone = NUD_NONE,
  kReachable = NUD_REACHABLE,  // in an FDB: ages (bridge(8) says "dynamic")
  kStale = NUD_STALE,          // in FdbGone: it aged
  kFailed = NUD_FAILED,
  kNoArp = NUD_NOARP,                   // in a bridge's FDB: "static"
  kStatic = NUD_NOARP | NUD_REACHABLE,  // in a VXLAN device's FDB: "static", never ages
  kPermanent = NUD_PERMANENT,           // never ages; in a bridge's FDB: its own MAC
};

// What a frame for `mac` does on `device`. Which table is meant is in `flags`: NTF_SELF is that of
// the (VXLAN) device itself, NTF_MASTER that of the bridge of which `device` is a port.
struct FdbEntry {
  IfIndex device{};
  MacAddress mac;
  std::optional<IpAddress> destination;  // 0.0.0.0 on VXLAN: not out there, it is on the bridge
  std::optional<Vni> vni;                // when not the device's own
  std::uint16_t port = 0;                // host order; 0: the device's own
  std::optional<IfIndex> via;            // leaves by this device, whatever the routes say
  State state = State::kReachable;
  std::uint8_t flags = NTF_SELF;  // also NTF_ROUTER, NTF_EXT_LEARNED, NTF_STICKY

  std::string to_string() const;  // "02:..:01 dev 7 dst 192.0.2.1 vni 20 via 3", as bridge(8)
  friend bool operator==(const FdbEntry&, const FdbEntry&) = default;
};

struct NeighbourEntry {
  IfIndex device{};
  IpAddress ip;
  MacAddress mac;  // zero where the kernel has none (an unresolved or failed entry)
  State state = State::kPermanent;
  std::uint8_t flags = 0;

  std::string to_string() const;  // "10.1.0.2 dev 7 lladdr 02:..:01"
  friend bool operator==(const NeighbourEntry&, const NeighbourEntry&) = default;
};

enum class Change : std::uint8_t {
  kCreate,   // refused (EEXIST) when there
  kReplace,  // made or overwritten; the one destination of a unicast MAC
  // One more destination in the list of a multicast, broadcast or all-zero MAC, for which kReplace
  // is refused once it is there. A destination that is there already: nothing changes, success.
  kAppend,
  // Of an FDB entry with a destination only that one goes (with its vni, port and via), without one
  // the whole list goes; the kernel takes 0.0.0.0 and :: for none. An absent MAC or IP is refused
  // (ENOENT), an absent destination of a present MAC is not.
  kDelete,
};

void add(Batch& batch, Change change, const FdbEntry& entry);
void add(Batch& batch, Change change, const NeighbourEntry& entry);

// The family header and attributes alone.
void put(Builder& builder, const FdbEntry& entry);
void put(Builder& builder, const NeighbourEntry& entry);

// RTM_NEWNEIGH, RTM_DELNEIGH or RTM_GETNEIGH of family AF_BRIDGE, or of AF_INET/AF_INET6. Empty:
// another type or family, malformed, or an entry without a MAC (FDB) or an IP (neighbour).
std::optional<FdbEntry> decode_fdb(const Message& message) noexcept;
std::optional<NeighbourEntry> decode_neighbour(const Message& message) noexcept;

}  // namespace dove::netlink
