#include "controller/state.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace dove::controller {
namespace {

const Names kNoNames;
const std::set<IpAddress> kNoIps;

template <class Map, class Key>
auto* get(Map& map, const Key& key) {
  const auto at = map.find(key);
  return at == map.end() ? nullptr : &at->second;
}

template <class T>
Kept<T> kept(const T& value, std::uint64_t revision) {
  return {value, revision};
}

template <class Index, class Key, class Member>
void unindex(Index& index, const Key& key, const Member& member) {
  const auto at = index.find(key);
  if (at == index.end()) return;
  at->second.erase(member);
  if (at->second.empty()) index.erase(at);
}

template <class T>
std::optional<State::Found> found(const Kept<T>* kept) {
  if (kept == nullptr) return std::nullopt;
  return State::Found{Value{static_cast<const T&>(*kept)}, kept->revision};
}

// How far `ip` is into the prefix, by the low 64 bits.
std::uint64_t index_in(const Prefix& prefix, const IpAddress& ip) noexcept {
  const auto low = [](std::span<const std::byte> wire) {
    std::uint64_t value = 0;
    for (const auto byte : wire.last(std::min<std::size_t>(8, wire.size())))
      value = value << 8U | std::to_integer<std::uint64_t>(byte);
    return value;
  };
  return low(ip.wire()) - low(prefix.network().wire());
}

Error damaged(std::string what) {
  return {ErrorCode::kSystem, fmt::format("the store's records contradict each other: {}", what)};
}

}  // namespace

bool is_for_endpoints(const Subnet& subnet, const IpAddress& ip) noexcept {
  return !subnet.prefix.is_reserved(ip) && subnet.gateway != ip && ip.is_assignable();
}

// --- in and out

void State::put(const Value& value, std::uint64_t revision, TimePoint now) {
  erase(value);
  std::visit(
      [&](const auto& v) {
        if constexpr (std::is_same_v<std::decay_t<decltype(v)>, Quarantine>)
          rest(v, revision, now);
        else
          add(v, revision);
      },
      value);
}

void State::erase(const Value& value) {
  const auto present = find(value);
  if (!present) return;
  std::visit([this](const auto& v) { remove(v); }, present->value);
}

std::optional<State::Found> State::find(const Value& same_key) const {
  struct Finder {
    const State& state;
    std::optional<Found> operator()(const Tenant& v) { return found(state.tenant(v.name)); }
    std::optional<Found> operator()(const Network& v) { return found(state.network(v.name)); }
    std::optional<Found> operator()(const Policy& v) { return found(state.policy(policy_name(v))); }
    std::optional<Found> operator()(const Endpoint& v) { return found(state.endpoint(v.name)); }
    std::optional<Found> operator()(const Host& v) { return found(state.host(v.name)); }
    std::optional<Found> operator()(const Address& v) { return found(state.address(v.key)); }
    std::optional<Found> operator()(const VniOwner& v) {
      return found(get(state.vnis_, v.vni.value()));
    }
    std::optional<Found> operator()(const MacOwner& v) {
      const auto* of_tenant = get(state.macs_, v.tenant);
      return of_tenant == nullptr ? std::nullopt : found(get(*of_tenant, v.mac));
    }
    std::optional<Found> operator()(const Quarantine& v) {
      const auto* resting = get(state.resting_, v.of);
      if (resting == nullptr) return std::nullopt;
      return Found{resting->record, resting->revision};
    }
    std::optional<Found> operator()(const HostIdCounter&) {
      return state.last_host_id_.last == 0 ? std::nullopt : found(&state.last_host_id_);
    }
  };
  return std::visit(Finder{*this}, same_key);
}

void State::add(const Tenant& value, std::uint64_t revision) {
  tenants_.insert_or_assign(value.name, kept(value, revision));
}

void State::remove(const Tenant& value) { tenants_.erase(value.name); }

void State::add(const Network& value, std::uint64_t revision) {
  networks_.insert_or_assign(value.name, kept(value, revision));
  networks_of_[value.tenant].insert(value.name);
}

void State::remove(const Network& value) {
  unindex(networks_of_, value.tenant, value.name);
  networks_.erase(value.name);
}

void State::add(const Policy& value, std::uint64_t revision) {
  const auto name = policy_name(value);
  policies_.insert_or_assign(name, kept(value, revision));
  for (const auto* network : {&value.network, &value.other}) policies_of_[*network].insert(name);
}

