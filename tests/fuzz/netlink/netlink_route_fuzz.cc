// Whatever comes by NETLINK_ROUTE: no crash; what decodes can be printed; an entry that decodes
// can be encoded, and then decodes as the same.
#include <linux/rtnetlink.h>

#include <algorithm>
#include <array>

#include "netlink/ack.h"
#include "netlink/dump.h"
#include "netlink/miss.h"
#include "netlink/monitor.h"
#include "netlink/neighbour.h"
#include "tests/fuzz/netlink/datagram.h"

namespace dove::netlink::fuzz {
namespace {

template <class Entry, class Decode>
void round_trip(const Entry& entry, Decode decode) {
  alignas(8) std::array<std::byte, 256> buffer{};
  Builder builder{buffer, RTM_NEWNEIGH, 0, 0};
  put(builder, entry);
  const auto bytes = builder.finish();
  must(bytes.has_value());
  ByteView rest = *bytes;
  const auto message = Message::next(rest);
  must(message && decode(*message) == entry);
  must(!entry.to_string().empty());
}

void decode_all(const Message& message) {
  if (const auto ack = decode_ack(message)) must(ack->error >= 0);
  if (const auto fdb = decode_fdb(message)) round_trip(*fdb, decode_fdb);
  if (const auto neighbour = decode_neighbour(message)) round_trip(*neighbour, decode_neighbour);
  if (decode_miss(message)) must(message.type() == RTM_GETNEIGH);
  if (const auto address = decode_address(message)) must(!address->ip.to_string().empty());
  static_cast<void>(decode_route(message));
  if (const auto link = decode_link(message)) {
    must(*link == *decode_link(message));
    if (link->vxlan) must(difference(*link->vxlan, *link->vxlan).empty());
    if (link->vxlan)
      static_cast<void>(difference(*link->vxlan, VxlanAttributes{.vni = *Vni::from(1)}));
    if (link->bridge) static_cast<void>(difference(*link->bridge, BridgeAttributes{}));
  }
  std::vector<KernelChange> changes;
  decode_change(message, changes);
  std::vector<BridgeGroup> groups;
  decode_groups(message, groups);
  for (const auto& group : groups) must(group.group.is_multicast() && group.port != group.bridge);
  for (const auto& group : groups) must(group_mac(group.group).is_multicast());
  must(changes.size() <= std::max<std::size_t>(1, groups.size()));
}

}  // namespace
}  // namespace dove::netlink::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dove::netlink;
  const fuzz::Datagram datagram{data, size};
  ByteView rest = datagram.bytes();
  while (const auto message = Message::next(rest)) fuzz::decode_all(*message);
  return 0;
}
