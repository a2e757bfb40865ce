// RTM_NEWLINK, of which this reads:
//
//   ifinfomsg, IFLA_IFNAME, IFLA_ADDRESS, IFLA_MTU, IFLA_MASTER, IFLA_IFALIAS,
//   IFLA_LINKINFO { INFO_KIND, INFO_DATA { what the kind has }, INFO_SLAVE_KIND, INFO_SLAVE_DATA }
//   IFLA_AF_SPEC  { AF_INET6 { INET6_ADDR_GEN_MODE } }
#include <linux/if.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>

#include "netlink/bridge_message.h"
#include "netlink/link.h"

namespace dove::netlink {
namespace {

using LinkAttributes = Attributes<IFLA_MAX>;
using InfoAttributes = Attributes<IFLA_INFO_MAX>;
using VxlanTable = Attributes<IFLA_VXLAN_MAX>;

bool is_set(const VxlanTable& table, std::uint16_t type) noexcept {
  return table.number<std::uint8_t>(type).value_or(0) != 0;
}

bool has_other_features(const VxlanTable& table) noexcept {
  for (const std::uint16_t flag :
       {IFLA_VXLAN_DF, IFLA_VXLAN_COLLECT_METADATA, IFLA_VXLAN_REMCSUM_TX, IFLA_VXLAN_REMCSUM_RX,
        IFLA_VXLAN_TTL_INHERIT, IFLA_VXLAN_VNIFILTER})
    if (is_set(table, flag)) return true;
  return table.has(IFLA_VXLAN_GBP) || table.has(IFLA_VXLAN_GPE) ||
         table.has(IFLA_VXLAN_REMCSUM_NOPARTIAL) ||
         table.number<std::uint32_t>(IFLA_VXLAN_LABEL).value_or(0) != 0 ||
         load<std::uint32_t>(table[IFLA_VXLAN_PORT_RANGE]).value_or(0) != 0;
}

std::optional<IpAddress> either(const VxlanTable& table, std::uint16_t v4, std::uint16_t v6) {
  const auto address = IpAddress::from_wire(table[table.has(v4) ? v4 : v6]);
  return address && !address->is_unspecified() ? address : std::nullopt;
}

std::optional<VxlanAttributes> read_vxlan(const VxlanTable& table) {
  const auto vni = Vni::from(table.number<std::uint32_t>(IFLA_VXLAN_ID).value_or(0));
  if (!vni) return std::nullopt;
  VxlanAttributes vxlan{.vni = *vni,
                        .local = either(table, IFLA_VXLAN_LOCAL, IFLA_VXLAN_LOCAL6),
                        .port = ntohs(table.number<std::uint16_t>(IFLA_VXLAN_PORT).value_or(0)),
                        .learning = is_set(table, IFLA_VXLAN_LEARNING),
                        .proxy = is_set(table, IFLA_VXLAN_PROXY),
                        .rsc = is_set(table, IFLA_VXLAN_RSC),
                        .l2miss = is_set(table, IFLA_VXLAN_L2MISS),
                        .l3miss = is_set(table, IFLA_VXLAN_L3MISS),
                        .ageing = table.number<std::uint32_t>(IFLA_VXLAN_AGEING).value_or(0),
                        .limit = table.number<std::uint32_t>(IFLA_VXLAN_LIMIT).value_or(0),
                        .ttl = table.number<std::uint8_t>(IFLA_VXLAN_TTL).value_or(0),
                        .tos = table.number<std::uint8_t>(IFLA_VXLAN_TOS).value_or(0),
                        .group = either(table, IFLA_VXLAN_GROUP, IFLA_VXLAN_GROUP6),
                        .udp_checksum = is_set(table, IFLA_VXLAN_UDP_CSUM),
                        .udp_zero_checksum6_tx = is_set(table, IFLA_VXLAN_UDP_ZERO_CSUM6_TX),
                        .udp_zero_checksum6_rx = is_set(table, IFLA_VXLAN_UDP_ZERO_CSUM6_RX),
                        .other_features = has_other_features(table)};
  if (const auto lower = table.number<int>(IFLA_VXLAN_LINK); lower && *lower != 0)
    vxlan.lower = IfIndex{*lower};
  return vxlan;
}

// False when a length lies.
bool read_kind(const InfoAttributes& info, Link& link) {
  link.kind = info.text(IFLA_INFO_KIND).value_or("");
  if (link.kind == "vxlan") {
    const auto data = info.nested<IFLA_VXLAN_MAX>(IFLA_INFO_DATA);
    if (!data) return false;
    link.vxlan = read_vxlan(*data);
  }
  if (link.kind == "bridge") {
    const auto data = info.nested<IFLA_BR_MAX>(IFLA_INFO_DATA);
    if (!data) return false;
    link.bridge = read_bridge(*data);
  }
  if (info.text(IFLA_INFO_SLAVE_KIND) == "bridge") {
    const auto data = info.nested<IFLA_BRPORT_MAX>(IFLA_INFO_SLAVE_DATA);
    if (!data) return false;
    link.port = read_port_flags(*data);
    const auto state = data->number<std::uint8_t>(IFLA_BRPORT_STATE);
    link.blocked = link.running && state && *state != BR_STATE_FORWARDING;
  }
  return true;
}

std::optional<std::uint8_t> read_addrgenmode(const LinkAttributes& table) {
  const auto families = table.nested<AF_INET6>(IFLA_AF_SPEC);
  if (!families) return std::nullopt;
  const auto inet6 = families->nested<IFLA_INET6_ADDR_GEN_MODE>(AF_INET6);
  return inet6 ? inet6->number<std::uint8_t>(IFLA_INET6_ADDR_GEN_MODE) : std::nullopt;
}

}  // namespace

std::optional<Link> decode_link(const Message& message) {
  if (message.type() != RTM_NEWLINK && message.type() != RTM_DELLINK) return std::nullopt;
  const auto header = message.family<ifinfomsg>();
  if (!header || header->ifi_family != AF_UNSPEC) return std::nullopt;
  const auto table = LinkAttributes::of<ifinfomsg>(message);
  if (!table) return std::nullopt;
  const auto info = table->nested<IFLA_INFO_MAX>(IFLA_LINKINFO);
  const auto name = table->text(IFLA_IFNAME);
  if (!info || !name) return std::nullopt;

  Link link{.index = IfIndex{header->ifi_index},
            .name = std::string{*name},
            .alias = std::string{table->text(IFLA_IFALIAS).value_or("")},
            .mac = MacAddress::from_wire((*table)[IFLA_ADDRESS]),
            .mtu = table->number<std::uint32_t>(IFLA_MTU).value_or(0),
            .up = (header->ifi_flags & IFF_UP) != 0,
            .running = (header->ifi_flags & IFF_RUNNING) != 0,
            .addrgenmode = read_addrgenmode(*table)};
  if (const auto master = table->number<int>(IFLA_MASTER); master && *master != 0)
    link.master = IfIndex{*master};
  if (!read_kind(*info, link)) return std::nullopt;
  return link;
}

}  // namespace dove::netlink
