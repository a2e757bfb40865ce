// RTM_NEWMDB: br_port_msg, then MDBA_MDB { MDBA_MDB_ENTRY { MDBA_MDB_ENTRY_INFO {
// br_mdb_entry, attributes } ... } ... }. Entries and infos repeat, so they are walked.
#include "netlink/bridge_group.h"

#include <arpa/inet.h>
#include <linux/if_bridge.h>
#include <linux/rtnetlink.h>
#include <net/ethernet.h>

#include "netlink/builder.h"

namespace dove::netlink {
namespace {

// Calls `take` with the payload of each attribute of this type. A length that lies ends the walk.
template <class Take>
void each_attribute(ByteView bytes, std::uint16_t type, Take take) {
  while (bytes.size() >= sizeof(nlattr)) {
    const auto* const attribute = reinterpret_cast<const nlattr*>(bytes.data());
    if (mnl_attr_ok(attribute, static_cast<int>(bytes.size())) == 0) return;
    if (mnl_attr_get_type(attribute) == type)
      take(ByteView{static_cast<const std::byte*>(mnl_attr_get_payload(attribute)),
                    mnl_attr_get_payload_len(attribute)});
    bytes = bytes.subspan(std::min(align(attribute->nla_len), bytes.size()));
  }
}

std::optional<IpAddress> address_of(const br_mdb_entry& entry) {
  const auto bytes = std::as_bytes(std::span{&entry.addr.u, 1});
  switch (ntohs(entry.addr.proto)) {
    case ETHERTYPE_IP:
      return IpAddress::from_wire(bytes.first(4));
    case ETHERTYPE_IPV6:
      return IpAddress::from_wire(bytes.first(16));
    default:
      return std::nullopt;
  }
}

std::optional<BridgeGroup> group_of(IfIndex bridge, ByteView info) {
  const auto entry = load<br_mdb_entry>(info);
  if (!entry || entry->vid != 0 || entry->ifindex == 0) return std::nullopt;
  const auto ip = address_of(*entry);
  const BridgeGroup group{bridge, IfIndex{static_cast<int>(entry->ifindex)},
                          ip.value_or(IpAddress::v4(0))};
  if (!ip || !ip->is_multicast() || group.port == bridge) return std::nullopt;
  return group;
}

}  // namespace

void decode_groups(const Message& message, std::vector<BridgeGroup>& groups) {
  const auto header = message.family<br_port_msg>();
  // A dump's parts are of the question's own type.
  const bool is_groups =
      message.type() == RTM_NEWMDB || message.type() == RTM_DELMDB || message.type() == RTM_GETMDB;
  if (!is_groups || !header) return;
  const IfIndex bridge{static_cast<int>(header->ifindex)};
  each_attribute(message.attributes<br_port_msg>(), MDBA_MDB, [&](ByteView table) {
    each_attribute(table, MDBA_MDB_ENTRY, [&](ByteView entry) {
      each_attribute(entry, MDBA_MDB_ENTRY_INFO, [&](ByteView info) {
        if (const auto group = group_of(bridge, info)) groups.push_back(*group);
      });
    });
  });
}

Result<std::vector<BridgeGroup>> dump_groups(Query& query) {
  std::vector<BridgeGroup> groups;
  const auto dumped = query.dump(
      {.what = "dump the multicast groups",
       .type = RTM_GETMDB,
       .put =
           [](Builder& builder) {
             br_port_msg header{};
             header.family = AF_BRIDGE;
             builder.family(header);
           }},
      [&] { groups.clear(); }, [&](const Message& message) { decode_groups(message, groups); });
  if (!dumped) return dumped.error();
  return groups;
}

MacAddress group_mac(const IpAddress& group) noexcept {
  const auto byte = [wire = group.wire()](std::size_t i) {
    return std::to_integer<std::uint8_t>(wire[i]);
  };
  if (group.is_v6()) return MacAddress{{0x33, 0x33, byte(12), byte(13), byte(14), byte(15)}};
  return MacAddress{
      {0x01, 0x00, 0x5e, static_cast<std::uint8_t>(byte(1) & 0x7fU), byte(2), byte(3)}};
}

}  // namespace dove::netlink
