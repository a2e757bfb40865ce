// Ethernet:  0 destination(6)  6 source(6)  12 type(2)
// IPv4:     14 version, header words  16 total length(2)  20 flags, offset(2)  22 ttl  23 protocol
//           24 checksum(2)  26 source(4)  30 destination(4)
// IPv6:     14 version  18 payload length(2)  20 next header  21 hop limit  22 source(16)
//           38 destination(16)
// ICMP:      0 type  1 code  2 checksum(2)
#include "agent/frames/echo.h"

#include <algorithm>
#include <array>

#include "agent/frames/bytes.h"

namespace dove::agent {
namespace {

using Frame = std::vector<std::byte>;

constexpr std::uint8_t kTtl = 64;
constexpr std::size_t kIcmpHeader = 8;

struct Echo {
  std::uint8_t request;
  std::uint8_t reply;
};
constexpr Echo kIcmp{8, 0};
constexpr Echo kIcmpv6{128, 129};

void swap(ByteSpan bytes, std::size_t a, std::size_t b, std::size_t size) noexcept {
  const auto first = bytes.begin() + static_cast<std::ptrdiff_t>(a);
  std::swap_ranges(first, first + static_cast<std::ptrdiff_t>(size),
                   bytes.begin() + static_cast<std::ptrdiff_t>(b));
}

// Swapped addresses do not change a checksum over them, the type does.
bool answer_message(ByteSpan message, const Echo& echo) noexcept {
  if (message.size() < kIcmpHeader || get8(message, 0) != echo.request || get8(message, 1) != 0)
    return false;
  std::array<std::byte, 2> before{};
  put_bytes(before, 0, message.first(2));
  put8(message, 0, echo.reply);
  put16(message, 2, checksum_update(get16(message, 2), before, message.first(2)));
  return true;
}

bool answer_ipv4(Frame& frame) {
  const ByteSpan packet = ByteSpan{frame}.subspan(kEthernetHeader);
  if (packet.size() < 20 || get8(packet, 0) != 0x45 || get8(packet, 9) != 1) return false;
  const std::size_t length = get16(packet, 2);
  const bool fragment = (get16(packet, 6) & 0x3fffU) != 0;
  if (length < 20 || length > packet.size() || fragment || !get_ip4(packet, 12).is_assignable())
    return false;
  if (!answer_message(packet.subspan(20, length - 20), kIcmp)) return false;
  swap(packet, 12, 16, 4);
  put8(packet, 8, kTtl);
  put16(packet, 10, 0);
  put16(packet, 10, checksum_fold(checksum_add(0, packet.first(20))));
  frame.resize(kEthernetHeader + length);
  return true;
}

bool answer_ipv6(Frame& frame) {
  const ByteSpan packet = ByteSpan{frame}.subspan(kEthernetHeader);
  if (packet.size() < 40 || get8(packet, 6) != 58) return false;
  const std::size_t length = get16(packet, 4);
  if (length > packet.size() - 40 || !get_ip6(packet, 8).is_assignable()) return false;
  if (!answer_message(packet.subspan(40, length), kIcmpv6)) return false;
  swap(packet, 8, 24, 16);
  put8(packet, 7, kTtl);
  frame.resize(kEthernetHeader + 40 + length);
  return true;
}

}  // namespace

std::optional<Frame> build_echo_reply(ByteView request) {
  if (request.size() < kEthernetHeader) return std::nullopt;
  Frame frame(request.begin(), request.end());
  const std::uint16_t type = get16(request, 12);
  const bool answered = (type == kEtherTypeIpv4 && answer_ipv4(frame)) ||
                        (type == kEtherTypeIpv6 && answer_ipv6(frame));
  if (!answered) return std::nullopt;
  swap(frame, 0, 6, 6);
  return frame;
}

}  // namespace dove::agent
