#include "tests/unit/agent/resolver_model.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace dove::agent {
namespace {

Vtep vtep_at(std::uint32_t n) { return {IpAddress::v4(0xc0000200 + n)}; }
MacAddress mac_at(std::uint32_t n) {
  return MacAddress{{2, 0, 0, 0, 0, static_cast<std::uint8_t>(n)}};
}

const Router kRouter{MacAddress{{2, 0xd0, 0, 0, 0, 1}}, {IpAddress::v4(0x0afffffe)}};

}  // namespace

ResolverModel::ResolverModel(const Limits& limits, bool refusals, Choose choose)
    : limits_{limits},
      refusals_{refusals},
      choose_{std::move(choose)},
      resolver_{std::in_place, limits} {
  for (std::uint32_t host = 1; host <= 4; ++host) vteps_.emplace(host, vtep_at(host));
  start_session(true);
  for (const Vni vni : networks_) {
    resolver_->add_network(vni, out_);
    resolver_->set_router(vni, kRouter);
    open_.insert(vni);
  }
  end_turn();
}

MacKey ResolverModel::any_mac() { return {any_network(), mac_at(choose_(kKeys))}; }
IpKey ResolverModel::any_ip() {
  return {any_network(), IpAddress::v4(0x0a000000 + choose_(kKeys))};
}

void ResolverModel::step() {
  const std::uint32_t what = choose_(64);
  if (what < 24)
    guest_does_something();
  else if (what < 36)
    deliver(1 + choose_(4));
  else if (what < 37)
    members_change();
  else if (what < 45)
    time_passes(std::chrono::milliseconds{choose_(400)});
  else if (what < 46)
    introduce(any_ip());
  else if (what < 54)
    endpoint_changes();
  else if (what < 57)
    kernel_loses_something();
  else if (what < 60)
    port_changes();
  else if (what < 62)
    host_changes();
  else if (what == 62)
    session_changes();
  else if (chance(4))
    doved_restarts();
  else
    network_changes();
  end_turn();
  if (!refusals_) judge_kernel();
  judge_bounds();
}

// --- what happens

void ResolverModel::guest_does_something() {
  const std::uint32_t guest = choose_(kGuests);
  switch (choose_(6)) {
    case 0:
      return resolver_->on_event(MacMiss{any_mac()}, now_, out_);
    case 1:
      return resolver_->on_event(IpMiss{any_ip()}, now_, out_);
    case 2: {
      const IpKey target = any_ip();
      const auto source = chance(4) ? std::nullopt : std::optional{IpAddress::v4(0x0a000000)};
      return resolver_->on_event(
          AddressQuery{IfIndex{static_cast<int>(guest)}, target, mac_at(guest), source}, now_,
          out_);
    }
    case 3:
      return send_packet(any_ip(), guest);
    default:
      return send_frame(any_mac(), guest);
  }
}

void ResolverModel::send_frame(const MacKey& to, std::uint32_t guest) {
  send({to, mac_at(guest), {}, {}}, to, guest);
}

void ResolverModel::send_packet(const IpKey& to, std::uint32_t guest) {
  routed_.insert(to);
  send({{to.vni, kRouter.mac}, mac_at(guest), {}, to.ip}, to, guest);
}

void ResolverModel::send(PuntedFrame&& frame, const Key& to, std::uint32_t guest) {
  const std::uint32_t number = ++frames_;
  flying_.emplace(number, Frame{to, guest, number});
  auto& bytes = frame.packets.packets.emplace_back(64);
  std::memcpy(bytes.data(), &number, sizeof number);
  resolver_->on_event(std::move(frame), now_, out_);
}

void ResolverModel::endpoint_changes() {
  if (chance(2)) {
    const MacKey key = any_mac();
    if (locals_.contains(key)) return;
    policy_changes(key);
    targets_.erase(key);
    const bool elsewhere = chance(3);
    if (elsewhere) targets_.emplace(key, networks_[key.vni == networks_[0] ? 1 : 0]);
    place(key, chance(3) ? std::nullopt : std::optional{elsewhere ? any_host() : 2 + choose_(3)});
  } else {
    const IpKey key = any_ip();
    policy_changes(key);
    give(key, chance(3) ? std::nullopt : std::optional{mac_at(choose_(kKeys))});
  }
}

void ResolverModel::policy_changes(const Key& key) {
  if (chance(6))
    denied_.insert(key);
  else
    denied_.erase(key);
}

