#include "controller/consequences.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

namespace dove::controller {
namespace {

MacBinding binding_of(const MacKey& key, const State& state, std::uint64_t revision) {
  const auto* endpoint = state.endpoint(key);
  if (endpoint == nullptr || !endpoint->active) {
    const auto generation = endpoint == nullptr ? 0 : endpoint->generation;
    return {.key = key, .generation = generation, .revision = revision};
  }
  return {.key = key,
          .verdict = Verdict::kFound,
          .host = endpoint->host,
          .generation = endpoint->generation,
          .revision = endpoint->revision};
}

IpUpdate update_of(const IpKey& key, const State& state, std::uint64_t revision) {
  const auto* address = state.address(key);
  if (address == nullptr) return {.binding = {.key = key, .revision = revision}};
  const auto* speaker = state.speaker_of(*address);
  if (speaker == nullptr)
    return {.binding = {.key = key, .generation = address->generation, .revision = revision},
            .recorded = true};
  return {.binding = {.key = key,
                      .verdict = Verdict::kFound,
                      .mac = speaker->mac,
                      .generation = address->generation,
                      .router = address->router,
                      .revision = std::max(address->revision, speaker->revision)},
          .recorded = true};
}

// The pairs of a tenant's networks that a policy names and that are not as all others.
Routing routing_of(const std::string& name, const State& state) {
  Routing routing{.tenant = name};
  const auto* tenant = state.tenant(name);
  if (tenant == nullptr) return routing;
  routing.denied = tenant->routing_denied;
  for (const auto& network : state.networks_of(name)) {
    routing.networks.push_back(*state.network(network));
    for (const auto& between : state.policies_of(network)) {
      const auto* policy = state.policy(between);
      if (policy->denied == routing.denied || policy->network != network) continue;
      routing.exceptions.insert(
          std::minmax(state.network(policy->network)->vni, state.network(policy->other)->vni));
    }
  }
  return routing;
}

class Collector {
 public:
  Collector(const State& state, std::uint64_t revision) : state_{state} {
    result_.revision = revision;
  }

  void add(const Change& change) {
    const auto& any = change.after ? *change.after : *change.before;
    if (std::holds_alternative<Endpoint>(any))
      add_endpoint(get<Endpoint>(change.before), get<Endpoint>(change.after));
    else if (std::holds_alternative<Address>(any))
      add_address(get<Address>(change.before), get<Address>(change.after));
    else if (std::holds_alternative<Host>(any))
      add_host(std::get<Host>(any), change.after.has_value());
    else if (std::holds_alternative<Network>(any))
      add_network(get<Network>(change.before), get<Network>(change.after));
    else if (const auto* tenant = std::get_if<Tenant>(&any))
      tenants_.insert(tenant->name);
    else if (const auto* policy = std::get_if<Policy>(&any))
      tenants_.insert(policy->tenant);
  }

  Consequences finish() {
    for (const auto& name : tenants_) result_.tenants.push_back(routing_of(name, state_));
    for (const auto& key : macs_) result_.macs.push_back(binding_of(key, state_, result_.revision));
    for (const auto& key : ips_) result_.ips.push_back(update_of(key, state_, result_.revision));
    for (const auto& name : readdressed_) add_readdressed(name);
    return std::move(result_);
  }

 private:
  template <class T>
  static const T* get(const std::optional<Value>& value) {
    return value ? &std::get<T>(*value) : nullptr;
  }

  void add_endpoint(const Endpoint* before, const Endpoint* after) {
    for (const auto* endpoint : {before, after}) {
      if (endpoint == nullptr) continue;
      macs_.insert(endpoint->key());
      for (const auto& ip : state_.ips_of(endpoint->name)) ips_.insert({endpoint->vni, ip});
    }
    if (after != nullptr && after->active) result_.attached.emplace_back(after->vni, after->host);
    if (before != nullptr && before->active) add_loss(*before, after);
  }

  // A host that detaches an endpoint itself leaves its generation as it is: that is no loss.
  void add_loss(const Endpoint& before, const Endpoint* after) {
    if (after != nullptr && after->generation != before.generation)
      result_.losses.push_back({before.host, *after});
    if (after != nullptr) return;
    Endpoint deleted = before;
    deleted.active = false;
    ++deleted.generation;
    result_.losses.push_back({before.host, deleted});
  }

  void add_address(const Address* before, const Address* after) {
    ips_.insert((after != nullptr ? after : before)->key);
    const auto owners_of = [](const Address* address) {
      return address == nullptr
                 ? std::set<std::string>{}
                 : std::set<std::string>{address->endpoints.begin(), address->endpoints.end()};
    };
    const auto were = owners_of(before);
    const auto are = owners_of(after);
    std::set_symmetric_difference(were.begin(), were.end(), are.begin(), are.end(),
                                  std::inserter(readdressed_, readdressed_.end()));
  }

  void add_readdressed(const std::string& name) {
    const auto* endpoint = state_.endpoint(name);
    if (endpoint == nullptr || !endpoint->active) return;
    Readdressed now{.endpoint = *endpoint, .ips = {}, .shared_ips = {}};
    for (const auto& ip : state_.ips_of(name)) {
      now.ips.push_back(ip);
      if (state_.address({endpoint->vni, ip})->kind == Address::Kind::kShared)
        now.shared_ips.push_back(ip);
    }
    result_.readdressed.push_back(std::move(now));
  }

  void add_host(const Host& host, bool there) {
    result_.hosts.push_back({host.id, host.name, there ? std::optional{host.vtep} : std::nullopt});
  }

  void add_network(const Network* before, const Network* after) {
    for (const auto* network : {before, after})
      if (network != nullptr) tenants_.insert(network->tenant);
    if (before != nullptr && (after == nullptr || after->vni != before->vni))
      result_.gone.push_back(before->vni);
    if (after != nullptr && (before == nullptr || after->vni != before->vni))
      result_.come.push_back(after->vni);
  }

  const State& state_;
  Consequences result_;
  std::set<std::string> tenants_;
  std::set<MacKey> macs_;
  std::set<IpKey> ips_;
  std::set<std::string> readdressed_;  // endpoints that have gained or lost an address
};

}  // namespace

Consequences consequences_of(const State& after, std::span<const Change> changes,
                             std::uint64_t revision) {
  Collector collector{after, revision};
  for (const auto& change : changes) collector.add(change);
  return collector.finish();
}

Consequences everything(const State& state, std::uint64_t revision) {
  Collector collector{state, revision};
  for (const auto& [name, host] : state.hosts()) collector.add({{}, Value{Host{host}}});
  for (const auto& [name, tenant] : state.tenants()) collector.add({{}, Value{Tenant{tenant}}});
  for (const auto& [name, endpoint] : state.endpoints())
    collector.add({{}, Value{Endpoint{endpoint}}});
  return collector.finish();
}

}  // namespace dove::controller
