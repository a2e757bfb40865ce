#include "agent/frames/bytes.h"
#include "agent/frames/nd.h"
#include "tests/catch.h"
#include "tests/unit/agent/hex.h"
#include "tests/unit/agent/kernel_frames.h"

namespace dove::agent {
namespace {

const MacAddress kA = *MacAddress::parse("02:00:00:00:00:0a");
const MacAddress kB = *MacAddress::parse("02:00:00:00:00:0b");
const IpAddress kIpA = *IpAddress::parse("fe80::ff:fe00:a");
const IpAddress kIpB = *IpAddress::parse("fe80::ff:fe00:b");
const IpAddress kGlobal = *IpAddress::parse("fd00::1");

bool is_nothing(const NdFrame& frame) { return std::holds_alternative<std::monostate>(frame); }

// Makes the ICMPv6 checksum right again after a change that is to be judged by itself.
std::vector<std::byte> with_checksum(std::vector<std::byte> frame, std::size_t icmp = 54) {
  put16(frame, icmp + 2, 0);
  const ByteView message = ByteView{frame}.subspan(icmp);
  std::uint32_t sum = checksum_add(0, ByteView{frame}.subspan(22, 32));
  sum += static_cast<std::uint32_t>(message.size()) + 58;
  put16(frame, icmp + 2, checksum_fold(checksum_add(sum, message)));
  return frame;
}

// The frame with one byte another and the checksum right.
std::vector<std::byte> changed(const char* text, std::size_t at, int value) {
  auto frame = hex(text);
  REQUIRE(frame[at] != static_cast<std::byte>(value));
  frame[at] = static_cast<std::byte>(value);
  return with_checksum(frame);
}

TEST_CASE("nd: a solicitation") {
  const auto nd = parse_nd(hex(kernel::kSolicitation));
  const auto* ns = std::get_if<NeighbourSolicitation>(&nd);
  REQUIRE(ns != nullptr);
  CHECK(ns->ethernet_source == kA);
  CHECK(ns->source == kIpA);
  CHECK(ns->target == kIpB);
  CHECK(ns->source_link == kA);
}

TEST_CASE("nd: duplicate address detection has no source; unknown options are passed over") {
  const auto nd = parse_nd(hex(kernel::kDetection));
  const auto* ns = std::get_if<NeighbourSolicitation>(&nd);
  REQUIRE(ns != nullptr);
  CHECK(ns->ethernet_source == kB);
  CHECK(!ns->source);
  CHECK(ns->target == kIpB);
  CHECK(!ns->source_link);
}

TEST_CASE("nd: an advertisement") {
  const auto nd = parse_nd(hex(kernel::kAdvertisement));
  const auto* na = std::get_if<NeighbourAdvertisement>(&nd);
  REQUIRE(na != nullptr);
  CHECK(na->ethernet_source == kB);
  CHECK(na->source == kIpB);
  CHECK(na->target == kIpB);
  CHECK(na->target_link == kB);
  CHECK(na->solicited);
  CHECK(na->override_entry);
  CHECK(!na->router);
}

TEST_CASE("nd: router solicitations and listener reports show their sender") {
  for (const char* text : {kernel::kRouterSolicitation, kernel::kListenerReport}) {
    const auto nd = parse_nd(hex(text));
    const auto* sender = std::get_if<Ipv6Sender>(&nd);
    REQUIRE(sender != nullptr);
    CHECK(sender->ethernet_source == kA);
    CHECK(sender->source == kIpA);
  }
}

TEST_CASE("nd: what is built is what the kernel would send, byte for byte") {
  CHECK(to_hex(build_neighbour_advertisement(
            {.asker = kA, .asker_ip = kIpA, .ip = kIpB, .mac = kB})) ==
        to_hex(hex(kernel::kAdvertisement)));
  CHECK(to_hex(build_neighbour_advertisement(
            {.asker = kB, .asker_ip = std::nullopt, .ip = kGlobal, .mac = kA})) ==
        to_hex(hex(kernel::kDetectionAnswer)));
}

TEST_CASE("nd: padding is no part of it") {
  auto padded = hex(kernel::kSolicitation);
  padded.resize(padded.size() + 10, std::byte{0xff});
  CHECK(std::holds_alternative<NeighbourSolicitation>(parse_nd(padded)));
}

TEST_CASE("nd: what is cut short is nothing") {
  for (const char* text : {kernel::kSolicitation, kernel::kAdvertisement, kernel::kDetection,
                           kernel::kRouterSolicitation, kernel::kListenerReport}) {
    const auto whole = hex(text);
    for (std::size_t n = 0; n < whole.size(); ++n)
      CHECK(is_nothing(parse_nd(std::span{whole}.first(n))));
  }
}

TEST_CASE("nd: any flipped bit of what the checksum covers makes it nothing") {
  const auto whole = hex(kernel::kSolicitation);
  for (std::size_t at = 22; at < whole.size(); ++at) {
    auto flipped = whole;
    flipped[at] ^= std::byte{1};
    CHECK(is_nothing(parse_nd(flipped)));
  }
}

TEST_CASE("nd: what the RFCs tell to discard") {
  CHECK(is_nothing(parse_nd(changed(kernel::kSolicitation, 21, 254))));   // hop limit
  CHECK(is_nothing(parse_nd(changed(kernel::kSolicitation, 55, 1))));     // code
  CHECK(is_nothing(parse_nd(changed(kernel::kSolicitation, 62, 0xff))));  // multicast target
  CHECK(is_nothing(parse_nd(changed(kernel::kSolicitation, 79, 0))));     // option of length 0
  CHECK(is_nothing(parse_nd(changed(kernel::kSolicitation, 79, 2))));     // beyond the end
  CHECK(is_nothing(parse_nd(changed(kernel::kSolicitation, 22, 0xff))));  // multicast source
  CHECK(is_nothing(parse_nd(changed(kernel::kDetection, 78, 1))));        // :: with a link address
  CHECK(is_nothing(parse_nd(changed(kernel::kDetection, 50, 0xfe))));     // not solicited-node
  CHECK(is_nothing(parse_nd(changed(kernel::kDetectionAnswer, 58, 0x60))));  // solicited, to all
  CHECK(is_nothing(parse_nd(changed(kernel::kAdvertisement, 21, 64))));
  CHECK(is_nothing(parse_nd(changed(kernel::kRouterSolicitation, 21, 64))));
}

TEST_CASE("nd: a listener report without its hop-by-hop option, or from afar, is nothing") {
  auto far = hex(kernel::kListenerReport);
  far[21] = std::byte{64};
  CHECK(is_nothing(parse_nd(far)));
  auto bare = hex(kernel::kListenerReport);
  bare.erase(bare.begin() + 54, bare.begin() + 62);
  put16(bare, 18, 28);
  put8(bare, 20, 58);
  CHECK(is_nothing(parse_nd(bare)));
}

TEST_CASE("nd: other IPv6, other types, tagged frames are nothing") {
  auto other = hex(kernel::kSolicitation);
  other[12] = std::byte{0x81};
  other[13] = std::byte{0x00};
  CHECK(is_nothing(parse_nd(other)));
  CHECK(is_nothing(parse_nd(changed(kernel::kSolicitation, 54, 128))));  // echo request
  CHECK(is_nothing(parse_nd(changed(kernel::kSolicitation, 20, 17))));   // UDP
  CHECK(is_nothing(parse_nd({})));
}

}  // namespace
}  // namespace dove::agent
