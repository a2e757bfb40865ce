// Whatever comes out of the punt: no crash, what is held stays within its bounds, every packet of a
// frame can be sent on and is then still a valid packet of the same frame, routed or not, and the
// frame can be put together. The input is a series of packets, each behind two bytes: its length,
// and how much later it comes and whether its lengths and IP checksum are made right first. An IPv6
// packet stays one.
#include "agent/frames/bytes.h"
#include "agent/frames/echo.h"
#include "agent/frames/outer_ipv6.h"
#include "agent/frames/punt.h"
#include "agent/frames/routed.h"
#include "tests/fuzz/agent/must.h"

namespace dove::agent::fuzz {
namespace {

void make_ipv6_right(std::vector<std::byte>& packet) {
  if (packet.size() < 48) return;
  put16(packet, 4, static_cast<unsigned>(packet.size() - 40));
  put8(packet, 6, 17);
  put16(packet, 44, static_cast<unsigned>(packet.size() - 40));
}

void make_header_right(std::vector<std::byte>& packet) {
  if (is_ipv6(packet)) return make_ipv6_right(packet);
  if (packet.size() < 20) return;
  put8(packet, 0, 0x45);
  put16(packet, 2, static_cast<unsigned>(packet.size()));
  put8(packet, 9, 17);
  put16(packet, 10, 0);
  put16(packet, 10, checksum_fold(checksum_add(0, ByteView{packet}.first(20))));
  if (packet.size() >= 28 && get16(packet, 6) == 0)
    put16(packet, 24, static_cast<unsigned>(packet.size() - 20));
}

void send_on(PuntedFrame& frame) {
  const Vtep vtep4{IpAddress::v4(0xc0000202)};
  const Vtep vtep6{*IpAddress::parse("2001:db8::2")};
  must(frame.source.is_unicast() && !frame.destination.mac.is_zero());
  for (auto& packet : frame.packets.packets) {
    const auto before = parse_outer(packet);
    const bool v6 = is_ipv6(packet);
    must(before && !set_outer_destination(packet, v6 ? vtep4 : vtep6));
    must(set_outer_destination(packet, v6 ? vtep6 : vtep4));
    const auto after = parse_outer(packet);
    must(after &&
         (v6 ? get_ip6(packet, 24) == vtep6.address : get_ip4(packet, 16) == vtep4.address));
    must(after->fragment_offset == before->fragment_offset && after->id == before->id);
    if (const auto inner = parse_inner(packet, *after))
      must(inner->destination == frame.destination && inner->source == frame.source);
  }
}

void route_on(PuntedFrame& frame) {
  const MacAddress to{{2, 0, 0, 0, 0, 1}};
  const MacAddress router{{2, 0, 0, 0, 0, 2}};
  for (auto& packet : frame.packets.packets) {
    must(change_inner(packet, {Vni::from(7), RoutedMacs{to, router}}));
    const auto outer = parse_outer(packet);
    must(outer.has_value());
    const auto inner = parse_inner(packet, *outer);
    if (inner) must(inner->destination == MacKey{*Vni::from(7), to} && inner->source == router);
  }
}

void answer(const PuntedFrame& frame) {
  const auto request = inner_frame(frame.packets);
  must(request.has_value());
  const auto reply = build_echo_reply(*request);
  if (!reply) return;
  must(reply->size() <= request->size() && get_mac(*reply, 0) == frame.source);
  must(!build_echo_reply(*reply));
}

}  // namespace
}  // namespace dove::agent::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dove::agent;
  PuntAssembler::Limits limits;
  limits.datagrams = 4;
  limits.fragments_per_datagram = 4;
  limits.bytes = 600;
  PuntAssembler assembler{limits};
  TimePoint now{};
  auto rest = fuzz::bytes_of(data, size);
  while (rest.size() >= 2) {
    const std::size_t length = std::min<std::size_t>(get8(rest, 0), rest.size() - 2);
    const std::uint8_t how = get8(rest, 1);
    std::vector<std::byte> packet{rest.begin() + 2,
                                  rest.begin() + 2 + static_cast<std::ptrdiff_t>(length)};
    rest = rest.subspan(2 + length);
    if ((how & 1U) != 0) fuzz::make_header_right(packet);
    now += std::chrono::milliseconds{how >> 1U};
    auto frame = assembler.add(std::move(packet), now);
    if (frame) {
      fuzz::answer(*frame);
      fuzz::send_on(*frame);
      fuzz::route_on(*frame);
    }
    fuzz::must(assembler.held_datagrams() <= limits.datagrams);
    fuzz::must(assembler.held_bytes() <= limits.bytes);
    fuzz::must((assembler.held_datagrams() == 0) == (assembler.held_bytes() == 0));
  }
  return 0;
}
