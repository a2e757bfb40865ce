#include <algorithm>

#include "controller/plan_internal.h"

namespace dove::controller {
namespace {

Error too_many(std::string_view where, const std::string& name, std::size_t limit) {
  return conflict(
      fmt::format("{} \"{}\" has {} dynamic endpoints, no more are learned", where, name, limit));
}

Status check_bounds(HostId host, const Network& network, const State& state) {
  if (state.dynamic_of(network.name).size() >= kDynamicPerNetwork)
    return too_many("network", network.name, kDynamicPerNetwork);
  if (state.dynamic_at(host).size() >= kDynamicPerHost)
    return too_many("host", state.host(host)->name, kDynamicPerHost);
  return {};
}

// VNI 100 and 02:00:00:00:00:01 => "dyn-100-020000000001". Somebody may have given that name away.
std::string choose_name(const MacKey& key, const State& state) {
  auto digits = key.mac.to_string();
  std::erase(digits, ':');
  const auto name = fmt::format("dyn-{}-{}", key.vni.value(), digits);
  if (state.endpoint(name) == nullptr) return name;
  for (unsigned i = 2;; ++i)
    if (auto other = fmt::format("{}-{}", name, i); state.endpoint(other) == nullptr) return other;
}

// A MAC that another network of the tenant has is not free; a dynamic one there has to leave first.
Status check_mac(const Learning& heard, const Network& network, const Surroundings& around,
                 const State& state) {
  const auto& mac = heard.endpoint.mac;
  if (!mac.is_unicast()) return invalid(fmt::format("MAC {} is no guest's", mac.to_string()));
  if (mac == around.router_mac)
    return conflict(fmt::format("MAC {} is that of every gateway", mac.to_string()));
  const auto* owner = state.mac_owner(network.tenant, mac);
  if (owner == nullptr) return {};
  const auto* endpoint = state.endpoint(*owner);
  if (endpoint->dynamic && endpoint->vni == network.vni) return {};
  return exists(fmt::format("MAC {} is endpoint \"{}\"'s, of network \"{}\"", mac.to_string(),
                            *owner, endpoint->network));
}

Endpoint add_dynamic(HostId host, const MacKey& key, const Network& network,
                     const Surroundings& around, Draft& draft) {
  const Endpoint endpoint{.name = choose_name(key, draft.state()),
                          .network = network.name,
                          .vni = key.vni,
                          .mac = key.mac,
                          .dynamic = true,
                          .active = true,
                          .host = host,
                          .generation = around.revision + 1};
  draft.put(MacOwner{network.tenant, key.mac, endpoint.name});
  draft.put(endpoint);
  return endpoint;
}

// Whether the endpoint may have the address, which then nobody else has.
bool is_free_for(const Learning& heard, const IpKey& key, const Network& network,
                 const State& state) {
  if (!check_address(network, key.ip)) return false;
  const auto* address = state.address(key);
  if (address == nullptr) return true;
  const auto* owner = state.endpoint(address->endpoints.front());
  return address->kind == Address::Kind::kOwned && owner->dynamic && heard.claimed;
}

void give(const std::string& endpoint, const IpKey& key, const Surroundings& around, Draft& draft) {
  draft.put(Address{key, Address::Kind::kOwned, false, {endpoint}, around.revision + 1});
  draft.erase(Quarantine{address_key(key), {}});
}

const Kept<Endpoint>* dynamic_at(HostId host, const MacKey& key, const State& state) {
  const auto* endpoint = state.endpoint(key);
  const bool its = endpoint != nullptr && endpoint->dynamic && endpoint->active;
  return its && endpoint->host == host ? endpoint : nullptr;
}

}  // namespace

void forget_dynamic(const std::string& name, Draft& draft) {
  const auto& state = draft.state();
  const Endpoint endpoint = *state.endpoint(name);
  const auto ips = state.ips_of(name);
  for (const auto& ip : ips) draft.erase(Address{*state.address({endpoint.vni, ip})});
  draft.erase(MacOwner{state.network(endpoint.network)->tenant, endpoint.mac, {}});
  draft.erase(endpoint);
}

void forget_dynamic(const Names& names, Draft& draft) {
  for (const Names all = names; const auto& name : all) forget_dynamic(name, draft);
}

Result<std::string> plan_learning(HostId host, const Learning& heard, const Surroundings& around,
                                  Draft& draft) {
  const auto& state = draft.state();
  const auto* found = state.network(heard.endpoint.vni);
  if (found == nullptr) return unknown("network", heard.endpoint.vni.to_string());
  const Network network = *found;
  if (!network.learn) return conflict(fmt::format("network \"{}\" does not learn", network.name));
  if (auto status = check_mac(heard, network, around, state); !status) return status.error();
  const auto* present = state.endpoint(heard.endpoint);
  if (present == nullptr)
    if (auto status = check_bounds(host, network, state); !status) return status.error();
  draft.require(network);
  Endpoint endpoint = present != nullptr
                          ? Endpoint{*present}
                          : add_dynamic(host, heard.endpoint, network, around, draft);
  if (endpoint.host != host || !endpoint.active) {
    endpoint.host = host;
    endpoint.active = true;
    ++endpoint.generation;
    draft.put(endpoint);
  }
  for (const auto& ip : heard.ips) {
    const auto& own = state.ips_of(endpoint.name);
    if (own.contains(ip) || own.size() >= kAddressesPerDynamic + kLinkLocals) continue;
    const IpKey key{network.vni, ip};
    if (is_free_for(heard, key, network, state)) give(endpoint.name, key, around, draft);
  }
  return endpoint.name;
}

void plan_unlearning(HostId host, const MacKey& key, const std::vector<IpAddress>& ips,
                     Draft& draft) {
  const auto* endpoint = dynamic_at(host, key, draft.state());
  if (endpoint == nullptr) return;
  const std::string name = endpoint->name;
  if (ips.empty()) return forget_dynamic(name, draft);
  for (const auto& ip : ips)
    if (draft.state().ips_of(name).contains(ip))
      draft.erase(Address{*draft.state().address({key.vni, ip})});
}

void plan_keeping(HostId host, const std::set<MacKey>& kept, Draft& draft) {
  const Names all = draft.state().dynamic_at(host);
  for (const auto& name : all)
    if (!kept.contains(draft.state().endpoint(name)->key())) forget_dynamic(name, draft);
}

}  // namespace dove::controller
