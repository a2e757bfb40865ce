#include <fmt/format.h>

#include "netlink/link.h"

namespace dove::netlink {
namespace {

// Collects "name HAS instead of WANTED", joined by commas.
class Differences {
 public:
  template <class T>
  Differences& compare(std::string_view name, const T& has, const T& wanted) {
    if (has != wanted)
      text_ += fmt::format("{}{} {} instead of {}", text_.empty() ? "" : ", ", name, show(has),
                           show(wanted));
    return *this;
  }
  template <class T>
  Differences& compare_wanted(std::string_view name, const std::optional<T>& has,
                              const std::optional<T>& wanted) {
    return has && wanted ? compare(name, *has, *wanted) : *this;
  }
  std::string text() const { return text_; }

 private:
  static std::string show(bool on) { return on ? "on" : "off"; }
  static std::string show(Vni vni) { return vni.to_string(); }
  static std::string show(const std::optional<IpAddress>& ip) {
    return ip ? ip->to_string() : "none";
  }
  static std::string show(const std::optional<IfIndex>& device) {
    return device ? fmt::format("{}", static_cast<int>(*device)) : "none";
  }
  template <class Number>
  requires std::is_integral_v<Number>
  static std::string show(Number number) { return std::to_string(number); }
  std::string text_;
};

}  // namespace

std::string difference(const VxlanAttributes& has, const VxlanAttributes& wanted) {
  return Differences{}
      .compare("vni", has.vni, wanted.vni)
      .compare("local", has.local, wanted.local)
      .compare("port", has.port, wanted.port)
      .compare("learning", has.learning, wanted.learning)
      .compare("proxy", has.proxy, wanted.proxy)
      .compare("rsc", has.rsc, wanted.rsc)
      .compare("l2miss", has.l2miss, wanted.l2miss)
      .compare("l3miss", has.l3miss, wanted.l3miss)
      .compare("ageing", has.ageing, wanted.ageing)
      .compare("limit", has.limit, wanted.limit)
      .compare("ttl", has.ttl, wanted.ttl)
      .compare("tos", has.tos, wanted.tos)
      .compare("group", has.group, wanted.group)
      .compare("dev", has.lower, wanted.lower)
      .compare("udpcsum", has.udp_checksum, wanted.udp_checksum)
      .compare("udp6zerocsumtx", has.udp_zero_checksum6_tx, wanted.udp_zero_checksum6_tx)
      .compare("udp6zerocsumrx", has.udp_zero_checksum6_rx, wanted.udp_zero_checksum6_rx)
      .compare("other features", has.other_features, wanted.other_features)
      .text();
}

std::string difference(const BridgeAttributes& has, const BridgeAttributes& wanted) {
  return Differences{}
      .compare("ageing", has.ageing, wanted.ageing)
      .compare("forward_delay", has.forward_delay, wanted.forward_delay)
      .compare("stp", has.stp, wanted.stp)
      .compare("vlan_filtering", has.vlan_filtering, wanted.vlan_filtering)
      .compare("mcast_snooping", has.multicast_snooping, wanted.multicast_snooping)
      .compare("mcast_querier", has.multicast_querier, wanted.multicast_querier)
      .compare("mcast_membership_interval", has.membership_interval, wanted.membership_interval)
      .text();
}

std::string difference(const BridgePortFlags& has, const BridgePortFlags& wanted) {
  return Differences{}
      .compare_wanted("learning", has.learning, wanted.learning)
      .compare_wanted("flood", has.flood, wanted.flood)
      .compare_wanted("mcast_flood", has.multicast_flood, wanted.multicast_flood)
      .compare_wanted("bcast_flood", has.broadcast_flood, wanted.broadcast_flood)
      .compare_wanted("locked", has.locked, wanted.locked)
      .compare_wanted("isolated", has.isolated, wanted.isolated)
      .compare_wanted("neigh_suppress", has.neigh_suppress, wanted.neigh_suppress)
      .compare_wanted("hairpin", has.hairpin, wanted.hairpin)
      .compare_wanted("guard", has.guard, wanted.guard)
      .compare_wanted("fastleave", has.fast_leave, wanted.fast_leave)
      .compare_wanted("mcast_router", has.multicast_router, wanted.multicast_router)
      .text();
}

}  // namespace dove::netlink