void State::remove(const Policy& value) {
  const auto name = policy_name(value);
  for (const auto* network : {&value.network, &value.other}) unindex(policies_of_, *network, name);
  policies_.erase(name);
}

void State::add(const VniOwner& value, std::uint64_t revision) {
  vnis_.insert_or_assign(value.vni.value(), kept(value, revision));
}

void State::remove(const VniOwner& value) {
  vnis_.erase(value.vni.value());
  search_again(value.vni);
}

void State::add(const Endpoint& value, std::uint64_t revision) {
  endpoints_.insert_or_assign(value.name, kept(value, revision));
  endpoints_of_[value.network].insert(value.name);
  if (value.active) endpoints_at_[value.host].insert(value.name);
  if (!value.dynamic) return;
  dynamic_of_[value.network].insert(value.name);
  if (value.active) dynamic_at_[value.host].insert(value.name);
}

void State::remove(const Endpoint& value) {
  unindex(endpoints_of_, value.network, value.name);
  unindex(dynamic_of_, value.network, value.name);
  if (value.active) unindex(endpoints_at_, value.host, value.name);
  if (value.active) unindex(dynamic_at_, value.host, value.name);
  endpoints_.erase(value.name);
}

void State::add(const MacOwner& value, std::uint64_t revision) {
  macs_[value.tenant].insert_or_assign(value.mac, kept(value, revision));
}

void State::remove(const MacOwner& value) { unindex(macs_, value.tenant, value.mac); }

void State::add(const Address& value, std::uint64_t revision) {
  addresses_[value.key.vni].by_ip.insert_or_assign(value.key.ip, kept(value, revision));
  for (const auto& endpoint : value.endpoints) ips_of_[endpoint].insert(value.key.ip);
}

void State::remove(const Address& value) {
  for (const auto& endpoint : value.endpoints) unindex(ips_of_, endpoint, value.key.ip);
  const auto at = addresses_.find(value.key.vni);
  at->second.by_ip.erase(value.key.ip);
  search_again(value.key);
  if (at->second.by_ip.empty()) addresses_.erase(at);
}

void State::add(const Host& value, std::uint64_t revision) {
  hosts_.insert_or_assign(value.name, kept(value, revision));
  host_names_[value.id] = value.name;
}

void State::remove(const Host& value) {
  host_names_.erase(value.id);
  hosts_.erase(value.name);
}

void State::add(const HostIdCounter& value, std::uint64_t revision) {
  last_host_id_ = kept(value, revision);
}

void State::remove(const HostIdCounter&) { last_host_id_ = {}; }

void State::rest(const Quarantine& value, std::uint64_t revision, TimePoint now) {
  resting_[value.of] = {value, revision, now + kQuarantine};
  rest_ends_.emplace(now + kQuarantine, value.of);
}

void State::remove(const Quarantine& value) {
  const auto at = resting_.find(value.of);
  rest_ends_.erase({at->second.until, value.of});
  resting_.erase(at);
  const auto subject = subject_of(value.of);
  if (const auto* vni = std::get_if<Vni>(&subject)) search_again(*vni);
  if (const auto* address = std::get_if<IpKey>(&subject)) search_again(*address);
}

// --- questions

const Kept<Tenant>* State::tenant(std::string_view name) const { return get(tenants_, name); }
const Kept<Network>* State::network(std::string_view name) const { return get(networks_, name); }
const Kept<Policy>* State::policy(std::string_view name) const { return get(policies_, name); }
const Kept<Endpoint>* State::endpoint(std::string_view name) const { return get(endpoints_, name); }
const Kept<Host>* State::host(std::string_view name) const { return get(hosts_, name); }

const Kept<Network>* State::network(Vni vni) const {
  const auto* owner = get(vnis_, vni.value());
  return owner == nullptr ? nullptr : network(owner->network);
}

const Kept<Host>* State::host(HostId id) const {
  const auto* name = get(host_names_, id);
  return name == nullptr ? nullptr : host(*name);
}

const Kept<Address>* State::address(const IpKey& key) const {
  const auto* addresses = get(addresses_, key.vni);
  return addresses == nullptr ? nullptr : get(addresses->by_ip, key.ip);
}

const Kept<Endpoint>* State::speaker_of(const Address& address) const {
  for (const auto& name : address.endpoints)
    if (const auto* speaker = endpoint(name); speaker != nullptr && speaker->active) return speaker;
  return nullptr;
}

