// Whatever a guest sends: no crash, only addresses somebody can have, only the sender's own MAC,
// and an answer to every query that its asker would understand. Frames with a wrong ICMPv6 checksum
// are also tried with the right one, which a fuzzer does not guess.
#include <algorithm>
#include <vector>

#include "agent/frames/arp.h"
#include "agent/frames/bytes.h"
#include "agent/frames/guest_frame.h"
#include "agent/frames/nd.h"
#include "agent/frames/sender.h"
#include "tests/fuzz/agent/must.h"

namespace dove::agent::fuzz {
namespace {

const Vni kVni = *Vni::from(10);

void answer_arp(const AddressQuery& query, const MacAddress& owner) {
  const auto frame = build_arp_reply({.asker = query.asker,
                                      .asker_ip = query.source.value_or(IpAddress::v4(0)),
                                      .ip = query.target.ip,
                                      .mac = owner});
  const auto arp = parse_arp(frame);
  must(arp && arp->operation == ArpFrame::Operation::kReply);
  must(arp->sender_ip == query.target.ip && arp->sender_mac == owner);
  must(arp->ethernet_destination == query.asker);
}

void answer_nd(const AddressQuery& query, const MacAddress& owner) {
  const auto frame = build_neighbour_advertisement(
      {.asker = query.asker, .asker_ip = query.source, .ip = query.target.ip, .mac = owner});
  const auto nd = parse_nd(frame);
  const auto* na = std::get_if<NeighbourAdvertisement>(&nd);
  must(na != nullptr && na->target == query.target.ip && na->target_link == owner);
  must(na->solicited == query.source.has_value());
}

void read_who(ByteView frame) {
  const auto sender = read_sender(frame);
  if (!sender) return;
  must(sender->mac == get_mac(frame, 6) && sender->mac.is_unicast());
  must(!sender->claimed || sender->ip);
  must(!sender->ip || sender->ip->is_assignable());
  must(!sender->tentative || sender->tentative->is_assignable());
}

void read(ByteView frame) {
  read_who(frame);
  const GuestEvents events = read_guest_frame(frame, IfIndex{7}, kVni);
  if (events.seen) {
    must(events.seen->address.ip.is_assignable());
    must(events.seen->mac == get_mac(frame, 6));
    const auto& eaten = events.seen->eaten;
    must(eaten.empty() || std::equal(eaten.begin(), eaten.end(), frame.begin(), frame.end()));
    must(eaten.empty() || (get8(frame, 0) & 1U) != 0);
  }
  if (!events.query) return;
  must(events.query->target.ip.is_assignable() && events.query->asker.is_unicast());
  const MacAddress owner{{2, 0, 0, 0, 0, 1}};
  events.query->target.ip.is_v4() ? answer_arp(*events.query, owner)
                                  : answer_nd(*events.query, owner);
}

void make_checksum_right(std::vector<std::byte>& frame) {
  if (frame.size() < 62 || get16(frame, 12) != kEtherTypeIpv6) return;
  put16(frame, 18, static_cast<unsigned>(frame.size() - 54));
  const bool options = get8(frame, 20) == 0;
  const std::size_t icmp = options ? 54 + (get8(frame, 55) + 1U) * 8 : 54;
  if (frame.size() < icmp + 8) return;
  put16(frame, icmp + 2, 0);
  const ByteView message = ByteView{frame}.subspan(icmp);
  const auto sum = checksum_add(0, ByteView{frame}.subspan(22, 32));
  put16(
      frame, icmp + 2,
      checksum_fold(checksum_add(sum + static_cast<std::uint32_t>(message.size()) + 58, message)));
}

}  // namespace
}  // namespace dove::agent::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dove::agent::fuzz;
  const auto bytes = bytes_of(data, size);
  std::vector<std::byte> frame{bytes.begin(), bytes.end()};
  read(frame);
  make_checksum_right(frame);
  read(frame);
  return 0;
}
