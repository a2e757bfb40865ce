#include "tests/lab/scan_frames.h"

#include <algorithm>
#include <array>

namespace dove::lab {
namespace {

constexpr std::size_t kShortest = 60;

void put(Bytes& out, std::span<const std::byte> bytes) {
  for (const auto byte : bytes) out.push_back(std::to_integer<std::uint8_t>(byte));
}

void put(Bytes& out, std::initializer_list<unsigned> bytes) {
  for (const auto byte : bytes) out.push_back(static_cast<std::uint8_t>(byte));
}

Bytes ethernet(const MacAddress& to, const MacAddress& from, unsigned type) {
  Bytes frame;
  put(frame, to.wire());
  put(frame, from.wire());
  put(frame, {type >> 8U, type & 0xffU});
  return frame;
}

unsigned sum_of(std::span<const std::uint8_t> bytes) {
  unsigned sum = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    sum += static_cast<unsigned>(bytes[i]) << (i % 2 == 0 ? 8U : 0U);
  return sum;
}

// RFC 1071.
void set_checksum(Bytes& frame, std::size_t at, unsigned sum) {
  while (sum > 0xffffU) sum = (sum & 0xffffU) + (sum >> 16U);
  frame[at] = static_cast<std::uint8_t>(~sum >> 8U);
  frame[at + 1] = static_cast<std::uint8_t>(~sum);
}

Bytes arp_request(const Scanner& who, const IpAddress& target) {
  Bytes frame = ethernet(MacAddress{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}, who.mac, 0x0806);
  put(frame, {0, 1, 8, 0, 6, 4, 0, 1});
  put(frame, who.mac.wire());
  put(frame, who.ip.wire());
  put(frame, {0, 0, 0, 0, 0, 0});
  put(frame, target.wire());
  frame.resize(std::max(frame.size(), kShortest));
  return frame;
}

// Source and destination are summed for ICMPv6 and UDP.
std::size_t put_ipv6(Bytes& frame, unsigned next, unsigned length, const IpAddress& from,
                     std::span<const std::byte> to) {
  put(frame, {0x60, 0, 0, 0, 0, length, next, 255});
  const auto addresses = frame.size();
  put(frame, from.wire());
  put(frame, to);
  return addresses;
}

Bytes solicitation(const Scanner& who, const IpAddress& target) {
  const auto wire = target.wire();
  std::array<std::byte, 16> group{std::byte{0xff}, std::byte{2}};
  group[11] = std::byte{1};
  group[12] = std::byte{0xff};
  std::copy(wire.begin() + 13, wire.end(), group.begin() + 13);
  const auto last = [&](std::size_t i) { return std::to_integer<std::uint8_t>(wire[i]); };
  Bytes frame =
      ethernet(MacAddress{{0x33, 0x33, 0xff, last(13), last(14), last(15)}}, who.mac, 0x86dd);
  const auto addresses = put_ipv6(frame, 58, 32, who.ip, group);
  const auto body = frame.size();
  put(frame, {135, 0, 0, 0, 0, 0, 0, 0});
  put(frame, wire);
  put(frame, {1, 1});
  put(frame, who.mac.wire());
  set_checksum(frame, body + 2, sum_of(std::span{frame}.subspan(addresses)) + 32 + 58);
  return frame;
}

constexpr std::array kUdp{std::uint8_t{0x27}, std::uint8_t{0x0f}, std::uint8_t{0x27},
                          std::uint8_t{0x10}, std::uint8_t{0},    std::uint8_t{8},
                          std::uint8_t{0},    std::uint8_t{0}};

}  // namespace

Bytes question(const Scanner& who, const IpAddress& target) {
  return target.is_v4() ? arp_request(who, target) : solicitation(who, target);
}

Bytes datagram(const Scanner& who, const MacAddress& router, const IpAddress& target) {
  Bytes frame = ethernet(router, who.mac, target.is_v4() ? 0x0800 : 0x86dd);
  const auto header = frame.size();
  if (target.is_v4()) {
    put(frame, {0x45, 0, 0, 28, 0, 0, 0x40, 0, 64, 17, 0, 0});
    put(frame, who.ip.wire());
    put(frame, target.wire());
    set_checksum(frame, header + 10, sum_of(std::span{frame}.subspan(header)));
    frame.insert(frame.end(), kUdp.begin(), kUdp.end());
  } else {
    const auto addresses = put_ipv6(frame, 17, 8, who.ip, target.wire());
    const auto body = frame.size();
    frame.insert(frame.end(), kUdp.begin(), kUdp.end());
    set_checksum(frame, body + 6, sum_of(std::span{frame}.subspan(addresses)) + 8 + 17);
  }
  frame.resize(std::max(frame.size(), kShortest));
  return frame;
}

IpAddress behind(const IpAddress& first, std::uint64_t offset) {
  if (first.is_v4())
    return IpAddress::v4(first.v4_host_order() + static_cast<std::uint32_t>(offset));
  std::array<std::byte, 16> bytes{};
  std::copy(first.wire().begin(), first.wire().end(), bytes.begin());
  for (std::size_t i = bytes.size(); i-- > 0 && offset != 0;) {
    offset += std::to_integer<std::uint64_t>(bytes[i]);
    bytes[i] = static_cast<std::byte>(offset & 0xffU);
    offset >>= 8U;
  }
  return *IpAddress::from_wire(bytes);
}

}  // namespace dove::lab
