#include <algorithm>

#include "controller/plan_internal.h"
#include "core/gateway.h"

namespace dove::controller {
namespace {

Made network_made(const std::string& name) { return {Made::Kind::kNetwork, name}; }

Status check_prefix(const Prefix& prefix) {
  const auto wrong = [&](std::string_view reason) -> Status {
    return invalid(fmt::format("subnet \"{}\" is wrong: {}", prefix.to_string(), reason));
  };
  if (prefix.length() == 0) return wrong("expected a length of at least 1");
  if (prefix.network().is_link_local())
    return wrong("link-local addresses belong to every network and to none");
  if (prefix.network().is_multicast() || prefix.network().is_loopback())
    return wrong("expected addresses that a guest can have");
  return {};
}

Result<IpAddress> choose_gateway(const Prefix& prefix) {
  if (const auto gateway = default_gateway(prefix)) return *gateway;
  return invalid(
      fmt::format("subnet \"{}\" is wrong: it has no address for a gateway", prefix.to_string()));
}

Status check_gateway(const Prefix& prefix, const IpAddress& gateway) {
  const auto wrong = [&](std::string_view reason) -> Status {
    return invalid(fmt::format("gateway \"{}\" is wrong: {} {}", gateway.to_string(), reason,
                               prefix.to_string()));
  };
  if (!prefix.contains(gateway)) return wrong("expected an address in its subnet");
  if (prefix.is_reserved(gateway)) return wrong("it is a reserved address of its subnet");
  if (!gateway.is_assignable()) return wrong("no host can have it, in subnet");
  return {};
}

// There is an address for an endpoint. Of the first four at most one is reserved and one the
// gateway.
Status check_room(const Subnet& subnet) {
  constexpr std::uint64_t kEnough = 4;
  for (std::uint64_t index = 0; index < kEnough; ++index)
    if (const auto ip = subnet.prefix.address_at(index); ip && is_for_endpoints(subnet, *ip))
      return {};
  return invalid(fmt::format(
      "subnet \"{}\" is wrong: it has no address for an endpoint besides its gateway {}",
      subnet.prefix.to_string(), subnet.gateway->to_string()));
}

// `subnets` with every gateway, kept from `before` where the prefix was there already.
Result<std::vector<Subnet>> complete(std::vector<Subnet> subnets,
                                     const std::vector<Subnet>& before) {
  for (auto& subnet : subnets) {
    if (auto status = check_prefix(subnet.prefix); !status) return status.error();
    for (const auto& old : before)
      if (!subnet.gateway && old.prefix == subnet.prefix) subnet.gateway = old.gateway;
    if (!subnet.gateway) {
      const auto chosen = choose_gateway(subnet.prefix);
      if (!chosen) return chosen.error();
      subnet.gateway = *chosen;
    }
    if (auto status = check_gateway(subnet.prefix, *subnet.gateway); !status) return status.error();
    if (auto status = check_room(subnet); !status) return status.error();
  }
  return subnets;
}

// Networks of a tenant route to each other: no address may be in two of their subnets.
Status check_overlap(const Network& network, const State& state) {
  for (auto one = network.subnets.begin(); one != network.subnets.end(); ++one)
    for (auto other = one + 1; other != network.subnets.end(); ++other)
      if (one->prefix.overlaps(other->prefix))
        return invalid(fmt::format("subnet \"{}\" overlaps subnet {} of the same network",
                                   other->prefix.to_string(), one->prefix.to_string()));
  for (const auto& name : state.networks_of(network.tenant)) {
    if (name == network.name) continue;
    for (const auto& theirs : state.network(name)->subnets)
      for (const auto& ours : network.subnets)
        if (ours.prefix.overlaps(theirs.prefix))
          return conflict(
              fmt::format("subnet \"{}\" overlaps subnet {} of network \"{}\" of the same tenant",
                          ours.prefix.to_string(), theirs.prefix.to_string(), name));
  }
  return {};
}

Status check_vni(Vni vni, const std::string& tenant, const Draft& draft) {
  if (const auto* owner = draft.state().network(vni))
    return conflict(
        fmt::format("VNI {} is in use by network \"{}\"", vni.to_string(), owner->name));
  // A host that was cut off may still carry frames of the former network, to its former tenant's
  // guests.
  const auto* rest = draft.state().resting(vni_key(vni), draft.now());
  if (rest != nullptr && rest->tenant != tenant)
    return conflict(
        fmt::format("VNI {} was tenant \"{}\"'s and rests for another {} minutes at "
                    "most",
                    vni.to_string(), rest->tenant, State::kQuarantine.count()));
  return {};
}

Status compare_subnets(const NetworkAdd& add, const Network& present) {
  auto others = present.subnets;
  for (const auto& wanted : add.subnets) {
    const auto same = std::find_if(others.begin(), others.end(), [&](const Subnet& subnet) {
      return subnet.prefix == wanted.prefix;
    });
    if (same == others.end())
      return exists(fmt::format("network \"{}\" exists without subnet {}", add.name,
                                wanted.prefix.to_string()));
    if (wanted.gateway && wanted.gateway != same->gateway)
      return exists(fmt::format("network \"{}\" exists with gateway {}, not {}", add.name,
                                same->gateway->to_string(), wanted.gateway->to_string()));
    others.erase(same);
  }
  if (others.empty()) return {};
  return exists(fmt::format("network \"{}\" exists with subnet {}, which is not among those given",
                            add.name, others.front().prefix.to_string()));
}

// What differs from the network that is there, if anything that was given does.
Status compare(const NetworkAdd& add, const Network& present) {
  const auto differs = [&](std::string_view what, const auto& has, const auto& wanted) -> Status {
    return exists(
        fmt::format("network \"{}\" exists with {} {}, not {}", add.name, what, has, wanted));
  };
  if (add.tenant != present.tenant) return differs("tenant", present.tenant, add.tenant);
  if (add.vni && *add.vni != present.vni)
    return differs("VNI", present.vni.value(), add.vni->value());
  if (add.learn && *add.learn != present.learn)
    return differs("learn", present.learn ? "on" : "off", *add.learn ? "on" : "off");
  return add.subnets.empty() ? Status{} : compare_subnets(add, present);
}

// Who has no address is not asked for, nor answered.
Status check_learning(const Network& network) {
  if (!network.learn || !network.subnets.empty()) return {};
  return invalid(fmt::format(
      "learn \"on\" is wrong: network \"{}\" has no subnet that guests could have addresses of",
      network.name));
}

Status check_kept_addresses(const Network& network, const State& state) {
  Status status;
  state.each_address(network.vni, [&](const Kept<Address>& address) {
    if (!status || address.kind == Address::Kind::kLinkLocal) return;
    if (auto kept = check_address(network, address.key.ip); !kept)
      status = conflict(fmt::format("endpoint \"{}\" stands against it: {}",
                                    address.endpoints.front(), kept.error().message));
  });
  return status;
}

Result<Vni> take_vni(const NetworkAdd& add, Draft& draft) {
  if (add.vni) {
    if (auto status = check_vni(*add.vni, add.tenant, draft); !status) return status.error();
    return *add.vni;
  }
  if (const auto vni = draft.state().free_vni(draft.now())) return *vni;
  return conflict("there is no free VNI");
}

}  // namespace

Status check_address(const Network& network, const IpAddress& ip) {
  const auto wrong = [&](const std::string& reason) -> Status {
    return invalid(fmt::format("IP \"{}\" is wrong: {}", ip.to_string(), reason));
  };
  if (ip.is_link_local())
    return wrong("link-local addresses are an endpoint's own without being named");
  if (!ip.is_assignable()) return wrong("expected an address that a guest can have");
  const auto in = std::find_if(network.subnets.begin(), network.subnets.end(),
                               [&](const Subnet& s) { return s.prefix.contains(ip); });
  if (in == network.subnets.end())
    return wrong(fmt::format("it is in no subnet of network \"{}\"", network.name));
  if (in->gateway == ip)
    return wrong(fmt::format("it is the gateway of subnet {}", in->prefix.to_string()));
  if (in->prefix.is_reserved(ip))
    return wrong(fmt::format("it is a reserved address of subnet {}", in->prefix.to_string()));
  return {};
}

Planned plan_network(const NetworkAdd& add, Draft& draft) {
  const auto& state = draft.state();
  if (const auto* present = state.network(add.name)) {
    if (auto same = compare(add, *present); !same) return same.error();
    return std::optional{network_made(add.name)};
  }
  const auto* tenant = state.tenant(add.tenant);
  if (tenant == nullptr) return unknown("tenant", add.tenant);
  draft.require(Tenant{*tenant});
  auto subnets = complete(add.subnets, {});
  if (!subnets) return subnets.error();
  const auto vni = take_vni(add, draft);
  if (!vni) return vni.error();
  const Network network{add.name, add.tenant, *vni, *std::move(subnets), add.learn.value_or(false)};
  if (auto status = check_overlap(network, state); !status) return status.error();
  if (auto status = check_learning(network); !status) return status.error();
  draft.put(network);
  draft.put(VniOwner{*vni, add.name});
  draft.erase(Quarantine{vni_key(*vni), {}});
  return std::optional{network_made(add.name)};
}

Planned plan_network(const NetworkSet& set, Draft& draft) {
  const auto* present = draft.state().network(set.name);
  if (present == nullptr) return unknown("network", set.name);
  Network network = *present;
  network.learn = set.learn.value_or(network.learn);
  if (!network.learn) forget_dynamic(draft.state().dynamic_of(set.name), draft);
  if (!set.subnets.empty()) {
    auto subnets = complete(set.subnets, network.subnets);
    if (!subnets) return subnets.error();
    network.subnets = *std::move(subnets);
    if (auto status = check_overlap(network, draft.state()); !status) return status.error();
    if (auto status = check_kept_addresses(network, draft.state()); !status) return status.error();
  }
  if (auto status = check_learning(network); !status) return status.error();
  draft.put(network);
  return std::optional{network_made(set.name)};
}

Planned plan_network(const NetworkDel& del, Draft& draft) {
  const auto* present = draft.state().network(del.name);
  if (present == nullptr) return unknown("network", del.name);
  if (const auto& endpoints = draft.state().endpoints_of(del.name); !endpoints.empty())
    return conflict(
        fmt::format("network \"{}\" still has endpoints: {}", del.name, some_of(endpoints)));
  const Network network = *present;
  const Names policies = draft.state().policies_of(del.name);
  for (const auto& policy : policies) draft.erase(Policy{*draft.state().policy(policy)});
  draft.erase(network);
  draft.erase(VniOwner{network.vni, {}});
  draft.put(Quarantine{vni_key(network.vni), network.tenant});
  return std::optional<Made>{};
}

}  // namespace dove::controller
