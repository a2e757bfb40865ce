#include <algorithm>

#include "controller/plan_internal.h"

namespace dove::controller {
namespace {

// More fit in no message to a host, and hold everybody up while they are changed.
constexpr std::size_t kAddressesPerEndpoint = 1024;

Made endpoint_made(const std::string& name) { return {Made::Kind::kEndpoint, name}; }

// Locally administered, unicast, the same for the same names while it is free.
MacAddress choose_mac(const std::string& tenant, const std::string& endpoint,
                      const Surroundings& around, const State& state) {
  const auto seed = hash_bytes(std::as_bytes(std::span{around.store_id}),
                               hash_bytes(std::as_bytes(std::span{tenant})));
  const auto first = hash_bytes(std::as_bytes(std::span{endpoint}), seed);
  for (std::uint64_t attempt = 0;; ++attempt) {
    MacAddress::Bytes bytes{0x02};
    auto bits = attempt == 0 ? first : mix(first + attempt);
    for (std::size_t i = 1; i < bytes.size(); ++i, bits >>= 8U)
      bytes[i] = static_cast<std::uint8_t>(bits & 0xffU);
    const MacAddress mac{bytes};
    const auto* owner = state.mac_owner(tenant, mac);
    if (mac != around.router_mac && (owner == nullptr || *owner == endpoint)) return mac;
  }
}

Result<MacAddress> take_mac(const std::optional<MacAddress>& wanted, const std::string& tenant,
                            const std::string& endpoint, const Surroundings& around,
                            const State& state) {
  if (!wanted) return choose_mac(tenant, endpoint, around, state);
  if (*wanted == around.router_mac)
    return conflict(fmt::format("MAC {} is that of every gateway", wanted->to_string()));
  if (const auto* owner = state.mac_owner(tenant, *wanted); owner != nullptr && *owner != endpoint)
    return conflict(fmt::format("MAC {} is in use by endpoint \"{}\" of the same tenant",
                                wanted->to_string(), *owner));
  return *wanted;
}

// What is registered wins over what was only heard.
void make_way(const std::optional<MacAddress>& wanted, const std::string& tenant, Draft& draft) {
  const auto* owner = wanted ? draft.state().mac_owner(tenant, *wanted) : nullptr;
  if (owner != nullptr && draft.state().endpoint(*owner)->dynamic)
    forget_dynamic(std::string{*owner}, draft);
}

// Whether the list is about addresses of this kind: then it is all of them.
bool names(const std::vector<WantedAddress>& list, bool shared) {
  return std::any_of(list.begin(), list.end(),
                     [&](const WantedAddress& wanted) { return wanted.shared == shared; });
}

// Why `auto` finds none.
Error no_free_address(const Network& network, const Draft& draft) {
  if (network.subnets.empty())
    return conflict(
        fmt::format("IP \"auto\" is wrong: network \"{}\" has no subnet", network.name));
  auto text = fmt::format("the subnets of network \"{}\" have no free address", network.name);
  const auto rest = draft.state().rest_in(network, draft.now());
  if (rest.addresses == 0) return conflict(std::move(text));
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(rest.first_ends - draft.now());
  text += fmt::format(
      "; {} were freed lately and rest, the first for another {} min {} s, but each can be had by "
      "naming it",
      rest.addresses, seconds.count() / 60, seconds.count() % 60);
  return conflict(std::move(text));
}

// The addresses of one endpoint, brought from what they are to what is wanted.
class Addresses {
 public:
  Addresses(const Network& network, std::string endpoint, const Surroundings& around, Draft& draft)
      : network_{network}, endpoint_{std::move(endpoint)}, around_{around}, draft_{draft} {}

  // Link-local ones stay; of the others `replaces` says which kinds the list is about.
  Status become(const std::vector<WantedAddress>& wanted,
                const std::function<bool(Address::Kind)>& replaces);
  void drop_all();

 private:
  Status check(const std::vector<WantedAddress>& wanted) const;
  Status give(const IpAddress& ip, Address::Kind kind, bool chosen);
  Status give_auto();
  void drop(const Address& address);
  std::vector<Address> present() const;
  IpKey key(const IpAddress& ip) const noexcept { return {network_.vni, ip}; }
  bool has_one_in(const Prefix& prefix) const;

