// Whole tables of the kernel, and single questions.
//
// A dump that the kernel says was inconsistent (NLM_F_DUMP_INTR: the table changed meanwhile) is
// made again, up to kDumpAttempts times, then kUnavailable. Dumps are for starting up and for
// recovering: a full FDB of 100k entries takes 0.3 s, of a million over a minute.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/ip_address.h"
#include "core/result.h"
#include "core/vtep.h"
#include "netlink/link.h"
#include "netlink/neighbour.h"
#include "netlink/socket.h"

namespace dove::netlink {

inline constexpr int kDumpAttempts = 8;

// A socket fit for the functions below: NETLINK_ROUTE, no groups, strict checking.
Result<Socket> open_query_socket();

// Sends `request` (NLM_F_DUMP is added) and gives every message of the answer to `take`, whose
// first call of each attempt is preceded by `restart`.
struct DumpRequest {
  std::uint16_t type;
  std::function<void(Builder&)> put;  // family header and attributes
  std::function<void()> restart;      // forget what was taken
  std::function<void(const Message&)> take;
};
Status dump(Socket& socket, const DumpRequest& request);

// The entries of a VXLAN device's own table, or, with `bridge`, of the bridge's for that port.
Result<std::vector<FdbEntry>> dump_fdb(Socket& socket, IfIndex device);
Result<std::vector<FdbEntry>> dump_bridge_fdb(Socket& socket, IfIndex bridge);
Result<std::vector<NeighbourEntry>> dump_neighbours(Socket& socket, IfIndex device);
Result<std::vector<Link>> dump_links(Socket& socket);

struct Address {
  IfIndex device{};
  IpAddress ip;
  unsigned prefix_length = 0;
  friend bool operator==(const Address&, const Address&) = default;
};
Result<std::vector<Address>> dump_addresses(Socket& socket);

// How this host would send to `destination`: RTM_GETROUTE. kUnavailable when it cannot.
struct Route {
  IfIndex device{};
  std::optional<IpAddress> gateway;
  std::optional<IpAddress> source;   // what the kernel would fill in
  std::optional<std::uint32_t> mtu;  // the route's own; empty: the device's
  bool local = false;                // it is an address of this host
};
Result<Route> route_to(Socket& socket, const IpAddress& destination);

}  // namespace dove::netlink