const std::string* State::mac_owner(std::string_view tenant, const MacAddress& mac) const {
  const auto* of_tenant = get(macs_, std::string{tenant});
  const auto* owner = of_tenant == nullptr ? nullptr : get(*of_tenant, mac);
  return owner == nullptr ? nullptr : &owner->endpoint;
}

const Kept<Endpoint>* State::endpoint(const MacKey& key) const {
  const auto* of = network(key.vni);
  const auto* name = of == nullptr ? nullptr : mac_owner(of->tenant, key.mac);
  const auto* found = name == nullptr ? nullptr : endpoint(*name);
  return found != nullptr && found->vni == key.vni ? found : nullptr;
}

const Names& State::networks_of(std::string_view tenant) const {
  const auto* names = get(networks_of_, tenant);
  return names == nullptr ? kNoNames : *names;
}

const Names& State::policies_of(std::string_view network) const {
  const auto* names = get(policies_of_, network);
  return names == nullptr ? kNoNames : *names;
}

const Names& State::endpoints_of(std::string_view network) const {
  const auto* names = get(endpoints_of_, network);
  return names == nullptr ? kNoNames : *names;
}

const Names& State::endpoints_at(HostId host) const {
  const auto* names = get(endpoints_at_, host);
  return names == nullptr ? kNoNames : *names;
}

const Names& State::dynamic_of(std::string_view network) const {
  const auto* names = get(dynamic_of_, network);
  return names == nullptr ? kNoNames : *names;
}

const Names& State::dynamic_at(HostId host) const {
  const auto* names = get(dynamic_at_, host);
  return names == nullptr ? kNoNames : *names;
}

const std::set<IpAddress>& State::ips_of(std::string_view endpoint) const {
  const auto* ips = get(ips_of_, endpoint);
  return ips == nullptr ? kNoIps : *ips;
}

void State::each_address(Vni vni, const std::function<void(const Kept<Address>&)>& visit) const {
  const auto* addresses = get(addresses_, vni);
  if (addresses == nullptr) return;
  for (const auto& [ip, address] : addresses->by_ip) visit(address);
}

// --- what is free

const Quarantine* State::resting(const std::string& of, TimePoint now) const {
  const auto* resting = get(resting_, of);
  return resting != nullptr && now < resting->until ? &resting->record : nullptr;
}

std::vector<Quarantine> State::rested(TimePoint now, std::size_t limit) const {
  std::vector<Quarantine> keys;
  for (const auto& [until, of] : rest_ends_) {
    if (now < until || keys.size() == limit) break;
    keys.push_back(resting_.at(of).record);
  }
  return keys;
}

// Its record may be there still, and has not yet called for a new search.
bool State::something_rested(TimePoint now) const {
  return !rest_ends_.empty() && rest_ends_.begin()->first <= now;
}

std::optional<Vni> State::free_vni(TimePoint now) const {
  const auto search = [&](std::uint32_t from, std::uint32_t end) -> std::optional<Vni> {
    auto taken = vnis_.lower_bound(from);
    for (auto raw = from; raw < end; ++raw) {
      if (taken != vnis_.end() && taken->first == raw) {
        ++taken;
      } else if (const auto vni = *Vni::from(raw); resting(vni_key(vni), now) == nullptr) {
        return vni;
      }
    }
    return std::nullopt;
  };
  const auto from = something_rested(now) ? kFirstChosenVni : vni_search_from_;
  if (const auto vni = search(from, Vni::kLimit)) {
    vni_search_from_ = vni->value();
    return vni;
  }
  return search(1, kFirstChosenVni);
}

std::optional<IpAddress> State::free_ip(Vni vni, const Subnet& subnet, TimePoint now) const {
  const auto* addresses = get(addresses_, vni);
  std::uint64_t first = 0;
  if (addresses != nullptr && !something_rested(now)) first = addresses->search_from[subnet.prefix];
  const auto end = subnet.prefix.size();
  for (auto index = first; index < end; ++index) {
    const auto ip = *subnet.prefix.address_at(index);
    if (!is_free({vni, ip}, subnet, now)) continue;
    if (addresses != nullptr) addresses->search_from[subnet.prefix] = index;
    return ip;
  }
  return std::nullopt;
}

bool State::is_free(const IpKey& key, const Subnet& subnet, TimePoint now) const {
  return is_for_endpoints(subnet, key.ip) && address(key) == nullptr &&
         (resting_.empty() || resting(address_key(key), now) == nullptr);
}

