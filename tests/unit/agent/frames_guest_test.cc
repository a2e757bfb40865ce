#include "agent/frames/bytes.h"
#include "agent/frames/guest_frame.h"
#include "agent/frames/nd.h"
#include "tests/catch.h"
#include "tests/unit/agent/hex.h"
#include "tests/unit/agent/kernel_frames.h"

namespace dove::agent {
namespace {

constexpr IfIndex kPort{7};
const Vni kVni = *Vni::from(10);
const MacAddress kA = *MacAddress::parse("02:00:00:00:00:0a");
const MacAddress kB = *MacAddress::parse("02:00:00:00:00:0b");

IpAddress ip(const char* text) { return *IpAddress::parse(text); }
GuestEvents read(const std::vector<std::byte>& frame) {
  return read_guest_frame(frame, kPort, kVni);
}

void check_query(const GuestEvents& events, const char* target, const MacAddress& asker,
                 std::optional<IpAddress> source) {
  REQUIRE(events.query);
  CHECK(events.query->port == kPort);
  CHECK(events.query->target == IpKey{kVni, ip(target)});
  CHECK(events.query->asker == asker);
  CHECK(events.query->source == source);
}

void check_seen(const GuestEvents& events, const char* address, const MacAddress& mac) {
  REQUIRE(events.seen);
  CHECK(events.seen->port == kPort);
  CHECK(events.seen->address == IpKey{kVni, ip(address)});
  CHECK(events.seen->mac == mac);
}

TEST_CASE("guest frame: a request asks") {
  const auto events = read(hex(kernel::kArpRequest));
  check_query(events, "10.1.0.2", kA, ip("10.1.0.1"));
  CHECK(!events.seen);
}

TEST_CASE("guest frame: a probe asks, does not say who it is, and shows what it is about") {
  const auto events = read(hex(kernel::kArpProbe));
  check_query(events, "10.1.0.2", kA, std::nullopt);
  check_seen(events, "10.1.0.2", kA);
  CHECK(events.seen->how == AddressSeen::How::kTentative);
}

TEST_CASE("guest frame: an announcement and a reply show, and ask nothing") {
  const auto announced = read(hex(kernel::kArpAnnouncement));
  check_seen(announced, "10.1.0.1", kA);
  CHECK(!announced.query);
  const auto replied = read(hex(kernel::kArpReply));
  check_seen(replied, "10.1.0.2", kB);
  CHECK(!replied.query);
}

TEST_CASE("guest frame: what is for everybody and ARP or detection is eaten; nothing else") {
  for (const char* text : {kernel::kArpAnnouncement, kernel::kArpProbe, kernel::kDetection}) {
    const auto frame = hex(text);
    const auto events = read(frame);
    REQUIRE(events.seen);
    CHECK(events.seen->eaten == frame);
  }
  CHECK(read(hex(kernel::kArpAnnouncement)).seen->how == AddressSeen::How::kAnnounced);
  for (const char* text : {kernel::kArpReply, kernel::kSolicitation, kernel::kAdvertisement,
                           kernel::kDetectionAnswer, kernel::kListenerReport}) {
    const auto events = read(hex(text));
    REQUIRE(events.seen);
    CHECK(events.seen->eaten.empty());
  }
}

TEST_CASE("guest frame: an advertisement says whether its sender is a router, others do not") {
  const auto said = [](const char* text) { return read(hex(text)).seen->router; };
  CHECK(said(kernel::kAdvertisement) == false);
  CHECK(said(kernel::kSolicitation) == std::nullopt);
  const auto built = build_neighbour_advertisement(
      {.asker = kB, .asker_ip = {}, .ip = ip("fd00::1"), .mac = kA, .router = true});
  const auto events = read({built.begin(), built.end()});
  REQUIRE(events.seen);
  CHECK(events.seen->router == true);
  CHECK(events.seen->how == AddressSeen::How::kAnnounced);
}

TEST_CASE("guest frame: a router advertisement shows a router") {
  // fe80::ff:fe00:a > ff02::1: router advertisement, lifetime 0, source link-address 02:..:0a
  auto frame =
      hex("333300000001 02000000000a 86dd 60000000 0018 3a ff"
          "fe80000000000000000000fffe00000a ff020000000000000000000000000001"
          "86 00 0000 40 00 0000 00000000 00000000 0101 02000000000a");
  CHECK(!read(frame).seen);  // its checksum is wrong
  const auto sum = checksum_add(checksum_add(24 + 58, ByteView{frame}.subspan(22, 32)),
                                ByteView{frame}.subspan(54));
  put16(frame, 56, checksum_fold(sum));
  const auto events = read(frame);
  check_seen(events, "fe80::ff:fe00:a", kA);
  CHECK(events.seen->router == true);
}

TEST_CASE("guest frame: a solicitation asks, and shows its link-local source") {
  const auto events = read(hex(kernel::kSolicitation));
  check_query(events, "fe80::ff:fe00:b", kA, ip("fe80::ff:fe00:a"));
  check_seen(events, "fe80::ff:fe00:a", kA);
}

TEST_CASE("guest frame: duplicate address detection asks and claims") {
  const auto events = read(hex(kernel::kDetection));
  check_query(events, "fe80::ff:fe00:b", kB, std::nullopt);
  check_seen(events, "fe80::ff:fe00:b", kB);
}

TEST_CASE("guest frame: an advertisement, a router solicitation, a listener report show") {
  check_seen(read(hex(kernel::kAdvertisement)), "fe80::ff:fe00:b", kB);
  check_seen(read(hex(kernel::kDetectionAnswer)), "fd00::1", kA);
  check_seen(read(hex(kernel::kRouterSolicitation)), "fe80::ff:fe00:a", kA);
  check_seen(read(hex(kernel::kListenerReport)), "fe80::ff:fe00:a", kA);
}

TEST_CASE("guest frame: who speaks for another MAC is not listened to") {
  for (const char* text : {kernel::kArpRequest, kernel::kArpReply, kernel::kArpAnnouncement,
                           kernel::kSolicitation, kernel::kAdvertisement}) {
    auto spoofed = hex(text);
    spoofed[11] = std::byte{0x0c};  // the Ethernet source
    const auto events = read(spoofed);
    CHECK(!events.query);
    CHECK(!events.seen);
  }
}

TEST_CASE("guest frame: a multicast sender is not listened to") {
  auto frame = hex(kernel::kArpRequest);
  frame[6] = frame[22] = std::byte{0x03};
  CHECK(!read(frame).query);
}

TEST_CASE("guest frame: addresses nobody can have are neither asked nor seen") {
  auto request = hex(kernel::kArpRequest);
  std::fill(request.begin() + 38, request.end(), std::byte{0xff});
  CHECK(!read(request).query);
  auto reply = hex(kernel::kArpReply);
  std::fill(reply.begin() + 28, reply.begin() + 32, std::byte{0});
  CHECK(!read(reply).seen);
  auto from_group = hex(kernel::kArpRequest);
  from_group[28] = std::byte{0xe0};
  CHECK(!read(from_group).query);
}

TEST_CASE("guest frame: other frames mean nothing") {
  CHECK(!read({}).query);
  CHECK(!read(hex("ffff ffff ffff 0200 0000 000a 0800 4500")).seen);
}

}  // namespace
}  // namespace dove::agent
