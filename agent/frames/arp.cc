//  0 destination(6)  6 source(6)  12 type 0806
// 14 hardware 0001  16 protocol 0800  18 hlen 6  19 plen 4  20 operation(2)
// 22 sender mac(6)  28 sender ip(4)  32 target mac(6)  38 target ip(4)  42
#include "agent/frames/arp.h"

#include "agent/frames/bytes.h"

namespace dove::agent {
namespace {

constexpr std::size_t kArpFrame = 42;
constexpr std::uint16_t kEthernet = 1;
constexpr std::uint16_t kIpv4 = 0x0800;
constexpr std::uint16_t kLengths = 0x0604;

bool is_arp(ByteView frame) noexcept {
  return frame.size() >= kArpFrame && get16(frame, 12) == kEtherTypeArp &&
         get16(frame, 14) == kEthernet && get16(frame, 16) == kIpv4 &&
         get16(frame, 18) == kLengths && (get16(frame, 20) == 1 || get16(frame, 20) == 2);
}

// All but the target.
std::array<std::byte, kArpFrame> start(ArpFrame::Operation operation, const MacAddress& to,
                                       const IpAddress& ip, const MacAddress& mac) noexcept {
  std::array<std::byte, kArpFrame> frame{};
  put_bytes(frame, 0, to.wire());
  put_bytes(frame, 6, mac.wire());
  put16(frame, 12, kEtherTypeArp);
  put16(frame, 14, kEthernet);
  put16(frame, 16, kIpv4);
  put16(frame, 18, kLengths);
  put16(frame, 20, static_cast<unsigned>(operation));
  put_bytes(frame, 22, mac.wire());
  put_bytes(frame, 28, ip.wire());
  return frame;
}

}  // namespace

std::optional<ArpFrame> parse_arp(ByteView frame) noexcept {
  if (!is_arp(frame)) return std::nullopt;
  return ArpFrame{
      .operation = ArpFrame::Operation{get8(frame, 21)},
      .ethernet_source = get_mac(frame, 6),
      .ethernet_destination = get_mac(frame, 0),
      .sender_mac = get_mac(frame, 22),
      .sender_ip = get_ip4(frame, 28),
      .target_mac = get_mac(frame, 32),
      .target_ip = get_ip4(frame, 38),
  };
}

std::array<std::byte, 42> build_arp_reply(const ArpAnswer& answer) noexcept {
  auto frame = start(ArpFrame::Operation::kReply, answer.asker, answer.ip, answer.mac);
  put_bytes(frame, 32, answer.asker.wire());
  put_bytes(frame, 38, answer.asker_ip.wire());
  return frame;
}

std::array<std::byte, 42> build_arp_request(const ArpQuestion& question) noexcept {
  auto frame =
      start(ArpFrame::Operation::kRequest, question.mac, question.asker_ip, question.asker);
  put_bytes(frame, 38, question.ip.wire());
  return frame;
}

std::array<std::byte, 42> build_arp_announcement(const IpAddress& ip,
                                                 const MacAddress& mac) noexcept {
  auto frame = start(ArpFrame::Operation::kRequest, MacAddress::broadcast(), ip, mac);
  put_bytes(frame, 38, ip.wire());
  return frame;
}

}  // namespace dove::agent
