#include "agent/frames/arp.h"
#include "agent/frames/nd.h"
#include "agent/frames/sender.h"
#include "tests/catch.h"

namespace dove::agent {
namespace {

const MacAddress kGuest{{0x02, 0, 0, 0, 0, 1}};
const MacAddress kOther{{0x02, 0, 0, 0, 0, 2}};
IpAddress ip(const char* text) { return *IpAddress::parse(text); }

std::vector<std::byte> bytes(const auto& frame) { return {frame.begin(), frame.end()}; }

// From kGuest, with this IP header behind the Ethernet header.
std::vector<std::byte> packet(unsigned type, std::vector<std::uint8_t> ip_header) {
  std::vector<std::byte> frame(14);
  for (std::size_t i = 0; i < 6; ++i) frame[6 + i] = std::byte{kGuest.bytes()[i]};
  frame[12] = static_cast<std::byte>(type >> 8U);
  frame[13] = static_cast<std::byte>(type & 0xffU);
  for (const auto byte : ip_header) frame.push_back(std::byte{byte});
  return frame;
}

TEST_CASE("what who has no address yet may say") {
  std::vector<std::uint8_t> dhcp(28);
  dhcp[0] = 0x45;
  dhcp[9] = 17;
  dhcp[21] = 68;
  dhcp[23] = 67;
  CHECK(needs_no_address(packet(0x0800, dhcp)));
  const auto with = [&](std::size_t at, std::uint8_t value) {
    auto other = dhcp;
    other[at] = value;
    return packet(0x0800, other);
  };
  CHECK_FALSE(needs_no_address(with(9, 6)));    // TCP
  CHECK_FALSE(needs_no_address(with(12, 10)));  // from an address
  CHECK_FALSE(needs_no_address(with(21, 67)));
  CHECK_FALSE(needs_no_address(with(23, 68)));
  CHECK_FALSE(needs_no_address(with(6, 0x20)));  // fragments
  CHECK_FALSE(needs_no_address(with(7, 1)));
  CHECK_FALSE(needs_no_address(with(0, 0x44)));
  CHECK_FALSE(needs_no_address(with(0, 0x4f)));  // ends within its header
  dhcp.resize(23);
  CHECK_FALSE(needs_no_address(packet(0x0800, dhcp)));
  dhcp.resize(19);
  CHECK_FALSE(needs_no_address(packet(0x0800, dhcp)));
  CHECK_FALSE(needs_no_address(packet(0x86dd, std::vector<std::uint8_t>(40))));
  CHECK_FALSE(needs_no_address(packet(0x0806, std::vector<std::uint8_t>(28))));
  CHECK(needs_no_address(packet(0x8035, {})));  // RARP
  CHECK_FALSE(needs_no_address(std::vector<std::byte>(13)));
}

TEST_CASE("who sent an IP packet has its source address") {
  std::vector<std::uint8_t> header(20);
  header[0] = 0x45;
  header[12] = 10;
  header[15] = 9;
  const auto sender = read_sender(packet(0x0800, header));
  REQUIRE(sender);
  CHECK(sender->mac == kGuest);
  CHECK(sender->ip == ip("10.0.0.9"));
  CHECK_FALSE(sender->claimed);
  header[12] = header[15] = 0;  // a DHCP client
  CHECK_FALSE(read_sender(packet(0x0800, header))->ip);
  header.resize(19);
  CHECK_FALSE(read_sender(packet(0x0800, header))->ip);
  std::vector<std::uint8_t> header6(40);
  header6[0] = 0x60;
  header6[6] = 17;
  header6[8] = 0xfd;
  header6[23] = 9;
  CHECK(read_sender(packet(0x86dd, header6))->ip == ip("fd00::9"));
  header6[6] = 58;
  header6.push_back(136);  // an advertisement that is cut off
  CHECK_FALSE(read_sender(packet(0x86dd, header6))->ip);
  header6.back() = 128;
  CHECK(read_sender(packet(0x86dd, header6))->ip == ip("fd00::9"));
}

TEST_CASE("who speaks in ARP claims, unless it is for another MAC") {
  auto frame = bytes(build_arp_announcement(ip("10.0.0.9"), kGuest));
  CHECK(read_sender(frame)->ip == ip("10.0.0.9"));
  CHECK(read_sender(frame)->claimed);
  frame[27] = std::byte{7};  // the sender's MAC inside
  CHECK_FALSE(read_sender(frame)->ip);
  CHECK_FALSE(read_sender(frame)->claimed);
  const auto probe =
      bytes(build_arp_request({MacAddress{}, ip("10.0.0.9"), kGuest, ip("0.0.0.0")}));
  CHECK_FALSE(read_sender(probe)->ip);
  CHECK(read_sender(probe)->tentative == ip("10.0.0.9"));
}

TEST_CASE("who speaks in neighbour discovery claims") {
  const auto advert = bytes(build_neighbour_advertisement(
      {.asker = kOther, .asker_ip = ip("fd00::2"), .ip = ip("fd00::9"), .mac = kGuest}));
  CHECK(read_sender(advert)->ip == ip("fd00::9"));
  CHECK(read_sender(advert)->claimed);
  const auto question = bytes(build_neighbour_question(kGuest, ip("fd00::9"), ip("fd00::2")));
  CHECK(read_sender(question)->ip == ip("fd00::9"));
  CHECK(read_sender(question)->claimed);
  auto damaged = question;
  damaged.back() ^= std::byte{1};
  CHECK_FALSE(read_sender(damaged)->ip);
}

TEST_CASE("what we ask a guest is what it would be asked by others") {
  const auto probe = bytes(build_neighbour_solicitation(kGuest, kOther, ip("fd00::2")));
  const auto parsed = parse_nd(probe);
  const auto* solicitation = std::get_if<NeighbourSolicitation>(&parsed);
  REQUIRE(solicitation != nullptr);
  CHECK(solicitation->target == ip("fd00::2"));
  CHECK(solicitation->source == ip("fe80::ff:fe00:1"));
  CHECK(solicitation->source_link == kGuest);
}

TEST_CASE("a frame of nobody's has no sender") {
  CHECK_FALSE(read_sender({}));
  CHECK_FALSE(read_sender(std::vector<std::byte>(13)));
  std::vector<std::byte> frame(60);
  CHECK_FALSE(read_sender(frame));  // MAC zero
  frame[6] = std::byte{1};          // a group
  CHECK_FALSE(read_sender(frame));
}

}  // namespace
}  // namespace dove::agent
