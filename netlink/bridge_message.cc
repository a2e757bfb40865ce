#include "netlink/bridge_message.h"

namespace dove::netlink {
namespace {

constexpr std::uint32_t kTicks = 100;  // USER_HZ: in a second

// Not in the headers of Debian 12: IFLA_BRPORT_MCAST_MAX_GROUPS.
constexpr std::uint16_t kPortGroupLimit = 42;
// Of a bridge, IFLA_BR_MCAST_HASH_MAX. With one more group it would stop to listen, for all ports.
constexpr std::uint32_t kBridgeGroups = 65536;

struct Row {
  std::uint16_t type;
  std::optional<bool> BridgePortFlags::*flag;
};

constexpr Row kRows[] = {
    {IFLA_BRPORT_LEARNING, &BridgePortFlags::learning},
    {IFLA_BRPORT_UNICAST_FLOOD, &BridgePortFlags::flood},
    {IFLA_BRPORT_MCAST_FLOOD, &BridgePortFlags::multicast_flood},
    {IFLA_BRPORT_BCAST_FLOOD, &BridgePortFlags::broadcast_flood},
    {IFLA_BRPORT_LOCKED, &BridgePortFlags::locked},
    {IFLA_BRPORT_ISOLATED, &BridgePortFlags::isolated},
    {IFLA_BRPORT_NEIGH_SUPPRESS, &BridgePortFlags::neigh_suppress},
    {IFLA_BRPORT_MODE, &BridgePortFlags::hairpin},
    {IFLA_BRPORT_GUARD, &BridgePortFlags::guard},
    {IFLA_BRPORT_FAST_LEAVE, &BridgePortFlags::fast_leave},
};

}  // namespace

BridgeAttributes read_bridge(const Attributes<IFLA_BR_MAX>& table) noexcept {
  const auto seconds = [&](std::uint16_t type) {
    return table.number<std::uint32_t>(type).value_or(0) / kTicks;
  };
  const auto is_set = [&](std::uint16_t type) {
    return table.number<std::uint8_t>(type).value_or(0) != 0;
  };
  return {.ageing = seconds(IFLA_BR_AGEING_TIME),
          .forward_delay = seconds(IFLA_BR_FORWARD_DELAY),
          .stp = table.number<std::uint32_t>(IFLA_BR_STP_STATE).value_or(0) != 0,
          .vlan_filtering = is_set(IFLA_BR_VLAN_FILTERING),
          .multicast_snooping = is_set(IFLA_BR_MCAST_SNOOPING),
          .multicast_querier = is_set(IFLA_BR_MCAST_QUERIER),
          .membership_interval = static_cast<std::uint32_t>(
              table.number<std::uint64_t>(IFLA_BR_MCAST_MEMBERSHIP_INTVL).value_or(0) / kTicks)};
}

void put_bridge(Builder& builder, const BridgeAttributes& bridge, bool has_vlan_filtering) {
  builder.put_number(IFLA_BR_AGEING_TIME, bridge.ageing * kTicks)
      .put_number(IFLA_BR_STP_STATE, std::uint32_t{bridge.stp})
      .put_number(IFLA_BR_FORWARD_DELAY, bridge.forward_delay * kTicks)
      .put_number(IFLA_BR_MCAST_SNOOPING, std::uint8_t{bridge.multicast_snooping})
      .put_number(IFLA_BR_MCAST_QUERIER, std::uint8_t{bridge.multicast_querier})
      .put_number(IFLA_BR_MCAST_HASH_MAX, kBridgeGroups)
      .put_number(IFLA_BR_MCAST_MEMBERSHIP_INTVL,
                  std::uint64_t{bridge.membership_interval} * kTicks);
  // A kernel built without it refuses to be told that it is off.
  if (bridge.vlan_filtering != has_vlan_filtering)
    builder.put_number(IFLA_BR_VLAN_FILTERING, std::uint8_t{bridge.vlan_filtering});
}

BridgePortFlags read_port_flags(const Attributes<IFLA_BRPORT_MAX>& table) noexcept {
  BridgePortFlags flags;
  for (const Row& row : kRows)
    if (const auto value = table.number<std::uint8_t>(row.type)) flags.*row.flag = *value != 0;
  flags.multicast_router = table.number<std::uint8_t>(IFLA_BRPORT_MULTICAST_ROUTER);
  return flags;
}

void put_port_flags(Builder& builder, const BridgePortFlags& flags) {
  for (const Row& row : kRows)
    if (const auto value = flags.*row.flag)
      builder.put_number(row.type, static_cast<std::uint8_t>(*value));
  if (flags.group_limit) builder.put_number(kPortGroupLimit, *flags.group_limit);
  if (flags.state) builder.put_number(IFLA_BRPORT_STATE, *flags.state);
  if (flags.multicast_router)
    builder.put_number(IFLA_BRPORT_MULTICAST_ROUTER, *flags.multicast_router);
}

}  // namespace dove::netlink
