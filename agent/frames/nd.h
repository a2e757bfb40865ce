// IPv6 neighbour discovery (RFC 4861, RFC 4862) as guests send it, frames with their Ethernet
// header. What the RFCs tell a receiver to discard is discarded here: hop limit, checksum, length,
// zero-length options, forbidden combinations.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <variant>

#include "core/ip_address.h"
#include "core/mac_address.h"

namespace dove::agent {

struct NeighbourSolicitation {
  MacAddress ethernet_source;
  std::optional<IpAddress> source;  // empty: duplicate address detection
  IpAddress target;
  std::optional<MacAddress> source_link;  // option
};

struct NeighbourAdvertisement {
  MacAddress ethernet_source;
  IpAddress source;
  IpAddress target;
  bool router = false;
  bool solicited = false;
  bool override_entry = false;
  std::optional<MacAddress> target_link;  // option
};

// A router solicitation or advertisement, or a multicast listener report: who sent it.
struct Ipv6Sender {
  MacAddress ethernet_source;
  IpAddress source;     // never ::
  bool router = false;  // it was an advertisement
};

using NdFrame =
    std::variant<std::monostate, NeighbourSolicitation, NeighbourAdvertisement, Ipv6Sender>;

// ff02::1:ff00:0/104, where the last three bytes are those of an address (RFC 4291 2.7.1).
bool is_solicited_node(const IpAddress& ip) noexcept;

NdFrame parse_nd(std::span<const std::byte> frame) noexcept;

struct NdAnswer {
  MacAddress asker;
  std::optional<IpAddress> asker_ip;  // empty when it was duplicate address detection
  IpAddress ip;
  MacAddress mac;       // who has `ip`
  bool router = false;  // and is one
};
// The advertisement that `mac` itself would send, from `ip`: solicited and unicast to the asker, or
// unsolicited to all nodes when the asker has no address yet. Precondition: all addresses are IPv6.
std::array<std::byte, 86> build_neighbour_advertisement(const NdAnswer& answer) noexcept;

// "Who has `ip`?", to all who may have it, as `asker` asks from `source`. Precondition: both are
// IPv6.
std::array<std::byte, 86> build_neighbour_question(const MacAddress& asker, const IpAddress& source,
                                                   const IpAddress& ip) noexcept;
// "Who has `ip`?", to `mac` alone, which is thought to have it, from the link-local address that
// follows from the asker's MAC. Precondition: it is IPv6.
std::array<std::byte, 86> build_neighbour_solicitation(const MacAddress& asker,
                                                       const MacAddress& mac,
                                                       const IpAddress& ip) noexcept;

}  // namespace dove::agent
