// The text of the policies between networks, for nft(8). Pure; every text is one transaction and
// may be repeated.
//
// What one network must not exchange with others of its tenant is dropped, counted, twice: on its
// way to the network's tunnel device when it is addressed to the router, which is before the kernel
// routes or punts it; and when it comes out of the tunnel from the router, so that a host that kept
// an old entry delivers nothing. Past the router no frame gets into another network (ruleset.h).
// Traffic that goes by a guest with a foot in both networks does not carry the router's MAC and is
// that guest's business.
//
// A network's denied subnets are two sets of its own in the table `dove` of the bridge family, and
// its rules are found by the device's name. The hook that looks is there only while a network has
// policies: without them nobody's frames pay for it.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/mac_address.h"
#include "core/prefix.h"
#include "core/result.h"
#include "core/vni.h"

namespace dove::agent {

struct NetworkPolicy {
  MacAddress router;
  std::vector<Prefix> denied;
  friend bool operator==(const NetworkPolicy&, const NetworkPolicy&) = default;
};

// Precondition: the table is there (ruleset.h).
std::string policy_base();
// Preconditions of these: policy_base() is in force.
std::string policy_hook();
std::string policy_hook_removal();
std::string policy_ruleset(Vni vni, const NetworkPolicy& policy);
std::string policy_removal(Vni vni);
// The network whose policy a chain or set belongs to, or an element of a map.
std::optional<Vni> policy_network_of(std::string_view object, std::string_view element);

// What `nft -j list map bridge dove denied_to` says: the networks that have policies.
Result<std::set<Vni>> parse_policies(std::string_view json);

}  // namespace dove::agent
