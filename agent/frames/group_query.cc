// IGMP: 14 IPv4 with a Router Alert option(24)  38 type 11  39 response time  40 checksum(2)
//       42 group(4)  46 robustness  47 interval  48 sources(2)
// MLD:  14 IPv6(40)  54 hop-by-hop options: Router Alert(8)  62 type 82  64 checksum(2)
//       66 response time(2)  70 group(16)  86 robustness  87 interval  88 sources(2)
#include "agent/frames/group_query.h"

#include "agent/frames/bytes.h"

namespace dove::agent {
namespace {

constexpr unsigned kRobustness = 2;
constexpr MacAddress kAllHosts4{{0x01, 0x00, 0x5e, 0x00, 0x00, 0x01}};
constexpr MacAddress kAllNodes6{{0x33, 0x33, 0x00, 0x00, 0x00, 0x01}};

// A number as `bits` of mantissa below three of exponent, where it does not fit as it is.
unsigned coded(unsigned value, unsigned bits) noexcept {
  const unsigned direct = 1U << (bits + 3);
  if (value < direct) return value;
  unsigned exponent = 0;
  while (value >= 1U << (bits + 4 + exponent) && exponent < 7) ++exponent;
  const unsigned mantissa = std::min(value >> (exponent + 3U), (1U << (bits + 1U)) - 1U);
  return direct | exponent << bits | (mantissa & ((1U << bits) - 1U));
}

}  // namespace

std::array<std::byte, 50> build_igmp_query(const MacAddress& source,
                                           const QueryTimes& times) noexcept {
  std::array<std::byte, 50> frame{};
  put_bytes(frame, 0, kAllHosts4.wire());
  put_bytes(frame, 6, source.wire());
  put16(frame, 12, 0x0800);
  const ByteSpan ip = ByteSpan{frame}.subspan(14, 24);
  put16(ip, 0, 0x46c0);
  put16(ip, 2, 36);
  put16(ip, 8, 0x0102);   // TTL 1, IGMP
  put16(ip, 16, 0xe000);  // 224.0.0.1
  put16(ip, 18, 0x0001);
  put16(ip, 20, 0x9404);  // Router Alert
  put16(ip, 10, checksum_fold(checksum_add(0, ip)));
  const ByteSpan igmp = ByteSpan{frame}.subspan(38);
  put8(igmp, 0, 0x11);
  put8(igmp, 1, coded(static_cast<unsigned>(times.response.count() / 100), 4));
  put8(igmp, 8, kRobustness);
  put8(igmp, 9, coded(static_cast<unsigned>(times.interval.count()), 4));
  put16(igmp, 2, checksum_fold(checksum_add(0, igmp)));
  return frame;
}

std::array<std::byte, 90> build_mld_query(const MacAddress& source,
                                          const QueryTimes& times) noexcept {
  std::array<std::byte, 90> frame{};
  put_bytes(frame, 0, kAllNodes6.wire());
  put_bytes(frame, 6, source.wire());
  put16(frame, 12, kEtherTypeIpv6);
  put8(frame, 14, 6U << 4U);
  put16(frame, 18, 36);
  put16(frame, 20, 0x0001);  // hop-by-hop options, hop limit 1
  const ByteSpan from = ByteSpan{frame}.subspan(22, 16);
  put16(from, 0, 0xfe80);
  put_bytes(from, 8, source.wire().first(3));
  put16(from, 11, 0xfffe);
  put_bytes(from, 13, source.wire().last(3));
  from[8] ^= std::byte{2};
  put16(frame, 38, 0xff02);  // ff02::1
  put8(frame, 53, 1);
  put8(frame, 54, 58);       // ICMPv6 follows
  put16(frame, 56, 0x0502);  // Router Alert
  put16(frame, 60, 0x0100);  // padding
  const ByteSpan mld = ByteSpan{frame}.subspan(62);
  put8(mld, 0, 130);
  put16(mld, 4, coded(static_cast<unsigned>(times.response.count()), 12));
  put8(mld, 24, kRobustness);
  put8(mld, 25, coded(static_cast<unsigned>(times.interval.count()), 4));
  std::uint32_t sum = checksum_add(0, ByteView{frame}.subspan(22, 32));
  sum = checksum_add(sum + 28 + 58, mld);
  put16(mld, 2, checksum_fold(sum));
  return frame;
}

}  // namespace dove::agent
