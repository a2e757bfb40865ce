#include "agent/datapath/programmer.h"

namespace dove::agent {

using netlink::Change;

Status Programmer::set_router(Vni vni, const Router& router, const Unrouted& unrouted) {
  const auto found = networks_.find(vni);
  if (found == networks_.end())
    return Error{ErrorCode::kNotFound, "no network " + vni.to_string() + " on this host"};
  Network& network = found->second;
  const Router before = std::exchange(network.router, router);
  for (const auto& ip : before.gateways)
    if (!router.has(ip))
      netlink::add(batch_, Change::kDelete,
                   netlink::NeighbourEntry{.device = network.vxlan, .ip = ip});
  if (!before.mac.is_zero() && (router.gateways.empty() || before.mac != router.mac))
    netlink::add(batch_, Change::kDelete,
                 netlink::FdbEntry{.device = network.vxlan, .mac = before.mac});
  // What is taken away may be absent: somebody else was faster.
  (void)batch_.commit();
  network.router_entry.reset();
  if (router.gateways.empty()) {
    network.router = {};
    return {};
  }
  network.router_entry = netlink::FdbEntry{.device = network.vxlan,
                                           .mac = router.mac,
                                           .destination = unrouted.destination,
                                           .via = unrouted.via,
                                           .state = netlink::State::kStatic,
                                           .flags = NTF_SELF | NTF_ROUTER};
  netlink::add(batch_, Change::kReplace, *network.router_entry);
  for (const auto& ip : router.gateways)
    netlink::add(batch_, Change::kReplace,
                 netlink::NeighbourEntry{.device = network.vxlan, .ip = ip, .mac = router.mac});
  auto made = batch_.commit_all("make the router of network " + vni.to_string());
  if (!made) ++counters_.refusals;
  return made;
}

bool Programmer::is_gateway(const IpKey& key) const {
  const auto found = networks_.find(key.vni);
  return found != networks_.end() && found->second.router.has(key.ip);
}

}  // namespace dove::agent
