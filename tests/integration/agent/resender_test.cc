// What was punted, sent on: by itself with its own source port, or in runs.
#include "agent/datapath/resender.h"

#include <map>

#include "agent/frames/bytes.h"
#include "tests/integration/agent/host.h"
#include "tests/unit/agent/hex.h"
#include "tests/unit/agent/kernel_frames.h"

namespace dove::agent::test {
namespace {

using Packet = std::vector<std::byte>;

// Every host's VTEP is behind it.
struct WayOut : netlink::test::WayOut {
  WayOut() { add_address(); }
  std::optional<Packet> next() { return netlink::test::read_one(tun); }

  Resender resender = take(Resender::open(ip("192.0.2.1")));
};

Packet with_ip_checksum(Packet packet) {
  put16(packet, 10, 0);
  put16(packet, 10, checksum_fold(checksum_add(0, ByteView{packet}.first(20))));
  return packet;
}

// A frame as the kernel punts it, with a number of its own at its end and a source port to know it
// by. UDP's checksum is left out.
Packet punted(unsigned number, std::size_t longer = 0) {
  Packet packet = hex(kernel::kPunted);
  packet.resize(packet.size() + longer);
  put16(packet, 2, static_cast<unsigned>(packet.size()));
  put16(packet, 20, 50000 + number);
  put16(packet, 24, static_cast<unsigned>(packet.size() - 20));
  put16(packet, 26, 0);
  put16(packet, packet.size() - 2, number);
  return with_ip_checksum(std::move(packet));
}
unsigned number_of(const Packet& packet) { return get16(packet, packet.size() - 2); }

Resend resend(Packet packet, const char* vtep) { return {{{std::move(packet)}}, Vtep{ip(vtep)}}; }

TEST_CASE("a few frames are sent on with their own source ports") {
  enter_fresh_namespace();
  WayOut out;
  std::vector<Resend> few;
  for (unsigned n = 0; n < 4; ++n) few.push_back(resend(punted(n), "192.0.2.2"));
  out.resender.send(few);
  for (unsigned n = 0; n < 4; ++n) {
    const auto packet = out.next();
    REQUIRE(packet);
    CHECK(get_ip4(*packet, 16) == ip("192.0.2.2"));
    CHECK(get16(*packet, 20) == 50000 + n);
    CHECK(number_of(*packet) == n);
  }
  CHECK(out.resender.counters().sent == 4);
}

TEST_CASE("a storm is sent on whole, to each host in order, with nothing but the way changed") {
  enter_fresh_namespace();
  WayOut out;
  std::vector<Resend> storm;
  std::map<IpAddress, std::vector<Packet>> wanted;
  for (unsigned n = 0; n < 300; ++n) {
    const char* const vtep = n % 3 == 0 ? "192.0.2.3" : "192.0.2.2";
    const auto packet = punted(n, n % 50 < 40 ? 0 : 700);
    wanted[ip(vtep)].push_back(packet);
    storm.push_back(resend(packet, vtep));
  }
  out.resender.send(storm);
  std::map<IpAddress, std::size_t> seen;
  std::size_t own_port = 0;
  for (unsigned n = 0; n < 300; ++n) {
    const auto packet = out.next();
    REQUIRE(packet);
    const auto to = get_ip4(*packet, 16);
    REQUIRE(seen[to] < wanted[to].size());
    const auto& before = wanted[to][seen[to]++];
    CHECK(ByteView{*packet}.subspan(28).size() == ByteView{before}.subspan(28).size());
    CHECK(std::equal(packet->begin() + 28, packet->end(), before.begin() + 28));
    CHECK(get8(*packet, 8) == get8(before, 8));
    CHECK(get16(*packet, 22) == 4789);
    own_port += get16(*packet, 20) == 50000 + number_of(*packet) ? 1 : 0;
  }
  CHECK(out.resender.counters().sent == 300);
  CHECK(out.resender.counters().errors == 0);
  CHECK(own_port < 100);  // there were runs
}

TEST_CASE("a run that the route cannot take is sent by ones") {
  enter_fresh_namespace();
  WayOut out;
  std::vector<Resend> mixed;
  for (unsigned n = 0; n < 20; ++n) mixed.push_back(resend(punted(n, 1500), "192.0.2.2"));
  for (unsigned n = 20; n < 40; ++n) mixed.push_back(resend(punted(n), "203.0.113.1"));
  mixed.push_back(resend(punted(40), "192.0.2.2"));
  out.resender.send(mixed);
  CHECK(out.resender.counters().sent == 1);
  CHECK(out.resender.counters().errors == 40);
  const auto packet = out.next();
  REQUIRE(packet);
  CHECK(number_of(*packet) == 40);
}

}  // namespace
}  // namespace dove::agent::test
