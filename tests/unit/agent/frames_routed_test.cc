#include "agent/frames/bytes.h"
#include "agent/frames/punt.h"
#include "agent/frames/routed.h"
#include "tests/catch.h"
#include "tests/unit/agent/hex.h"
#include "tests/unit/agent/kernel_frames.h"

namespace dove::agent {
namespace {

using Packet = std::vector<std::byte>;

const Vni kOther = *Vni::from(0x123456);
const RoutedMacs kMacs{*MacAddress::parse("02:00:00:00:00:0c"),
                       *MacAddress::parse("02:00:00:00:00:99")};
constexpr std::size_t kUdp = 20;

// Over the pseudo header; 0 when right.
std::uint16_t udp_checksum(const Packet& packet) {
  const ByteView udp = ByteView{packet}.subspan(kUdp);
  const auto sum = checksum_add(0, ByteView{packet}.subspan(12, 8));
  return checksum_fold(checksum_add(sum + 17 + static_cast<std::uint32_t>(udp.size()), udp));
}

TEST_CASE("routed: VNI and MACs change, and the outer checksum with them") {
  auto packet = hex(kernel::kPunted);
  REQUIRE(udp_checksum(packet) == 0);
  REQUIRE(change_inner(packet, {kOther, kMacs}));
  CHECK(udp_checksum(packet) == 0);
  const auto outer = parse_outer(packet);
  REQUIRE(outer);
  const auto inner = parse_inner(packet, *outer);
  REQUIRE(inner);
  CHECK(inner->destination == MacKey{kOther, kMacs.destination});
  CHECK(inner->source == kMacs.source);
  CHECK(inner->ip == IpAddress::parse("10.1.0.2"));
  const auto before = hex(kernel::kPunted);
  CHECK(to_hex(ByteView{packet}.subspan(48)) == to_hex(ByteView{before}.subspan(48)));
}

TEST_CASE("routed: without a change nothing changes") {
  auto packet = hex(kernel::kPunted);
  REQUIRE(change_inner(packet, {}));
  CHECK(packet == hex(kernel::kPunted));
}

TEST_CASE("routed: no checksum stays none") {
  auto packet = hex(kernel::kPunted);
  put16(packet, kUdp + 6, 0);
  REQUIRE(change_inner(packet, {kOther, kMacs}));
  CHECK(get16(packet, kUdp + 6) == 0);
}

TEST_CASE("routed: only the first fragment has what changes") {
  auto first = hex(kernel::kPuntedFirst);
  auto second = hex(kernel::kPuntedSecond);
  REQUIRE(change_inner(first, {kOther, kMacs}));
  REQUIRE(change_inner(second, {kOther, kMacs}));
  CHECK(second == hex(kernel::kPuntedSecond));
  CHECK(parse_inner(first, *parse_outer(first))->destination == MacKey{kOther, kMacs.destination});
}

TEST_CASE("routed: what is no punted packet is left as it is") {
  auto packet = hex(kernel::kPunted);
  packet.resize(packet.size() - 1);
  const auto before = packet;
  CHECK_FALSE(change_inner(packet, {kOther, kMacs}));
  CHECK(packet == before);
}

TEST_CASE("routed: the frame inside, whole or put together from fragments in any order") {
  const auto whole = inner_frame({{hex(kernel::kPunted)}});
  REQUIRE(whole);
  CHECK(to_hex(*whole) == to_hex(ByteView{hex(kernel::kPunted)}.subspan(36)));

  const std::vector<Packet> parts{hex(kernel::kPuntedFirst), hex(kernel::kPuntedSecond),
                                  hex(kernel::kPuntedLast)};
  auto expected = parts[0];
  for (const auto n : {1U, 2U})
    expected.insert(expected.end(), parts[n].begin() + 20, parts[n].end());
  expected.erase(expected.begin(), expected.begin() + 36);
  CHECK(inner_frame({{parts[0], parts[1], parts[2]}}) == expected);
  CHECK(inner_frame({{parts[2], parts[0], parts[1]}}) == expected);
  CHECK_FALSE(inner_frame({{parts[0], parts[2]}}));
  CHECK_FALSE(inner_frame({}));
}

TEST_CASE("routed: MACs of a frame") {
  auto frame = hex(kernel::kEchoRequest);
  set_macs(frame, kMacs);
  CHECK(get_mac(frame, 0) == kMacs.destination);
  CHECK(get_mac(frame, 6) == kMacs.source);
}

}  // namespace
}  // namespace dove::agent
