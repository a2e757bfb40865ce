#include "netlink/dump.h"

#include <fmt/format.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include <cerrno>

#include "netlink/system_error.h"

namespace dove::netlink {
namespace {

// A whole table through `decode`, which gives an optional value or nothing to keep.
template <class T, class Decode>
Result<std::vector<T>> collect(Query& query, const Query::Question& question, Decode decode) {
  std::vector<T> table;
  const auto dumped = query.dump(
      question, [&] { table.clear(); },
      [&](const Message& message) {
        if (auto value = decode(message)) table.push_back(*std::move(value));
      });
  if (!dumped) return dumped.error();
  return table;
}

ndmsg neighbour_header(int family, IfIndex device) {
  ndmsg header{};
  header.ndm_family = static_cast<std::uint8_t>(family);
  header.ndm_ifindex = static_cast<int>(device);
  return header;
}

// No entry: the kernel says ENOENT, and a VXLAN device with none of its kind likewise.
template <class T>
Result<std::optional<T>> maybe(const Status& asked, std::optional<T> value) {
  if (asked) return value;
  if (asked.error().os_error == ENOENT) return std::optional<T>{};
  return asked.error();
}

}  // namespace

// The kernel filters by ndm_ifindex; the flags tell the device's own entries (NTF_SELF) from those
// a bridge has for it.
Query::Question fdb_question(IfIndex device) {
  return {.what = "dump the FDB", .type = RTM_GETNEIGH, .put = [device](Builder& builder) {
            builder.family(neighbour_header(AF_BRIDGE, device));
          }};
}

std::optional<FdbEntry> own_entry(const Message& message, IfIndex device) noexcept {
  auto entry = decode_fdb(message);
  const bool own = entry && entry->device == device && (entry->flags & NTF_SELF) != 0;
  return own ? entry : std::nullopt;
}

Query::Question neighbours_question(IfIndex device) {
  return {.what = "dump the neighbours", .type = RTM_GETNEIGH, .put = [device](Builder& builder) {
            builder.family(neighbour_header(AF_UNSPEC, IfIndex{0})).put_number(NDA_IFINDEX, device);
          }};
}

Result<std::vector<FdbEntry>> dump_fdb(Query& query, IfIndex device) {
  return collect<FdbEntry>(query, fdb_question(device),
                           [&](const Message& message) { return own_entry(message, device); });
}

Result<std::vector<FdbEntry>> dump_bridge_fdb(Query& query, IfIndex bridge) {
  return collect<FdbEntry>(
      query,
      {.what = "dump the bridge's FDB",
       .type = RTM_GETNEIGH,
       .put =
           [&](Builder& builder) {
             builder.family(neighbour_header(AF_BRIDGE, IfIndex{0})).put_number(NDA_MASTER, bridge);
           }},
      [&](const Message& message) -> std::optional<FdbEntry> {
        auto entry = decode_fdb(message);
        const bool of_bridge = entry && (entry->flags & NTF_SELF) == 0;
        return of_bridge ? entry : std::nullopt;
      });
}

Result<std::vector<NeighbourEntry>> dump_neighbours(Query& query, IfIndex device) {
  return collect<NeighbourEntry>(query, neighbours_question(device), [&](const Message& message) {
    auto entry = decode_neighbour(message);
    return entry && entry->device == device ? entry : std::nullopt;
  });
}

Result<std::vector<Link>> dump_links(Query& query) {
  return collect<Link>(query,
                       {.what = "dump the devices",
                        .type = RTM_GETLINK,
                        .put =
                            [](Builder& builder) {
                              builder.family(ifinfomsg{}).put_number(IFLA_EXT_MASK, kLinkFilter);
                            }},
                       [](const Message& message) { return decode_link(message); });
}

Result<std::optional<FdbEntry>> find_fdb(Query& query, IfIndex device, const MacAddress& mac) {
  std::optional<FdbEntry> found;
  const auto asked = query.ask({.what = "find an FDB entry",
                                .type = RTM_GETNEIGH,
                                .put =
                                    [&](Builder& builder) {
                                      ndmsg header = neighbour_header(AF_BRIDGE, device);
                                      header.ndm_flags = NTF_SELF;
                                      builder.family(header).put(NDA_LLADDR, mac.wire());
                                    }},
                               [&](const Message& message) { found = decode_fdb(message); });
  return maybe(asked, found);
}

Result<std::optional<NeighbourEntry>> find_neighbour(Query& query, IfIndex device,
                                                     const IpAddress& ip) {
  std::optional<NeighbourEntry> found;
  const auto asked = query.ask(
      {.what = "find a neighbour",
       .type = RTM_GETNEIGH,
       .put =
           [&](Builder& builder) {
             builder.family(neighbour_header(ip.family(), device)).put(NDA_DST, ip.wire());
           }},
      [&](const Message& message) { found = decode_neighbour(message); });
  return maybe(asked, found);
}

std::optional<Address> decode_address(const Message& message) noexcept {
  const auto header = message.family<ifaddrmsg>();
  const auto table = Attributes<IFA_LOCAL>::of<ifaddrmsg>(message);
  if (message.type() != RTM_NEWADDR || !header || !table) return std::nullopt;
  // On a point-to-point device IFA_ADDRESS is the peer's.
  const auto ip = IpAddress::from_wire((*table)[table->has(IFA_LOCAL) ? IFA_LOCAL : IFA_ADDRESS]);
  if (!ip) return std::nullopt;
  return Address{.device = IfIndex{static_cast<int>(header->ifa_index)},
                 .ip = *ip,
                 .prefix_length = header->ifa_prefixlen};
}

std::optional<Route> decode_route(const Message& message) noexcept {
  const auto header = message.family<rtmsg>();
  const auto table = Attributes<RTA_MAX>::of<rtmsg>(message);
  if (message.type() != RTM_NEWROUTE || !header || !table) return std::nullopt;
  const auto device = table->number<int>(RTA_OIF);
  const auto metrics = table->nested<RTAX_MAX>(RTA_METRICS);
  if (!device || !metrics) return std::nullopt;
  return Route{.device = IfIndex{*device},
               .gateway = IpAddress::from_wire((*table)[RTA_GATEWAY]),
               .source = IpAddress::from_wire((*table)[RTA_PREFSRC]),
               .mtu = metrics->number<std::uint32_t>(RTAX_MTU),
               .local = header->rtm_type == RTN_LOCAL};
}

Result<std::vector<Address>> dump_addresses(Query& query) {
  return collect<Address>(query,
                          {.what = "dump the addresses",
                           .type = RTM_GETADDR,
                           .put = [](Builder& builder) { builder.family(ifaddrmsg{}); }},
                          decode_address);
}

// A kernel that filters by strict check gives none of other devices.
Result<std::vector<Address>> dump_addresses(Query& query, IfIndex device) {
  return collect<Address>(query,
                          {.what = "dump the addresses of a device",
                           .type = RTM_GETADDR,
                           .put =
                               [device](Builder& builder) {
                                 ifaddrmsg header{};
                                 header.ifa_index = static_cast<std::uint32_t>(device);
                                 builder.family(header);
                               }},
                          [device](const Message& message) {
                            const auto address = decode_address(message);
                            return address && address->device == device ? address : std::nullopt;
                          });
}

// The kernel filters all but the prefix.
Result<bool> has_unreachable(Query& query, const Prefix& destination, std::uint32_t metric) {
  bool found = false;
  const auto dumped = query.dump(
      {.what = "dump the unreachable routes",
       .type = RTM_GETROUTE,
       .put =
           [&](Builder& builder) {
             rtmsg header{};
             header.rtm_family = static_cast<std::uint8_t>(destination.network().family());
             header.rtm_table = RT_TABLE_MAIN;
             header.rtm_protocol = RTPROT_STATIC;
             header.rtm_type = RTN_UNREACHABLE;
             builder.family(header);
           }},
      [&] { found = false; },
      [&](const Message& message) {
        const auto header = message.family<rtmsg>();
        const auto table = Attributes<RTA_MAX>::of<rtmsg>(message);
        if (!header || !table || header->rtm_type != RTN_UNREACHABLE) return;
        found = found || (header->rtm_dst_len == destination.length() &&
                          IpAddress::from_wire((*table)[RTA_DST]) == destination.network() &&
                          table->number<std::uint32_t>(RTA_PRIORITY) == metric);
      });
  if (!dumped) return dumped.error();
  return found;
}

Result<Route> route_to(Query& query, const IpAddress& destination,
                       const std::optional<IpAddress>& source) {
  const std::string what = fmt::format("find a route to {}", destination.to_string());
  std::optional<Route> route;
  const auto asked =
      query.ask({.what = what,
                 .type = RTM_GETROUTE,
                 .put =
                     [&](Builder& builder) {
                       rtmsg header{};
                       header.rtm_family = static_cast<std::uint8_t>(destination.family());
                       header.rtm_dst_len = static_cast<std::uint8_t>(destination.bits());
                       if (source) header.rtm_src_len = header.rtm_dst_len;
                       builder.family(header).put(RTA_DST, destination.wire());
                       if (source) builder.put(RTA_SRC, source->wire());
                     }},
                [&](const Message& message) { route = decode_route(message); });
  if (!asked) return asked.error();
  if (!route) return system_error(what, EBADMSG);
  return *route;
}

}  // namespace dove::netlink
