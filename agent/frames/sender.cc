#include "agent/frames/sender.h"

#include "agent/frames/arp.h"
#include "agent/frames/bytes.h"
#include "agent/frames/nd.h"

namespace dove::agent {
namespace {

constexpr std::size_t kIpv4Header = 20;
constexpr std::size_t kIpv6Header = 40;

// Neighbour discovery by its type, well-formed or not. Precondition: an IPv6 header.
bool is_discovery(ByteView frame) noexcept {
  constexpr std::uint8_t kIcmpv6 = 58;
  constexpr std::size_t kType = kEthernetHeader + kIpv6Header;
  if (get8(frame, 20) != kIcmpv6 || frame.size() <= kType) return false;
  return get8(frame, kType) >= 133 && get8(frame, kType) <= 137;
}

// What a frame of these says of its sender's addresses.
class Claim {
 public:
  explicit Claim(FrameSender& sender) noexcept : sender_{sender} {}

  void operator()(const ArpFrame& arp) noexcept {
    if (arp.sender_mac != arp.ethernet_source) return;
    speaks_for(arp.sender_ip);
    if (arp.is_probe()) asks_about(arp.target_ip);
  }
  void operator()(const NeighbourSolicitation& nd) noexcept {
    if (!nd.source) asks_about(nd.target);
    if (nd.source && (!nd.source_link || *nd.source_link == nd.ethernet_source))
      speaks_for(*nd.source);
  }
  void operator()(const NeighbourAdvertisement& nd) noexcept {
    if (!nd.target_link || *nd.target_link == nd.ethernet_source) speaks_for(nd.target);
  }
  void operator()(const Ipv6Sender& other) noexcept { sends_from(other.source); }
  void operator()(std::monostate) noexcept {}

  void sends_from(const IpAddress& ip) noexcept {
    if (ip.is_assignable()) sender_.ip = ip;
  }

 private:
  void speaks_for(const IpAddress& ip) noexcept {
    sends_from(ip);
    sender_.claimed = sender_.ip.has_value();
  }
  void asks_about(const IpAddress& ip) noexcept {
    if (ip.is_assignable()) sender_.tentative = ip;
  }
  FrameSender& sender_;
};

// Precondition: an IPv4 header.
bool is_dhcp_client(ByteView frame) noexcept {
  constexpr std::uint8_t kUdp = 17;
  constexpr std::uint16_t kFragment = 0x3fff;  // an offset, or more to come
  const std::size_t header = (get8(frame, 14) & 0xfU) * std::size_t{4};
  const std::size_t udp = kEthernetHeader + header;
  return header >= kIpv4Header && frame.size() >= udp + 4 && get8(frame, 23) == kUdp &&
         (get16(frame, 20) & kFragment) == 0 && get_ip4(frame, 26).is_unspecified() &&
         get16(frame, udp) == 68 && get16(frame, udp + 2) == 67;
}

}  // namespace

bool needs_no_address(ByteView frame) noexcept {
  if (frame.size() < kEthernetHeader) return false;
  switch (get16(frame, 12)) {
    case kEtherTypeIpv4:
      return frame.size() >= kEthernetHeader + kIpv4Header && is_dhcp_client(frame);
    case kEtherTypeIpv6:
    case kEtherTypeArp:
      return false;
    default:
      return true;
  }
}

std::optional<FrameSender> read_sender(ByteView frame) noexcept {
  if (frame.size() < kEthernetHeader) return std::nullopt;
  FrameSender sender{get_mac(frame, 6), {}};
  if (!sender.mac.is_unicast()) return std::nullopt;
  Claim claim{sender};
  const auto type = get16(frame, 12);
  if (const auto arp = parse_arp(frame)) {
    claim(*arp);
  } else if (type == kEtherTypeIpv4 && frame.size() >= kEthernetHeader + kIpv4Header) {
    claim.sends_from(get_ip4(frame, 26));
  } else if (type == kEtherTypeIpv6 && frame.size() >= kEthernetHeader + kIpv6Header) {
    const auto nd = parse_nd(frame);
    if (std::holds_alternative<std::monostate>(nd) && !is_discovery(frame))
      claim.sends_from(get_ip6(frame, 22));
    std::visit(claim, nd);
  }
  return sender;
}

}  // namespace dove::agent
