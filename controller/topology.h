// Which networks a tenant has, and which of them route to each other. Networks of different tenants
// never do. Pure.
//
// Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "controller/record.h"

namespace dove::controller {

// Of every gateway, unless another is configured: unicast and locally administered.
inline constexpr MacAddress kDefaultRouterMac{{0x02, 0x00, 0x5e, 0x64, 0x00, 0x01}};

// All that is to be known of one tenant.
struct Routing {
  std::string tenant;
  std::vector<Network> networks;  // none: as if there were no such tenant
  bool denied = false;            // between networks that no policy names
  // The pairs of which the opposite holds, the lesser VNI first.
  std::set<std::pair<Vni, Vni>> exceptions;

  friend bool operator==(const Routing&, const Routing&) = default;
};

class Topology {
 public:
  // In place of what was known of the tenant, since the commit `revision`. Returns the networks
  // that it had or has.
  std::vector<Vni> replace(const Routing& routing, std::uint64_t revision);

  // --- of a network that no tenant has: it is alone
  // The network of the tenant in which an endpoint with this key would be: the key's own unless
  // another has a subnet that contains the address. What is link-local or multicast is not routed.
  Vni home_of(const IpKey& key) const;
  // Precondition: they are a tenant's.
  bool routes(Vni one, Vni other) const;
  // Of the last commit that changed something here about the network's tenant.
  std::uint64_t revision_of(Vni vni) const;
  // A number for the tenant, never that of another one; 0: none.
  std::uint32_t tenant_of(Vni vni) const;
  // The networks of its tenant, itself among them. Valid until the next replace().
  std::span<const Vni> networks_with(const Vni& vni) const;

  // Null when there is none such. Valid until the next replace().
  const Network* network(Vni vni) const;
  // The subnets of the networks to which it does not route.
  std::vector<Subnet> denied_to(Vni vni) const;

 private:
  struct Tenant {
    std::uint32_t number = 0;
    std::uint64_t revision = 0;
    Routing routing;
    std::vector<Vni> vnis;                              // of its networks
    std::map<IpAddress, std::pair<Prefix, Vni>> homes;  // by a subnet's first address
  };
  const Tenant* find(Vni vni) const;

  std::uint32_t last_number_ = 0;
  std::map<std::string, Tenant> tenants_;
  std::unordered_map<Vni, const Tenant*> by_vni_;
};

}  // namespace dove::controller
