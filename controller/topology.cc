#include "controller/topology.h"

#include <algorithm>

namespace dove::controller {

std::vector<Vni> Topology::replace(const Routing& routing, std::uint64_t revision) {
  auto& tenant = tenants_[routing.tenant];
  auto concerned = std::move(tenant.vnis);
  for (const auto vni : concerned)
    if (find(vni) == &tenant) by_vni_.erase(vni);  // another tenant may have it by now
  if (tenant.number == 0) tenant.number = ++last_number_;
  tenant.revision = revision;
  tenant.routing = routing;
  tenant.vnis.clear();
  tenant.homes.clear();
  for (const auto& network : routing.networks) {
    tenant.vnis.push_back(network.vni);
    by_vni_[network.vni] = &tenant;
    for (const auto& subnet : network.subnets)
      tenant.homes.try_emplace(subnet.prefix.network(), subnet.prefix, network.vni);
  }
  concerned.insert(concerned.end(), tenant.vnis.begin(), tenant.vnis.end());
  std::sort(concerned.begin(), concerned.end());
  concerned.erase(std::unique(concerned.begin(), concerned.end()), concerned.end());
  if (routing.networks.empty()) tenants_.erase(routing.tenant);
  return concerned;
}

const Topology::Tenant* Topology::find(Vni vni) const {
  const auto at = by_vni_.find(vni);
  return at == by_vni_.end() ? nullptr : at->second;
}

Vni Topology::home_of(const IpKey& key) const {
  const auto* tenant = find(key.vni);
  if (tenant == nullptr || key.ip.is_link_local() || key.ip.is_multicast()) return key.vni;
  const auto next = tenant->homes.upper_bound(key.ip);  // subnets of a tenant do not overlap
  if (next == tenant->homes.begin()) return key.vni;
  const auto& [prefix, vni] = std::prev(next)->second;
  return prefix.contains(key.ip) ? vni : key.vni;
}

bool Topology::routes(Vni one, Vni other) const {
  const auto* tenant = find(one);
  if (one == other || tenant == nullptr) return one == other;
  return tenant->routing.exceptions.contains(std::minmax(one, other)) == tenant->routing.denied;
}

std::uint64_t Topology::revision_of(Vni vni) const {
  const auto* tenant = find(vni);
  return tenant == nullptr ? 0 : tenant->revision;
}

std::uint32_t Topology::tenant_of(Vni vni) const {
  const auto* tenant = find(vni);
  return tenant == nullptr ? 0 : tenant->number;
}

std::span<const Vni> Topology::networks_with(const Vni& vni) const {
  const auto* tenant = find(vni);
  return tenant == nullptr ? std::span{&vni, 1} : std::span{tenant->vnis};
}

const Network* Topology::network(Vni vni) const {
  const auto* tenant = find(vni);
  if (tenant == nullptr) return nullptr;
  const auto& networks = tenant->routing.networks;
  return &*std::find_if(networks.begin(), networks.end(),
                        [&](const Network& network) { return network.vni == vni; });
}

std::vector<Subnet> Topology::denied_to(Vni vni) const {
  std::vector<Subnet> denied;
  const auto* tenant = find(vni);
  if (tenant == nullptr) return denied;
  for (const auto& network : tenant->routing.networks)
    if (!routes(vni, network.vni))
      denied.insert(denied.end(), network.subnets.begin(), network.subnets.end());
  return denied;
}

}  // namespace dove::controller
