//  0 destination(6)  6 source(6)  12 type 86dd
// 14 version 6  18 payload length(2)  20 next header  21 hop limit  22 source(16)  38
// destination(16) 54 [hop-by-hop options]  ICMPv6: 0 type  1 code  2 checksum(2)  4 flags or
// reserved(4)
//    8 target(16)  24 options: type, length in units of 8 bytes, value
#include "agent/frames/nd.h"

#include "agent/frames/bytes.h"
#include "core/link_local.h"

namespace dove::agent {
namespace {

constexpr std::size_t kIpv6Header = 40;
constexpr std::size_t kNdMessage = 24;  // NS and NA, without options
constexpr std::uint8_t kHopByHop = 0;
constexpr std::uint8_t kIcmpv6 = 58;

enum Type : std::uint8_t {
  kListenerReport = 131,
  kListenerDone = 132,
  kRouterSolicitation = 133,
  kRouterAdvertisement = 134,
  kSolicitation = 135,
  kAdvertisement = 136,
  kListenerReportV2 = 143,
};
constexpr std::uint8_t kSourceLink = 1;
constexpr std::uint8_t kTargetLink = 2;
constexpr std::uint8_t kRouterFlag = 0x80;
constexpr std::uint8_t kSolicitedFlag = 0x40;
constexpr std::uint8_t kOverrideFlag = 0x20;

struct Icmpv6Packet {
  MacAddress ethernet_source;
  IpAddress source;
  IpAddress destination;
  std::uint8_t hop_limit;
  bool hop_by_hop;  // options were in front
  ByteView message;