// A guest of this host comes or goes; the controller knows a little later, or not at all.
void ResolverModel::port_changes() {
  const MacKey key = any_mac();
  if (!open_.contains(key.vni)) return;
  targets_.erase(key);
  if (locals_.erase(key) == 0) {
    locals_.insert(key);
    resolver_->add_local(key, out_);
    place(key, kSelf);
  } else {
    resolver_->remove_local(key, out_);
    place(key, chance(2) ? std::nullopt : std::optional{2 + choose_(3)});
  }
}

void ResolverModel::host_changes() {
  const std::uint32_t host = 2 + choose_(3);
  if (chance(3))
    vteps_.erase(host);
  else
    vteps_.insert_or_assign(host, vtep_at(host + 10 * choose_(3)));
  tell_hosts(chance(2));
}

void ResolverModel::kernel_loses_something() {
  if (chance(2)) {
    if (neighbours_.empty()) return;
    const auto lost =
        std::next(neighbours_.begin(), choose_(static_cast<std::uint32_t>(neighbours_.size())));
    const IpKey key = lost->first;
    neighbours_.erase(lost);
    return resolver_->on_neighbour_gone(key, now_, out_);
  }
  if (fdb_.empty()) return;
  const auto lost = std::next(fdb_.begin(), choose_(static_cast<std::uint32_t>(fdb_.size())));
  const MacKey key = lost->first;
  fdb_.erase(lost);
  resolver_->on_fdb_gone(key, now_, out_);
}

void ResolverModel::session_changes() {
  if (online_ && chance(2)) {
    online_ = false;
    interest_.clear();
    words_.clear();
    resolver_->on_session_lost();
  } else {
    start_session(chance(4));
  }
}

void ResolverModel::network_changes() {
  const Vni vni = any_network();
  if (open_.erase(vni) == 0) {
    open_.insert(vni);
    resolver_->add_network(vni, out_);
    resolver_->set_router(vni, kRouter);
    if (online_) tell_members(vni);
    return;
  }
  resolver_->remove_network(vni, out_);
  const auto of_network = [&](const auto& entry) { return entry.first.vni == vni; };
  std::erase_if(fdb_, of_network);
  std::erase_if(neighbours_, of_network);
  std::erase_if(groups_, of_network);
  std::erase_if(told_macs_, of_network);
  std::erase_if(told_ips_, of_network);
  std::erase_if(locals_, [&](const MacKey& key) { return key.vni == vni; });
  std::erase_if(routed_, [&](const IpKey& key) { return key.vni == vni; });
}

void ResolverModel::members_change() {
  const Vni vni = any_network();
  const std::uint32_t host = any_host();
  const bool joins = members_[vni].insert(host).second;
  if (!joins) members_[vni].erase(host);
  const std::vector<HostId> changed{id_of(host)};
  if (!online_ || !open_.contains(vni)) return;
  if (joins)
    resolver_->on_flood_list(vni, changed, {}, false, out_);
  else
    resolver_->on_flood_list(vni, {}, changed, false, out_);
}

// A new resolver finds what the kernel has; a controller comes later.
void ResolverModel::doved_restarts() {
  online_ = false;
  interest_.clear();
  words_.clear();
  told_macs_.clear();
  told_ips_.clear();
  told_hosts_.clear();
  flying_.clear();
  out_.clear();
  resolver_.emplace(limits_);
  resolver_->on_time(now_, out_);
  for (const Vni vni : open_) {
    std::vector<Resolver::GroupRow> groups;
    for (const auto& [key, vteps] : groups_)
      if (key.vni == vni) groups.push_back({key, vteps});
    resolver_->adopt_network(vni, groups, out_);
    resolver_->set_router(vni, kRouter);
  }
  // Local entries of ports that are no more are not the resolver's to find.
  std::erase_if(fdb_, [&](const auto& e) { return !e.second && !locals_.contains(e.first); });
  for (const auto& [key, entry] : fdb_)
    if (entry) resolver_->adopt_fdb(key, entry->vtep, entry->target);
  for (const auto& [key, mac] : neighbours_) resolver_->adopt_neighbour(key, mac);
  for (const MacKey& key : locals_) resolver_->add_local(key, out_);
}

void ResolverModel::time_passes(std::chrono::milliseconds time) {
  now_ += time;
  while (resolver_->next_deadline() && *resolver_->next_deadline() <= now_) {
    resolver_->on_time(now_, out_);
    end_turn();
  }
}

// --- the controller