  const Network network_;
  const std::string endpoint_;
  const Surroundings& around_;
  Draft& draft_;
};

std::vector<Address> Addresses::present() const {
  std::vector<Address> addresses;
  for (const auto& ip : draft_.state().ips_of(endpoint_))
    addresses.push_back(*draft_.state().address(key(ip)));
  return addresses;
}

Status Addresses::check(const std::vector<WantedAddress>& wanted) const {
  if (wanted.size() > kAddressesPerEndpoint)
    return invalid(fmt::format("endpoint \"{}\" cannot have {} addresses: at most {}", endpoint_,
                               wanted.size(), kAddressesPerEndpoint));
  std::set<IpAddress> seen;
  for (const auto& [ip, shared] : wanted) {
    if (!ip) continue;
    if (auto status = check_address(network_, *ip); !status) return status;
    if (!seen.insert(*ip).second)
      return invalid(fmt::format("IP \"{}\" is given twice", ip->to_string()));
  }
  return {};
}

Status Addresses::become(const std::vector<WantedAddress>& wanted,
                         const std::function<bool(Address::Kind)>& replaces) {
  if (auto status = check(wanted); !status) return status;
  auto autos = std::count_if(wanted.begin(), wanted.end(), [](const auto& w) { return !w.ip; });
  for (const auto& address : present()) {
    const auto kind = address.kind;
    if (kind == Address::Kind::kLinkLocal || !replaces(kind)) continue;
    const bool named = std::any_of(wanted.begin(), wanted.end(), [&](const WantedAddress& w) {
      return w.ip == address.key.ip && w.shared == (kind == Address::Kind::kShared);
    });
    if (!named && address.chosen && autos > 0)
      --autos;
    else if (!named)
      drop(address);
  }
  for (const auto& [ip, shared] : wanted) {
    if (!ip) continue;
    const auto kind = shared ? Address::Kind::kShared : Address::Kind::kOwned;
    if (auto status = give(*ip, kind, false); !status) return status;
  }
  for (; autos > 0; --autos)
    if (auto status = give_auto(); !status) return status;
  return {};
}

Status Addresses::give(const IpAddress& ip, Address::Kind kind, bool chosen) {
  const auto* present = draft_.state().address(key(ip));
  if (present == nullptr || draft_.state().endpoint(present->endpoints.front())->dynamic) {
    draft_.put(Address{key(ip), kind, chosen, {endpoint_}, around_.revision + 1});
    draft_.erase(Quarantine{address_key(key(ip)), {}});
    return {};
  }
  Address address = *present;
  auto& owners = address.endpoints;
  if (std::find(owners.begin(), owners.end(), endpoint_) != owners.end()) {
    if (address.kind == kind) return {};
    return conflict(
        fmt::format("IP {} is endpoint \"{}\"'s already, in the other way (shared or "
                    "not)",
                    ip.to_string(), endpoint_));
  }
  if (kind != Address::Kind::kShared || address.kind != Address::Kind::kShared)
    return conflict(
        fmt::format("IP {} is in use by endpoint \"{}\"", ip.to_string(), owners.front()));
  owners.push_back(endpoint_);
  draft_.put(address);
  return {};
}

bool Addresses::has_one_in(const Prefix& prefix) const {
  const auto& ips = draft_.state().ips_of(endpoint_);
  return std::any_of(ips.begin(), ips.end(), [&](const auto& ip) { return prefix.contains(ip); });
}

Status Addresses::give_auto() {
  for (const bool where_none : {true, false})
    for (const auto& subnet : network_.subnets) {
      if (has_one_in(subnet.prefix) == where_none) continue;
      if (const auto ip = draft_.state().free_ip(network_.vni, subnet, draft_.now()))
        return give(*ip, Address::Kind::kOwned, true);
    }
  return no_free_address(network_, draft_);
}

void Addresses::drop(const Address& address) {
  Address left = address;
  const bool spoke = left.endpoints.front() == endpoint_;
  std::erase(left.endpoints, endpoint_);
  if (!left.endpoints.empty()) {
    left.generation += spoke ? 1 : 0;
    if (spoke) left.router = false;
    draft_.put(left);
    return;
  }
  draft_.erase(address);
  if (address.chosen) draft_.put(Quarantine{address_key(address.key), network_.tenant});
}

void Addresses::drop_all() {
  for (const auto& address : present()) drop(address);
}

bool any_kind(Address::Kind) { return true; }

// What differs from the endpoint that is there, if anything that was given does.
Status compare(const EndpointAdd& add, const Endpoint& present, const State& state) {
  const auto differs = [&](std::string_view what) -> Status {
    return exists(fmt::format("endpoint \"{}\" exists with {}", add.name, what));
  };
  if (add.network != present.network)
    return differs(fmt::format("network {}, not {}", present.network, add.network));
  if (add.mac && *add.mac != present.mac)
    return differs(fmt::format("MAC {}, not {}", present.mac.to_string(), add.mac->to_string()));
  auto wanted = add.addresses;
  for (const auto& ip : state.ips_of(add.name)) {
    const auto* address = state.address({present.vni, ip});
    if (address->kind == Address::Kind::kLinkLocal) continue;
    const bool shared = address->kind == Address::Kind::kShared;
    if (!names(add.addresses, shared)) continue;
    auto match = std::find_if(wanted.begin(), wanted.end(), [&](const WantedAddress& w) {
      return w.ip == ip && w.shared == shared;
    });
    if (match == wanted.end() && address->chosen)
      match = std::find_if(wanted.begin(), wanted.end(), [](const auto& w) { return !w.ip; });
    if (match == wanted.end())
      return differs(fmt::format("{} {}, which is not among those given",
                                 shared ? "shared IP" : "IP", ip.to_string()));
    wanted.erase(match);
  }
  if (wanted.empty()) return {};
  return exists(fmt::format("endpoint \"{}\" exists without {} {}", add.name,
                            wanted.front().shared ? "shared IP" : "IP",
                            wanted.front().ip ? wanted.front().ip->to_string() : "auto"));
}

// Without `wanted`, to one that is chosen.
Status change_mac(const std::optional<MacAddress>& wanted, const std::string& tenant,
                  Endpoint& endpoint, const Surroundings& around, Draft& draft) {
  make_way(wanted, tenant, draft);
  const auto mac = take_mac(wanted, tenant, endpoint.name, around, draft.state());
  if (!mac) return mac.error();
  if (*mac == endpoint.mac) return {};
  if (endpoint.active)
    return conflict(
        fmt::format("endpoint \"{}\" is attached: its MAC can be changed only while "
                    "it is not",
                    endpoint.name));
  draft.erase(MacOwner{tenant, endpoint.mac, {}});
  draft.put(MacOwner{tenant, *mac, endpoint.name});
  endpoint.mac = *mac;
  draft.put(endpoint);
  return {};
}

}  // namespace

Planned plan_endpoint(const EndpointAdd& add, const Surroundings& around, Draft& draft) {
  const auto& state = draft.state();
  if (const auto* present = state.endpoint(add.name); present != nullptr && present->dynamic)
    forget_dynamic(add.name, draft);
  if (const auto* present = state.endpoint(add.name)) {
    if (auto same = compare(add, *present, state); !same) return same.error();
    return std::optional{endpoint_made(add.name)};
  }
  const auto* found = state.network(add.network);
  if (found == nullptr) return unknown("network", add.network);
  const Network network = *found;
  draft.require(network);
  make_way(add.mac, network.tenant, draft);
  const auto mac = take_mac(add.mac, network.tenant, add.name, around, state);
  if (!mac) return mac.error();
  draft.put(MacOwner{network.tenant, *mac, add.name});
  // Above every generation that an endpoint of this name may have had: a late word about that one
  // is older.
  draft.put(Endpoint{.name = add.name,
                     .network = add.network,
                     .vni = network.vni,
                     .mac = *mac,
                     .generation = around.revision + 1});
  Addresses addresses{network, add.name, around, draft};
  if (auto status = addresses.become(add.addresses, any_kind); !status) return status.error();
  return std::optional{endpoint_made(add.name)};
}

Planned plan_endpoint(const EndpointSet& set, const Surroundings& around, Draft& draft) {
  const auto* present = draft.state().endpoint(set.name);
  if (present == nullptr) return unknown("endpoint", set.name);
  if (present->dynamic)
    return conflict(fmt::format("endpoint \"{}\" is dynamic: register one with its MAC {}",
                                set.name, present->mac.to_string()));
  Endpoint endpoint = *present;
  const Network network = *draft.state().network(endpoint.network);
  if (set.mac || set.choose_mac)
    if (auto status = change_mac(set.mac, network.tenant, endpoint, around, draft); !status)
      return status.error();
  const auto replaces = [&](Address::Kind kind) {
    const bool shared = kind == Address::Kind::kShared;
    return names(set.addresses, shared) || (shared ? set.no_shared_ips : set.no_ips);
  };
  Addresses addresses{network, set.name, around, draft};
  if (auto status = addresses.become(set.addresses, replaces); !status) return status.error();
  return std::optional{endpoint_made(set.name)};
}

Planned plan_endpoint(const EndpointDel& del, Draft& draft) {
  const auto* present = draft.state().endpoint(del.name);
  if (present == nullptr) return unknown("endpoint", del.name);
  const Endpoint endpoint = *present;
  const Network network = *draft.state().network(endpoint.network);
  Addresses{network, del.name, {}, draft}.drop_all();
  draft.erase(MacOwner{network.tenant, endpoint.mac, {}});
  draft.erase(endpoint);
  return std::optional<Made>{};
}

}  // namespace dove::controller
