#include "netlink/link_request.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <netlink/msg.h>
#include <netlink/route/link.h>
#include <netlink/route/link/inet6.h>
#include <netlink/route/link/vxlan.h>

#include <memory>
#include <string>

#include "netlink/bridge_message.h"

namespace dove::netlink {
namespace {

struct Release {
  void operator()(rtnl_link* link) const noexcept { rtnl_link_put(link); }
  void operator()(nl_msg* message) const noexcept { nlmsg_free(message); }
  void operator()(nl_addr* address) const noexcept { nl_addr_put(address); }
};
using RouteLink = std::unique_ptr<rtnl_link, Release>;
using RouteMessage = std::unique_ptr<nl_msg, Release>;
using RouteAddress = std::unique_ptr<nl_addr, Release>;

RouteAddress address(int family, ByteView wire) {
  return RouteAddress{nl_addr_build(family, wire.data(), wire.size())};
}

void address_by(rtnl_link* link, const LinkName& which) {
  if (which.name.empty())
    rtnl_link_set_ifindex(link, static_cast<int>(which.index));
  else
    rtnl_link_set_name(link, std::string{which.name}.c_str());
}

// What the kernel takes in the message that makes a device.
void apply_at_birth(rtnl_link* link, const LinkSettings& settings) {
  if (settings.mac) rtnl_link_set_addr(link, address(AF_LLC, settings.mac->wire()).get());
  if (settings.master) rtnl_link_set_master(link, static_cast<int>(*settings.master));
  if (settings.mtu) rtnl_link_set_mtu(link, *settings.mtu);
  if (settings.tx_queue_length) rtnl_link_set_txqlen(link, *settings.tx_queue_length);
}

void add_request(Batch& batch, rtnl_link* link, int flags) {
  Builder& builder = batch.begin(RTM_NEWLINK, 0);
  nl_msg* raw = nullptr;
  if (rtnl_link_build_add_request(link, flags, &raw) < 0) {
    builder.fail();
    return;
  }
  const RouteMessage message{raw};
  builder.replace_with(*nlmsg_hdr(raw), NLM_F_REQUEST);
}

void apply(rtnl_link* link, const VxlanAttributes& vxlan) {
  rtnl_link_vxlan_set_id(link, vxlan.vni.value());
  if (vxlan.local)
    rtnl_link_vxlan_set_local(link, address(vxlan.local->family(), vxlan.local->wire()).get());
  if (vxlan.group)
    rtnl_link_vxlan_set_group(link, address(vxlan.group->family(), vxlan.group->wire()).get());
  if (vxlan.lower) rtnl_link_vxlan_set_link(link, static_cast<std::uint32_t>(*vxlan.lower));
  rtnl_link_vxlan_set_port(link, vxlan.port);
  rtnl_link_vxlan_set_learning(link, vxlan.learning);
  rtnl_link_vxlan_set_proxy(link, vxlan.proxy);
  rtnl_link_vxlan_set_rsc(link, vxlan.rsc);
  rtnl_link_vxlan_set_l2miss(link, vxlan.l2miss);
  rtnl_link_vxlan_set_l3miss(link, vxlan.l3miss);
  rtnl_link_vxlan_set_ageing(link, vxlan.ageing);
  rtnl_link_vxlan_set_limit(link, vxlan.limit);
  rtnl_link_vxlan_set_ttl(link, vxlan.ttl);
  rtnl_link_vxlan_set_tos(link, vxlan.tos);
  rtnl_link_vxlan_set_udp_csum(link, vxlan.udp_checksum);
  rtnl_link_vxlan_set_udp_zero_csum6_tx(link, vxlan.udp_zero_checksum6_tx);
  rtnl_link_vxlan_set_udp_zero_csum6_rx(link, vxlan.udp_zero_checksum6_rx);
}

// A message about an existing device, ready for attributes.
Builder& begin_change(Batch& batch, std::uint16_t type, const LinkName& link) {
  ifinfomsg header{};
  header.ifi_index = link.name.empty() ? static_cast<int>(link.index) : 0;
  Builder& builder = batch.begin(type, 0).family(header);
  if (!link.name.empty()) builder.put(IFLA_IFNAME, link.name);
  return builder;
}

}  // namespace

void add_vxlan(Batch& batch, std::string_view name, const VxlanAttributes& vxlan,
               const LinkSettings& settings) {
  const RouteLink link{rtnl_link_vxlan_alloc()};
  address_by(link.get(), {.name = name});
  apply_at_birth(link.get(), settings);
  apply(link.get(), vxlan);
  add_request(batch, link.get(), NLM_F_CREATE | NLM_F_EXCL);
}

void add_bridge(Batch& batch, std::string_view name, const LinkSettings& settings) {
  const RouteLink link{rtnl_link_alloc()};
  rtnl_link_set_type(link.get(), "bridge");
  address_by(link.get(), {.name = name});
  apply_at_birth(link.get(), settings);
  add_request(batch, link.get(), NLM_F_CREATE | NLM_F_EXCL);
}

void add_settings(Batch& batch, const LinkName& which, const LinkSettings& settings) {
  const RouteLink link{rtnl_link_alloc()};
  address_by(link.get(), which);
  apply_at_birth(link.get(), settings);
  if (settings.alias) rtnl_link_set_ifalias(link.get(), settings.alias->c_str());
  add_request(batch, link.get(), 0);
}

void add_no_ipv6_addresses(Batch& batch, const LinkName& which) {
  const RouteLink link{rtnl_link_alloc()};
  address_by(link.get(), which);
  rtnl_link_inet6_set_addr_gen_mode(link.get(), IN6_ADDR_GEN_MODE_NONE);
  add_request(batch, link.get(), 0);
}

void add_up(Batch& batch, const LinkName& which, bool up) {
  const RouteLink link{rtnl_link_alloc()};
  address_by(link.get(), which);
  if (up)
    rtnl_link_set_flags(link.get(), IFF_UP);
  else
    rtnl_link_unset_flags(link.get(), IFF_UP);
  add_request(batch, link.get(), 0);
}

void add_bridge_change(Batch& batch, const LinkName& link, const BridgeAttributes& bridge,
                       bool has_vlan_filtering) {
  Builder& builder = begin_change(batch, RTM_NEWLINK, link)
                         .begin_nest(IFLA_LINKINFO)
                         .put(IFLA_INFO_KIND, "bridge")
                         .begin_nest(IFLA_INFO_DATA);
  put_bridge(builder, bridge, has_vlan_filtering);
  builder.end_nest().end_nest();
}

void add_stp_off(Batch& batch, const LinkName& link) {
  begin_change(batch, RTM_NEWLINK, link)
      .begin_nest(IFLA_LINKINFO)
      .put(IFLA_INFO_KIND, "bridge")
      .begin_nest(IFLA_INFO_DATA)
      .put_number(IFLA_BR_STP_STATE, std::uint32_t{0})
      .end_nest()
      .end_nest();
}

void add_port_change(Batch& batch, const LinkName& link, const BridgePortFlags& flags) {
  Builder& builder = begin_change(batch, RTM_NEWLINK, link)
                         .begin_nest(IFLA_LINKINFO)
                         .put(IFLA_INFO_SLAVE_KIND, "bridge")
                         .begin_nest(IFLA_INFO_SLAVE_DATA);
  put_port_flags(builder, flags);
  builder.end_nest().end_nest();
}

void add_veth(Batch& batch, std::string_view name, std::string_view peer) {
  batch.begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL)
      .family(ifinfomsg{})
      .put(IFLA_IFNAME, name)
      .begin_nest(IFLA_LINKINFO)
      .put(IFLA_INFO_KIND, "veth")
      .begin_nest(IFLA_INFO_DATA)
      .begin_nest(VETH_INFO_PEER)
      .family(ifinfomsg{})
      .put(IFLA_IFNAME, peer)
      .end_nest()
      .end_nest()
      .end_nest();
}

void add_removal(Batch& batch, const LinkName& link) { begin_change(batch, RTM_DELLINK, link); }

}  // namespace dove::netlink
