#include "agent/frames/bytes.h"
#include "agent/frames/punt.h"
#include "tests/catch.h"
#include "tests/unit/agent/hex.h"
#include "tests/unit/agent/kernel_frames.h"

namespace dove::agent {
namespace {

using namespace std::chrono_literals;
using Packet = std::vector<std::byte>;

const TimePoint kNow = TimePoint{} + 1h;
const Vni kVni = *Vni::from(100);
const MacAddress kA = *MacAddress::parse("02:00:00:00:00:0a");
const MacAddress kB = *MacAddress::parse("02:00:00:00:00:0b");
const Vtep kVtep{*IpAddress::parse("192.0.2.77")};

// Makes the outer IP header's checksum right again.
Packet with_checksum(Packet packet) {
  put16(packet, 10, 0);
  put16(packet, 10, checksum_fold(checksum_add(0, ByteView{packet}.first(20))));
  return packet;
}
Packet changed(const char* text, std::size_t at, int value) {
  auto packet = hex(text);
  packet[at] = static_cast<std::byte>(value);
  return with_checksum(packet);
}
// Of a whole datagram, over the pseudo header; 0 when right.
std::uint16_t udp_checksum(const Packet& packet) {
  const ByteView udp = ByteView{packet}.subspan(20);
  const auto sum = checksum_add(0, ByteView{packet}.subspan(12, 8));
  return checksum_fold(checksum_add(sum + 17 + static_cast<std::uint32_t>(udp.size()), udp));
}
Packet joined(const std::vector<Packet>& fragments) {
  Packet whole = fragments.front();
  for (std::size_t n = 1; n < fragments.size(); ++n)
    whole.insert(whole.end(), fragments[n].begin() + 20, fragments[n].end());
  put16(whole, 2, static_cast<unsigned>(whole.size()));
  put16(whole, 6, 0);
  return with_checksum(whole);
}

TEST_CASE("punt: a whole packet is a frame at once") {
  PuntAssembler assembler;
  const auto frame = assembler.add(hex(kernel::kPunted), kNow);
  REQUIRE(frame);
  CHECK(frame->destination == MacKey{kVni, kB});
  CHECK(frame->source == kA);
  REQUIRE(frame->packets.packets.size() == 1);
  CHECK(frame->packets.packets.front() == hex(kernel::kPunted));
  CHECK(assembler.held_datagrams() == 0);
}

TEST_CASE("punt: a plain datagram is one that a UDP socket could send") {
  const auto packet = hex(kernel::kPunted);
  const auto plain = parse_plain(packet);
  REQUIRE(plain);
  CHECK(plain->hop_limit == get8(packet, 8));
  CHECK(plain->traffic_class == get8(packet, 1));
  CHECK(plain->payload.data() == packet.data() + 28);
  CHECK(plain->payload.size() == packet.size() - 28);

  CHECK_FALSE(parse_plain(hex(kernel::kPuntedFirst)));
  CHECK_FALSE(parse_plain(hex(kernel::kPuntedLast)));
  CHECK_FALSE(parse_plain(changed(kernel::kPunted, 6, 0x40)));  // must not be fragmented
  CHECK_FALSE(parse_plain(changed(kernel::kPunted, 9, 6)));
  CHECK_FALSE(parse_plain({}));
}

TEST_CASE("punt: fragments are a frame when all are there, in order of arrival") {
  const std::vector<const char*> orders[] = {
      {kernel::kPuntedFirst, kernel::kPuntedSecond, kernel::kPuntedLast},
      {kernel::kPuntedSecond, kernel::kPuntedFirst, kernel::kPuntedLast},
      {kernel::kPuntedLast, kernel::kPuntedSecond, kernel::kPuntedFirst},
  };
  for (const auto& order : orders) {
    PuntAssembler assembler;
    CHECK(!assembler.add(hex(order[0]), kNow));
    CHECK(!assembler.add(hex(order[1]), kNow + 999ms));
    CHECK(assembler.held_bytes() == hex(order[0]).size() + hex(order[1]).size());
    const auto frame = assembler.add(hex(order[2]), kNow + 999ms);
    REQUIRE(frame);
    CHECK(frame->destination == MacKey{kVni, kB});
    CHECK(frame->source == kA);
    REQUIRE(frame->packets.packets.size() == 3);
    for (std::size_t n = 0; n < 3; ++n) CHECK(frame->packets.packets[n] == hex(order[n]));
    CHECK(assembler.held_datagrams() == 0);
    CHECK(assembler.held_bytes() == 0);
  }
}

TEST_CASE("punt: what is incomplete for a second is given up") {
  PuntAssembler assembler;
  assembler.add(hex(kernel::kPuntedFirst), kNow);
  assembler.add(hex(kernel::kPuntedSecond), kNow);
  CHECK(!assembler.add(hex(kernel::kPuntedLast), kNow + 1s));
  CHECK(assembler.counters().incomplete == 1);
  CHECK(assembler.held_datagrams() == 1);
  assembler.add(hex(kernel::kPunted), kNow + 2s);
  CHECK(assembler.held_datagrams() == 0);
  CHECK(assembler.held_bytes() == 0);
}

TEST_CASE("punt: datagrams of other ids and sources are apart") {
  PuntAssembler assembler;
  assembler.add(hex(kernel::kPuntedFirst), kNow);
  CHECK(!assembler.add(changed(kernel::kPuntedSecond, 5, 0xdc), kNow));
  CHECK(!assembler.add(changed(kernel::kPuntedSecond, 15, 2), kNow));
  CHECK(assembler.held_datagrams() == 3);
  assembler.add(hex(kernel::kPuntedSecond), kNow);
  CHECK(assembler.add(hex(kernel::kPuntedLast), kNow));
}

TEST_CASE("punt: fragments that overlap or contradict spoil their datagram") {
  PuntAssembler assembler;
  assembler.add(hex(kernel::kPuntedFirst), kNow);
  CHECK(!assembler.add(hex(kernel::kPuntedFirst), kNow));
  CHECK(assembler.counters().malformed == 1);
  CHECK(assembler.held_datagrams() == 0);

  assembler.add(hex(kernel::kPuntedLast), kNow);
  CHECK(!assembler.add(changed(kernel::kPuntedLast, 7, 0x30), kNow));  // a second end
  CHECK(!assembler.add(hex(kernel::kPuntedLast), kNow));
  CHECK(!assembler.add(changed(kernel::kPuntedSecond, 7, 0x30), kNow));  // beyond the end
  CHECK(assembler.counters().malformed == 3);
  CHECK(assembler.held_bytes() == 0);
}

TEST_CASE("punt: what is held is bounded, the oldest goes first") {
  PuntAssembler::Limits limits;
  limits.datagrams = 4;
  PuntAssembler assembler{limits};
  for (int id = 1; id <= 6; ++id) assembler.add(changed(kernel::kPuntedFirst, 5, id), kNow);
  CHECK(assembler.held_datagrams() == 4);
  CHECK(assembler.counters().crowded == 2);
  assembler.add(changed(kernel::kPuntedSecond, 5, 6), kNow);
  CHECK(assembler.add(changed(kernel::kPuntedLast, 5, 6), kNow));

  PuntAssembler::Limits small;
  small.bytes = 300;
  PuntAssembler tight{small};
  for (int id = 1; id <= 6; ++id) tight.add(changed(kernel::kPuntedFirst, 5, id), kNow);
  CHECK(tight.held_bytes() <= 300);
  CHECK(tight.counters().crowded == 4);
}

TEST_CASE("punt: the fragments of one datagram are bounded") {
  PuntAssembler::Limits limits;
  limits.fragments_per_datagram = 2;
  PuntAssembler assembler{limits};
  assembler.add(hex(kernel::kPuntedFirst), kNow);
  assembler.add(hex(kernel::kPuntedSecond), kNow);
  CHECK(!assembler.add(hex(kernel::kPuntedLast), kNow));
  CHECK(assembler.held_datagrams() == 0);
}

TEST_CASE("punt: what is no whole IPv4 packet with UDP is refused") {
  const auto whole = hex(kernel::kPunted);
  for (std::size_t n = 0; n < whole.size(); ++n) CHECK(!parse_outer(std::span{whole}.first(n)));
  CHECK(!parse_outer(changed(kernel::kPunted, 0, 0x65)));  // IPv6
  CHECK(!parse_outer(changed(kernel::kPunted, 0, 0x44)));  // header too short
  CHECK(!parse_outer(changed(kernel::kPunted, 3, 0x57)));  // longer than it is
  CHECK(!parse_outer(changed(kernel::kPunted, 9, 6)));     // TCP
  auto flipped = whole;
  flipped[8] ^= std::byte{1};  // checksum
  CHECK(!parse_outer(flipped));
  CHECK(!parse_outer(changed(kernel::kPunted, 6, 0x20)));  // more to come, but not in eights
}

TEST_CASE("punt: what carries no frame of a network is refused") {
  const auto inner = [](const Packet& packet) {
    const auto outer = parse_outer(packet);
    REQUIRE(outer);
    return parse_inner(packet, *outer);
  };
  CHECK(inner(hex(kernel::kPunted)));
  CHECK(!inner(changed(kernel::kPunted, 28, 0)));     // no VNI flag
  CHECK(!inner(changed(kernel::kPunted, 34, 0)));     // VNI 0
  CHECK(!inner(changed(kernel::kPunted, 25, 0x41)));  // UDP length
  CHECK(!inner(changed(kernel::kPunted, 42, 1)));     // multicast source
  CHECK(!inner(hex(kernel::kPuntedLast)));
  PuntAssembler assembler;
  CHECK(!assembler.add(changed(kernel::kPunted, 28, 0), kNow));
  CHECK(!assembler.add({}, kNow));
  CHECK(assembler.counters().malformed == 2);
}

TEST_CASE("punt: sending on changes the destination and keeps both checksums right") {
  auto packet = hex(kernel::kPunted);
  REQUIRE(udp_checksum(packet) == 0);
  REQUIRE(set_outer_destination(packet, kVtep));
  const auto outer = parse_outer(packet);
  REQUIRE(outer);  // the IP checksum is right
  CHECK(udp_checksum(packet) == 0);
  CHECK(get_ip4(packet, 16) == kVtep.address);
  CHECK(get16(packet, 22) == 4789);
  CHECK(get16(packet, 20) == 0xa191);  // the flow's entropy
  CHECK(parse_inner(packet, *outer)->destination == MacKey{kVni, kB});
}

TEST_CASE("punt: a VTEP with another port gets it, and no checksum stays none") {
  auto packet = changed(kernel::kPunted, 26, 0);
  packet[27] = std::byte{0};
  REQUIRE(set_outer_destination(packet, Vtep{kVtep.address, 8472}));
  CHECK(get16(packet, 22) == 8472);
  CHECK(get16(packet, 26) == 0);

  auto summed = hex(kernel::kPunted);
  REQUIRE(set_outer_destination(summed, Vtep{kVtep.address, 8472}));
  CHECK(udp_checksum(summed) == 0);
}

TEST_CASE("punt: fragments sent on make the datagram with the right checksum") {
  std::vector<Packet> fragments{hex(kernel::kPuntedFirst), hex(kernel::kPuntedSecond),
                                hex(kernel::kPuntedLast)};
  REQUIRE(udp_checksum(joined(fragments)) == 0);
  const Packet payload{fragments[1].begin() + 20, fragments[1].end()};
  for (auto& fragment : fragments) REQUIRE(set_outer_destination(fragment, kVtep));
  for (const auto& fragment : fragments) CHECK(parse_outer(fragment));
  CHECK(udp_checksum(joined(fragments)) == 0);
  CHECK(Packet{fragments[1].begin() + 20, fragments[1].end()} == payload);
}

TEST_CASE("punt: what cannot be sent on is left as it is") {
  auto packet = hex(kernel::kPunted);
  CHECK(!set_outer_destination(packet, Vtep{*IpAddress::parse("2001:db8::1")}));
  CHECK(packet == hex(kernel::kPunted));
  packet.pop_back();
  CHECK(!set_outer_destination(packet, kVtep));
}

}  // namespace
}  // namespace dove::agent