void ResolverModel::tell_hosts(bool full) {
  std::vector<Resolver::HostChange> changes;
  for (std::uint32_t host = 1; host <= 4; ++host) {
    const auto vtep = vteps_.find(host);
    if (vtep != vteps_.end())
      changes.push_back({id_of(host), vtep->second});
    else if (!full)
      changes.push_back({id_of(host), std::nullopt});
  }
  if (!online_) return;
  told_hosts_.clear();
  for (const auto& [host, vtep] : vteps_) told_hosts_.emplace(id_of(host), vtep);
  resolver_->on_hosts(changes, full, out_);
}

void ResolverModel::tell_members(Vni vni) {
  std::vector<HostId> hosts;
  for (const std::uint32_t host : members_[vni]) hosts.push_back(id_of(host));
  resolver_->on_flood_list(vni, hosts, {}, true, out_);
}

void ResolverModel::start_session(bool new_store) {
  online_ = true;
  interest_.clear();
  words_.clear();
  if (new_store) {
    ++store_;
    revision_ = 1;
    for (auto& [key, placed] : places_) placed.second = 1;
    for (auto& [key, owner] : owners_) owner.second = 1;
    told_macs_.clear();
    std::erase_if(told_ips_, [](auto& entry) { return entry.second.verdict != Verdict::kFound; });
    for (auto& [key, told] : told_ips_) told.revision = 0;
  }
  resolver_->set_self(id_of(kSelf));
  resolver_->on_session_ready(new_store, now_, out_);
  tell_hosts(true);
  for (const Vni vni : open_) tell_members(vni);
}

void ResolverModel::place(const MacKey& key, std::optional<std::uint32_t> host) {
  places_[key] = {host.value_or(0), ++revision_};
  if (interest_.contains(key)) tell(key);
}

void ResolverModel::give(const IpKey& key, std::optional<MacAddress> owner) {
  owners_[key] = {owner, ++revision_};
  if (interest_.contains(key)) tell(key);
}

MacBinding ResolverModel::binding_of(const MacKey& key) const {
  MacBinding binding{.key = key, .revision = revision_, .ttl = std::chrono::milliseconds{700}};
  const auto placed = places_.find(key);
  if (placed == places_.end()) return binding;
  binding.revision = placed->second.second;
  if (denied_.contains(key)) binding.verdict = Verdict::kDenied;
  if (placed->second.first == 0 || denied_.contains(key)) return binding;
  binding.verdict = Verdict::kFound;
  if (const auto target = targets_.find(key); target != targets_.end())
    binding.target = target->second;
  binding.host = id_of(placed->second.first);
  return binding;
}

IpBinding ResolverModel::binding_of(const IpKey& key) const {
  IpBinding binding{.key = key, .revision = revision_, .ttl = std::chrono::milliseconds{700}};
  const auto owned = owners_.find(key);
  if (owned == owners_.end()) return binding;
  binding.revision = owned->second.second;
  if (denied_.contains(key)) binding.verdict = Verdict::kDenied;
  if (!owned->second.first || denied_.contains(key)) return binding;
  binding.verdict = Verdict::kFound;
  binding.mac = *owned->second.first;
  return binding;
}

void ResolverModel::tell(const MacKey& key) { words_.emplace_back(binding_of(key)); }

// With an IP goes the MAC it leads to, and from then on the changes of both.
void ResolverModel::tell(const IpKey& key) {
  const IpBinding binding = binding_of(key);
  words_.emplace_back(binding);
  if (binding.verdict != Verdict::kFound) return;
  interest_.insert(MacKey{key.vni, binding.mac});
  tell(MacKey{key.vni, binding.mac});
}

// Some other host's guest asks for one of this host's.
void ResolverModel::introduce(const IpKey& key) {
  IpBinding binding = binding_of(key);
  if (!online_ || binding.verdict != Verdict::kFound || !interest_.insert(key).second) return;
  binding.introduced = true;
  words_.emplace_back(binding);
  interest_.insert(MacKey{key.vni, binding.mac});
  tell(MacKey{key.vni, binding.mac});
}

void ResolverModel::on_ask(const Key& key) {
  interest_.insert(key);
  std::visit([&](const auto& k) { tell(k); }, key);
}

void ResolverModel::deliver(std::size_t words) {
  for (; words > 0 && !words_.empty(); --words) {
    const Binding word = words_.front();
    words_.pop_front();
    if (const auto* mac = std::get_if<MacBinding>(&word)) {
      resolver_->on_binding(*mac, now_, out_);
      told_macs_.insert_or_assign(mac->key, *mac);
    } else {
      const auto& ip = std::get<IpBinding>(word);
      resolver_->on_binding(ip, now_, out_);
      told_ips_.insert_or_assign(ip.key, ip);
    }
    end_turn();
  }
}

}  // namespace dove::agent