State::Rest State::rest_in(const Network& network, TimePoint now) const {
  Rest rest;
  const std::string prefix = address_key_prefix(network.vni);
  for (auto at = resting_.lower_bound(prefix);
       at != resting_.end() && at->first.starts_with(prefix); ++at) {
    const auto subject = subject_of(at->first);
    const auto* key = std::get_if<IpKey>(&subject);
    if (key == nullptr || now >= at->second.until || address(*key) != nullptr) continue;
    if (std::none_of(network.subnets.begin(), network.subnets.end(), [&](const Subnet& subnet) {
          return subnet.prefix.contains(key->ip) && is_for_endpoints(subnet, key->ip);
        }))
      continue;
    if (rest.addresses++ == 0 || at->second.until < rest.first_ends)
      rest.first_ends = at->second.until;
  }
  return rest;
}

void State::search_again(const IpKey& freed) {
  auto* addresses = get(addresses_, freed.vni);
  if (addresses == nullptr) return;
  for (auto& [prefix, from] : addresses->search_from)
    if (prefix.contains(freed.ip)) from = std::min(from, index_in(prefix, freed.ip));
}

void State::search_again(Vni freed) {
  if (freed.value() >= kFirstChosenVni)
    vni_search_from_ = std::min(vni_search_from_, freed.value());
}

// --- consistency

Status State::check() const {
  for (const auto& [name, network] : networks_)
    if (auto status = check(network); !status) return status;
  for (const auto& [name, policy] : policies_)
    if (auto status = check(policy); !status) return status;
  for (const auto& [name, endpoint] : endpoints_)
    if (auto status = check(endpoint); !status) return status;
  for (const auto& [vni, addresses] : addresses_)
    for (const auto& [ip, address] : addresses.by_ip)
      if (auto status = check(address); !status) return status;
  for (const auto& [vni, owner] : vnis_)
    if (const auto* of = network(owner.network); of == nullptr || of->vni.value() != vni)
      return damaged(fmt::format("VNI {} belongs to no network", vni));
  for (const auto& [tenant, macs] : macs_)
    for (const auto& [mac, owner] : macs)
      if (const auto* of = endpoint(owner.endpoint); of == nullptr || of->mac != mac)
        return damaged(fmt::format("MAC {} belongs to no endpoint", mac.to_string()));
  for (const auto& [name, host] : hosts_)
    if (static_cast<std::uint32_t>(host.id) > last_host_id_.last)
      return damaged(fmt::format("host \"{}\" has an id that was not given out", name));
  return host_names_.size() == hosts_.size() ? Status{} : damaged("two hosts have one id");
}

Status State::check(const Network& network) const {
  if (tenant(network.tenant) == nullptr)
    return damaged(fmt::format("network \"{}\" is of no tenant", network.name));
  const auto* owner = get(vnis_, network.vni.value());
  if (owner == nullptr || owner->network != network.name)
    return damaged(fmt::format("network \"{}\" does not own its VNI", network.name));
  return {};
}

Status State::check(const Policy& policy) const {
  for (const auto* name : {&policy.network, &policy.other})
    if (const auto* of = network(*name); of == nullptr || of->tenant != policy.tenant)
      return damaged(
          fmt::format("policy \"{}\" is between other tenants' networks", policy_name(policy)));
  return {};
}

Status State::check(const Endpoint& endpoint) const {
  const auto* of = network(endpoint.network);
  if (of == nullptr || of->vni != endpoint.vni)
    return damaged(fmt::format("endpoint \"{}\" is of no network", endpoint.name));
  const auto* owner = mac_owner(of->tenant, endpoint.mac);
  if (owner == nullptr || *owner != endpoint.name)
    return damaged(fmt::format("endpoint \"{}\" does not own its MAC", endpoint.name));
  if (endpoint.active && host(endpoint.host) == nullptr)
    return damaged(fmt::format("endpoint \"{}\" is at no known host", endpoint.name));
  return {};
}

Status State::check(const Address& address) const {
  for (const auto& name : address.endpoints) {
    const auto* of = endpoint(name);
    if (of == nullptr || of->vni != address.key.vni)
      return damaged(fmt::format("address {} belongs to no endpoint of its network",
                                 address.key.ip.to_string()));
  }
  return {};
}

}  // namespace dove::controller
