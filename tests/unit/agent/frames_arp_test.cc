#include "agent/frames/arp.h"
#include "tests/catch.h"
#include "tests/unit/agent/hex.h"
#include "tests/unit/agent/kernel_frames.h"

namespace dove::agent {
namespace {

const MacAddress kA = *MacAddress::parse("02:00:00:00:00:0a");
const MacAddress kB = *MacAddress::parse("02:00:00:00:00:0b");
const IpAddress kIpA = *IpAddress::parse("10.1.0.1");
const IpAddress kIpB = *IpAddress::parse("10.1.0.2");
const IpAddress kNobody = *IpAddress::parse("0.0.0.0");

TEST_CASE("arp: a request") {
  const auto arp = parse_arp(hex(kernel::kArpRequest));
  REQUIRE(arp);
  CHECK(arp->operation == ArpFrame::Operation::kRequest);
  CHECK(arp->ethernet_destination.is_broadcast());
  CHECK(arp->ethernet_source == kA);
  CHECK(arp->sender_mac == kA);
  CHECK(arp->sender_ip == kIpA);
  CHECK(arp->target_mac.is_zero());
  CHECK(arp->target_ip == kIpB);
  CHECK(!arp->is_probe());
  CHECK(!arp->is_announcement());
}

TEST_CASE("arp: a reply, an announcement, a probe") {
  const auto reply = parse_arp(hex(kernel::kArpReply));
  REQUIRE(reply);
  CHECK(reply->operation == ArpFrame::Operation::kReply);
  CHECK(reply->sender_ip == kIpB);
  CHECK(!reply->is_announcement());
  const auto announcement = parse_arp(hex(kernel::kArpAnnouncement));
  REQUIRE(announcement);
  CHECK(announcement->is_announcement());
  CHECK(!announcement->is_probe());
  const auto probe = parse_arp(hex(kernel::kArpProbe));
  REQUIRE(probe);
  CHECK(probe->is_probe());
  CHECK(!probe->is_announcement());
}

TEST_CASE("arp: what is built is what the kernel would send, byte for byte") {
  CHECK(to_hex(build_arp_reply({.asker = kA, .asker_ip = kIpA, .ip = kIpB, .mac = kB})) ==
        to_hex(hex(kernel::kArpReply)));
  CHECK(to_hex(build_arp_reply({.asker = kA, .asker_ip = kNobody, .ip = kIpB, .mac = kB})) ==
        to_hex(hex(kernel::kArpProbeReply)));
}

TEST_CASE("arp: padding is no part of it") {
  auto padded = hex(kernel::kArpRequest);
  padded.resize(60);
  CHECK(parse_arp(padded));
}

TEST_CASE("arp: what is cut short or of other kinds is not ARP") {
  const auto whole = hex(kernel::kArpRequest);
  for (std::size_t n = 0; n < whole.size(); ++n) CHECK(!parse_arp(std::span{whole}.first(n)));
  // Type (802.1Q), hardware, protocol, hlen, plen, operation.
  const std::pair<std::size_t, int> spoilt[] = {{12, 0x81}, {15, 6}, {16, 0x86}, {18, 8},
                                                {19, 16},   {21, 0}, {21, 3},    {20, 1}};
  for (const auto& [at, value] : spoilt) {
    auto other = whole;
    other[at] = static_cast<std::byte>(value);
    CHECK(!parse_arp(other));
  }
}

}  // namespace
}  // namespace dove::agent
