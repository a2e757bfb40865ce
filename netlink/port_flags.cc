#include "netlink/port_flags.h"

namespace dove::netlink {
namespace {

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
};

}  // namespace

BridgePortFlags read_port_flags(const Attributes<IFLA_BRPORT_MAX>& table) noexcept {
  BridgePortFlags flags;
  for (const Row& row : kRows)
    if (const auto value = table.number<std::uint8_t>(row.type)) flags.*row.flag = *value != 0;
  return flags;
}

void put_port_flags(Builder& builder, const BridgePortFlags& flags) {
  for (const Row& row : kRows)
    if (const auto value = flags.*row.flag)
      builder.put_number(row.type, static_cast<std::uint8_t>(*value));
}

}  // namespace dove::netlink
