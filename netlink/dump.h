// Tables of the kernel as values, and single entries of them. A table is whole or an error: see
// query.h for what happens when it changes meanwhile.
//
// Dumps are for starting up and for recovering: the full FDB of a device takes 0.3 s at 100k
// entries and over a minute at a million.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/ip_address.h"
#include "core/mac_address.h"
#include "core/prefix.h"
#include "core/result.h"
#include "core/vtep.h"
#include "netlink/link.h"
#include "netlink/neighbour.h"
#include "netlink/query.h"

namespace dove::netlink {

// The entries of the device's own table (VXLAN).
Result<std::vector<FdbEntry>> dump_fdb(Query& query, IfIndex device);
// The entries of a bridge's table: `device` in them is the port.
Result<std::vector<FdbEntry>> dump_bridge_fdb(Query& query, IfIndex bridge);
// Those that the kernel makes itself for multicast addresses (kNoArp) are among them.
Result<std::vector<NeighbourEntry>> dump_neighbours(Query& query, IfIndex device);
Result<std::vector<Link>> dump_links(Query& query);

// What the first and the third of these ask, for who reads in slices (Query::begin_dump()).
Query::Question fdb_question(IfIndex device);
Query::Question neighbours_question(IfIndex device);
// An entry of the device's own table; empty for one of the bridge's, which are told besides.
std::optional<FdbEntry> own_entry(const Message& message, IfIndex device) noexcept;

// What is there now, in a notification's stead; empty: no such entry. Of a list the first
// destination.
Result<std::optional<FdbEntry>> find_fdb(Query& query, IfIndex device, const MacAddress& mac);
Result<std::optional<NeighbourEntry>> find_neighbour(Query& query, IfIndex device,
                                                     const IpAddress& ip);

struct Address {
  IfIndex device{};
  IpAddress ip;
  unsigned prefix_length = 0;
  friend bool operator==(const Address&, const Address&) = default;
};
Result<std::vector<Address>> dump_addresses(Query& query);
Result<std::vector<Address>> dump_addresses(Query& query, IfIndex device);

// How this host would send to `destination`, from its own address `source` if one is named. An
// error when it cannot (no route, unreachable).
struct Route {
  IfIndex device{};
  std::optional<IpAddress> gateway;
  std::optional<IpAddress> source;   // what the kernel would fill in
  std::optional<std::uint32_t> mtu;  // the route's own, or the path's as learnt; else the device's
  bool local = false;                // it is an address of this host
  friend bool operator==(const Route&, const Route&) = default;
};
Result<Route> route_to(Query& query, const IpAddress& destination,
                       const std::optional<IpAddress>& source = std::nullopt);

// Whether the main table has the static route "unreachable `destination` metric `metric`".
Result<bool> has_unreachable(Query& query, const Prefix& destination, std::uint32_t metric);

// RTM_NEWADDR, RTM_NEWROUTE. Empty: another message, or malformed.
std::optional<Address> decode_address(const Message& message) noexcept;
std::optional<Route> decode_route(const Message& message) noexcept;

}  // namespace dove::netlink