  std::uint8_t type() const noexcept { return get8(message, 0); }
};

std::uint16_t icmpv6_checksum(ByteView addresses, ByteView message) noexcept {
  std::uint32_t sum = checksum_add(0, addresses);
  sum += static_cast<std::uint32_t>(message.size()) + kIcmpv6;
  return checksum_fold(checksum_add(sum, message));
}

std::optional<Icmpv6Packet> parse_icmpv6(ByteView frame) noexcept {
  if (frame.size() < kEthernetHeader + kIpv6Header) return std::nullopt;
  if (get16(frame, 12) != kEtherTypeIpv6 || get8(frame, 14) >> 4U != 6) return std::nullopt;
  ByteView rest = frame.subspan(kEthernetHeader + kIpv6Header);
  if (get16(frame, 18) > rest.size()) return std::nullopt;
  rest = rest.first(get16(frame, 18));

  std::uint8_t next = get8(frame, 20);
  const bool hop_by_hop = next == kHopByHop;
  if (hop_by_hop) {
    if (rest.size() < 8 || rest.size() < (get8(rest, 1) + 1U) * 8U) return std::nullopt;
    next = get8(rest, 0);
    rest = rest.subspan((get8(rest, 1) + 1U) * 8U);
  }
  if (next != kIcmpv6 || rest.size() < 8) return std::nullopt;
  if (icmpv6_checksum(frame.subspan(22, 32), rest) != 0) return std::nullopt;
  return Icmpv6Packet{get_mac(frame, 6), get_ip6(frame, 22), get_ip6(frame, 38),
                      get8(frame, 21),   hop_by_hop,         rest};
}

struct Options {
  std::optional<MacAddress> source_link;
  std::optional<MacAddress> target_link;
};

// Empty when an option is cut short or has a length that its type cannot have.
std::optional<Options> parse_options(ByteView rest) noexcept {
  Options options;
  while (!rest.empty()) {
    if (rest.size() < 8) return std::nullopt;
    const std::size_t length = get8(rest, 1) * 8U;
    if (length == 0 || length > rest.size()) return std::nullopt;
    const std::uint8_t type = get8(rest, 0);
    if (type == kSourceLink || type == kTargetLink) {
      if (length != 8) return std::nullopt;
      (type == kSourceLink ? options.source_link : options.target_link) = get_mac(rest, 2);
    }
    rest = rest.subspan(length);
  }
  return options;
}

bool is_neighbour_message(const Icmpv6Packet& packet) noexcept {
  return packet.hop_limit == 255 && get8(packet.message, 1) == 0 &&
         packet.message.size() >= kNdMessage && !get_ip6(packet.message, 8).is_multicast();
}

NdFrame parse_solicitation(const Icmpv6Packet& packet) noexcept {
  if (!is_neighbour_message(packet)) return {};
  const auto options = parse_options(packet.message.subspan(kNdMessage));
  if (!options) return {};
  const bool detection = packet.source.is_unspecified();
  if (detection && (!is_solicited_node(packet.destination) || options->source_link)) return {};
  return NeighbourSolicitation{packet.ethernet_source,
                               detection ? std::nullopt : std::optional{packet.source},
                               get_ip6(packet.message, 8), options->source_link};
}

NdFrame parse_advertisement(const Icmpv6Packet& packet) noexcept {
  if (!is_neighbour_message(packet)) return {};
  const auto options = parse_options(packet.message.subspan(kNdMessage));
  const std::uint8_t flags = get8(packet.message, 4);
  const bool solicited = (flags & kSolicitedFlag) != 0;
  if (!options || (solicited && packet.destination.is_multicast())) return {};
  return NeighbourAdvertisement{.ethernet_source = packet.ethernet_source,
                                .source = packet.source,
                                .target = get_ip6(packet.message, 8),
                                .router = (flags & kRouterFlag) != 0,
                                .solicited = solicited,
                                .override_entry = (flags & kOverrideFlag) != 0,
                                .target_link = options->target_link};
}

NdFrame sender_of(const Icmpv6Packet& packet) noexcept {
  if (packet.source.is_unspecified()) return {};
  return Ipv6Sender{packet.ethernet_source, packet.source};
}

NdFrame parse_router_solicitation(const Icmpv6Packet& packet) noexcept {
  const bool valid = packet.hop_limit == 255 && get8(packet.message, 1) == 0 &&
                     parse_options(packet.message.subspan(8)).has_value();
  return valid ? sender_of(packet) : NdFrame{};
}

NdFrame parse_router_advertisement(const Icmpv6Packet& packet) noexcept {
  constexpr std::size_t kMessage = 16;
  const bool valid = packet.hop_limit == 255 && get8(packet.message, 1) == 0 &&
                     packet.source.is_link_local() && packet.message.size() >= kMessage &&
                     parse_options(packet.message.subspan(kMessage)).has_value();
  if (!valid) return {};
  return Ipv6Sender{packet.ethernet_source, packet.source, true};
}

NdFrame parse_listener_message(const Icmpv6Packet& packet) noexcept {
  return packet.hop_limit == 1 && packet.hop_by_hop ? sender_of(packet) : NdFrame{};
}

}  // namespace

bool is_solicited_node(const IpAddress& ip) noexcept {
  const ByteView wire = ip.wire();
  return get16(wire, 0) == 0xff02 && get16(wire, 2) == 0 && get16(wire, 4) == 0 &&
         get16(wire, 6) == 0 && get16(wire, 8) == 0 && get16(wire, 10) == 1 &&
         get8(wire, 12) == 0xff;
}

NdFrame parse_nd(ByteView frame) noexcept {
  const auto packet = parse_icmpv6(frame);
  if (!packet || packet->source.is_multicast()) return {};
  switch (packet->type()) {
    case kSolicitation:
      return parse_solicitation(*packet);
    case kAdvertisement:
      return parse_advertisement(*packet);
    case kRouterSolicitation:
      return parse_router_solicitation(*packet);
    case kRouterAdvertisement:
      return parse_router_advertisement(*packet);
    case kListenerReport:
    case kListenerDone:
    case kListenerReportV2:
      return parse_listener_message(*packet);
    default:
      return {};
  }
}

namespace {

struct Discovery {
  std::uint8_t type;
  unsigned flags;
  std::uint8_t link_option;  // in which the sender's own MAC is
  MacAddress from, to;
  IpAddress source;
  ByteView destination;
  IpAddress target;
};

std::array<std::byte, 86> build(const Discovery& what) noexcept {
  std::array<std::byte, 86> frame{};
  put_bytes(frame, 0, what.to.wire());
  put_bytes(frame, 6, what.from.wire());
  put16(frame, 12, kEtherTypeIpv6);

  put8(frame, 14, 6U << 4U);
  put16(frame, 18, 32);
  put8(frame, 20, kIcmpv6);
  put8(frame, 21, 255);
  put_bytes(frame, 22, what.source.wire());
  put_bytes(frame, 38, what.destination);

  const ByteSpan message = ByteSpan{frame}.subspan(54);
  put8(message, 0, what.type);
  put8(message, 4, what.flags);
  put_bytes(message, 8, what.target.wire());
  put8(message, 24, what.link_option);
  put8(message, 25, 1);
  put_bytes(message, 26, what.from.wire());
  put16(message, 2, icmpv6_checksum(ByteView{frame}.subspan(22, 32), message));
  return frame;
}

std::array<std::byte, 86> solicitation(const MacAddress& asker, const IpAddress& source,
                                       const MacAddress& to, ByteView destination,
                                       const IpAddress& ip) noexcept {
  return build({kSolicitation, 0, kSourceLink, asker, to, source, destination, ip});
}

}  // namespace

std::array<std::byte, 86> build_neighbour_advertisement(const NdAnswer& answer) noexcept {
  static constexpr MacAddress kAllNodesMac{{0x33, 0x33, 0, 0, 0, 1}};
  static constexpr std::array<std::uint8_t, 16> kAllNodes{0xff, 2, 0, 0, 0, 0, 0, 0,
                                                          0,    0, 0, 0, 0, 0, 0, 1};
  const unsigned flags =
      (answer.asker_ip ? kSolicitedFlag : 0U) | (answer.router ? kRouterFlag : 0U) | kOverrideFlag;
  return build({kAdvertisement, flags, kTargetLink, answer.mac,
                answer.asker_ip ? answer.asker : kAllNodesMac, answer.ip,
                answer.asker_ip ? answer.asker_ip->wire() : std::as_bytes(std::span{kAllNodes}),
                answer.ip});
}

// To ff02::1:ffXX:XXXX of the address, by the MAC of that group.
std::array<std::byte, 86> build_neighbour_question(const MacAddress& asker, const IpAddress& source,
                                                   const IpAddress& ip) noexcept {
  const auto tail = ip.wire().last(3);
  std::array<std::byte, 16> group{};
  put16(group, 0, 0xff02);
  put16(group, 11, 0x01ff);
  put_bytes(group, 13, tail);
  std::array<std::byte, 6> to{};
  put16(to, 0, 0x3333);
  put8(to, 2, 0xff);
  put_bytes(to, 3, tail);
  return solicitation(asker, source, *MacAddress::from_wire(to), group, ip);
}

std::array<std::byte, 86> build_neighbour_solicitation(const MacAddress& asker,
                                                       const MacAddress& mac,
                                                       const IpAddress& ip) noexcept {
  return solicitation(asker, link_local_of(asker), mac, ip.wire(), ip);
}

}  // namespace dove::agent
