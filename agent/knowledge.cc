#include "agent/knowledge.h"

#include <algorithm>

#include "core/link_local.h"

namespace dove::agent {
namespace {

// What does not exist is asked for again after this; when it appears before, that is told.
constexpr std::chrono::milliseconds kNegativeTtl{2000};

bool contains(const NetworkSettings& network, const IpAddress& ip) {
  return std::any_of(network.subnets.begin(), network.subnets.end(),
                     [&](const Subnet& subnet) { return subnet.prefix.contains(ip); });
}

Knowledge::Answer nothing(const MacKey& key, Verdict verdict, std::uint64_t revision) {
  return {
      .ip = {},
      .mac = MacBinding{
          .key = key, .verdict = verdict, .target = {}, .revision = revision, .ttl = kNegativeTtl}};
}

Knowledge::Answer nothing(const IpKey& key, Verdict verdict, std::uint64_t revision) {
  return {.ip = IpBinding{.key = key,
                          .verdict = verdict,
                          .mac = {},
                          .target = {},
                          .revision = revision,
                          .ttl = kNegativeTtl},
          .mac = {}};
}

template <class Binding>
void move_to(std::optional<Binding>& binding, Vni vni, std::uint64_t since) {
  if (!binding) return;
  binding->target = binding->key.vni;
  binding->key.vni = vni;
  binding->revision = std::max(binding->revision, since);
}

}  // namespace

// --- networks and replicas

bool Knowledge::set_network(const NetworkSettings& settings) {
  const auto [at, fresh] = networks_.try_emplace(settings.vni, settings);
  return fresh || std::exchange(at->second, settings) != settings;
}

void Knowledge::remove_network(Vni vni) {
  networks_.erase(vni);
  replicas_.erase(vni);
}

std::vector<Vni> Knowledge::together_with(Vni vni) const {
  std::vector<Vni> vnis;
  const auto network = networks_.find(vni);
  if (network == networks_.end()) return vnis;
  const auto& tenant = network->second.tenant;
  for (const auto& [other, settings] : networks_)
    if (other == vni || (settings.tenant == tenant && !tenant.empty())) vnis.push_back(other);
  return vnis;
}

Replica* Knowledge::replica(Vni vni) {
  const auto at = replicas_.find(vni);
  return at == replicas_.end() ? nullptr : &at->second;
}

const Replica* Knowledge::replica(Vni vni) const {
  const auto at = replicas_.find(vni);
  return at == replicas_.end() ? nullptr : &at->second;
}

void Knowledge::set_replica(Vni vni, Replica replica) {
  if (networks_.contains(vni)) replicas_.insert_or_assign(vni, std::move(replica));
}

void Knowledge::drop_replica(Vni vni) { replicas_.erase(vni); }

std::vector<Vni> Knowledge::replicas() const {
  std::vector<Vni> vnis;
  for (const auto& [vni, replica] : replicas_) vnis.push_back(vni);
  return vnis;
}

void Knowledge::doubt_all() {
  for (auto& [vni, replica] : replicas_) replica.doubt();
}

void Knowledge::drop_all() { replicas_.clear(); }

void Knowledge::set_guest(const MacKey& guest, std::vector<IpAddress> ips) {
  guests_.insert_or_assign(guest, std::move(ips));
}

// --- answers

const Replica* Knowledge::usable(Vni vni, bool live) const {
  const auto* there = replica(vni);
  return there != nullptr && (there->is_whole() || !live) ? there : nullptr;
}

std::optional<MacBinding> Knowledge::guest_mac(const MacKey& key) const {
  if (!guests_.contains(key)) return std::nullopt;
  return MacBinding{.key = key, .verdict = Verdict::kFound, .host = self_, .target = {}};
}

std::optional<IpBinding> Knowledge::guest_ip(const IpKey& key) const {
  for (const auto& [guest, ips] : guests_)
    if (guest.vni == key.vni && std::find(ips.begin(), ips.end(), key.ip) != ips.end())
      return IpBinding{.key = key, .verdict = Verdict::kFound, .mac = guest.mac, .target = {}};
  return std::nullopt;
}

// In its own network.
std::optional<Knowledge::Answer> Knowledge::found(const MacKey& key, bool live) const {
  const auto* there = usable(key.vni, live);
  if (const auto* binding = there == nullptr ? nullptr : there->find(key.mac))
    return Answer{.ip = {}, .mac = *binding};
  if (auto guest = live ? std::nullopt : guest_mac(key)) return Answer{.ip = {}, .mac = guest};
  return std::nullopt;
}

// True as of what the replica was told last.
std::optional<Knowledge::Answer> Knowledge::no_such(const IpKey& key) const {
  const auto* there = usable(key.vni, true);
  if (there == nullptr) return std::nullopt;
  return nothing(key, Verdict::kNotFound, there->revision());
}

std::optional<Knowledge::Answer> Knowledge::owned(const IpBinding& address, bool live) const {
  if (address.verdict != Verdict::kFound) {
    return no_such(address.key);
  }
  auto owner = found(MacKey{address.key.vni, address.mac}, live);
  if (!owner) return std::nullopt;
  return Answer{.ip = address, .mac = owner->mac};
}

std::optional<bool> Knowledge::routes(Vni from, Vni to) const {
  const auto& denied = networks_.at(from).denied;
  const auto& subnets = networks_.at(to).subnets;
  if (subnets.empty()) return std::nullopt;
  return std::none_of(subnets.begin(), subnets.end(), [&](const Subnet& subnet) {
    return std::find(denied.begin(), denied.end(), subnet.prefix) != denied.end();
  });
}

std::optional<Knowledge::Answer> Knowledge::seen_from(Vni vni, Answer there) const {
  const auto home = there.ip ? there.ip->key.vni : there.mac->key.vni;
  const auto allowed = routes(vni, home);
  const auto since = networks_.at(vni).revision;
  if (!allowed) return std::nullopt;
  const bool is_there = !there.ip || there.ip->verdict == Verdict::kFound;
  if (!*allowed && is_there) {
    if (there.ip)
      return nothing(IpKey{vni, there.ip->key.ip}, Verdict::kDenied,
                     std::max(since, there.ip->revision));
    return nothing(MacKey{vni, there.mac->key.mac}, Verdict::kDenied,
                   std::max(since, there.mac->revision));
  }
  if (!is_there)
    return nothing(IpKey{vni, there.ip->key.ip}, Verdict::kNotFound, there.ip->revision);
  move_to(there.ip, vni, since);
  move_to(there.mac, vni, since);
  return there;
}

std::optional<Knowledge::Answer> Knowledge::answer(const Key& key, bool live) const {
  if (const auto* mac = std::get_if<MacKey>(&key)) return answer_mac(*mac, live);
  return answer_ip(std::get<IpKey>(key), live);
}

// It may be in a network that this host does not have, so that only the controller can say no.
std::optional<Knowledge::Answer> Knowledge::answer_mac(const MacKey& key, bool live) const {
  if (auto here = found(key, live)) return here;
  for (const auto vni : together_with(key.vni)) {
    auto there = vni == key.vni ? std::nullopt : found(MacKey{vni, key.mac}, live);
    if (there) return seen_from(key.vni, *there);
  }
  return std::nullopt;
}

std::optional<Knowledge::Answer> Knowledge::answer_ip(const IpKey& key, bool live) const {
  const auto home = home_of(key);
  if (auto here = answer_at_home(key, live)) {
    const bool is_no = here->ip->verdict != Verdict::kFound;
    if (!is_no || home == key.vni) return here;
  }
  if (!home || *home == key.vni) return std::nullopt;
  auto there = answer_at_home({*home, key.ip}, live);
  return there ? seen_from(key.vni, *there) : std::nullopt;
}

// As one of the very network sees it. That nothing is there says only that it is not there.
std::optional<Knowledge::Answer> Knowledge::answer_at_home(const IpKey& key, bool live) const {
  const auto* there = usable(key.vni, live);
  if (const auto* address = there == nullptr ? nullptr : there->find(key.ip))
    return owned(*address, live);
  if (const auto guest = live ? std::nullopt : guest_ip(key)) return owned(*guest, live);
  const auto mac = mac_of_link_local(key.ip);
  if (auto owner = mac ? found(MacKey{key.vni, *mac}, live) : std::nullopt)
    return Answer{.ip = IpBinding{.key = key,
                                  .verdict = Verdict::kFound,
                                  .mac = *mac,
                                  .generation = owner->mac->generation,
                                  .target = {},
                                  .revision = owner->mac->revision},
                  .mac = owner->mac};
  return no_such(key);
}

// The network in which an address would be; empty when this host does not have it, as far as is
// known.
std::optional<Vni> Knowledge::home_of(const IpKey& key) const {
  if (!networks_.contains(key.vni)) return std::nullopt;
  if (key.ip.is_link_local() || contains(networks_.at(key.vni), key.ip)) return key.vni;
  for (const auto vni : together_with(key.vni))
    if (contains(networks_.at(vni), key.ip)) return vni;
  return std::nullopt;
}

}  // namespace dove::agent
