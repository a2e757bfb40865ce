#include "tests/unit/agent/resolver_model.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace dove::agent {
namespace {

constexpr std::uint32_t kSelf = 1;
constexpr std::uint32_t kKeys = 10;   // MACs and IPs of a network
constexpr std::uint32_t kGuests = 3;  // that send; their MACs are the first ones

Vtep vtep_at(std::uint32_t n) { return {IpAddress::v4(0xc0000200 + n)}; }
MacAddress mac_at(std::uint32_t n) {
  return MacAddress{{2, 0, 0, 0, 0, static_cast<std::uint8_t>(n)}};
}

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
  else if (what < 46)
    time_passes(std::chrono::milliseconds{choose_(400)});
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
  switch (choose_(5)) {
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
    default:
      return send_frame(any_mac(), guest);
  }
}

void ResolverModel::send_frame(const MacKey& to, std::uint32_t guest) {
  const std::uint32_t number = ++frames_;
  flying_.emplace(number, Frame{to, guest, number});
  PuntedFrame frame{to, mac_at(guest), {}};
  auto& bytes = frame.packets.packets.emplace_back(64);
  std::memcpy(bytes.data(), &number, sizeof number);
  resolver_->on_event(std::move(frame), now_, out_);
}

void ResolverModel::endpoint_changes() {
  if (chance(2)) {
    const MacKey key = any_mac();
    if (!locals_.contains(key))
      place(key, chance(3) ? std::nullopt : std::optional{2 + choose_(3)});
  } else {
    give(any_ip(), chance(3) ? std::nullopt : std::optional{mac_at(choose_(kKeys))});
  }
}

// A guest of this host comes or goes; the controller knows a little later, or not at all.
void ResolverModel::port_changes() {
  const MacKey key = any_mac();
  if (!open_.contains(key.vni)) return;
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
  }
  // Local entries of ports that are no more are not the resolver's to find.
  std::erase_if(fdb_, [&](const auto& e) { return !e.second && !locals_.contains(e.first); });
  for (const auto& [key, vtep] : fdb_)
    if (vtep) resolver_->adopt_fdb(key, *vtep);
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
  if (placed->second.first == 0) return binding;
  binding.verdict = Verdict::kFound;
  binding.host = id_of(placed->second.first);
  return binding;
}

IpBinding ResolverModel::binding_of(const IpKey& key) const {
  IpBinding binding{.key = key, .revision = revision_, .ttl = std::chrono::milliseconds{700}};
  const auto owned = owners_.find(key);
  if (owned == owners_.end()) return binding;
  binding.revision = owned->second.second;
  if (!owned->second.first) return binding;
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

// --- the kernel

void ResolverModel::end_turn() {
  while (!out_.empty()) {
    Actions actions;
    std::swap(actions, out_);
    expect(online_ || actions.forget.empty(), "forgets without a session");
    for (const Key& key : actions.forget) interest_.erase(key);
    for (const Key& key : actions.ask) on_ask(key);
    expect(online_ || actions.ask.empty(), "asks without a session");
    for (const auto& change : actions.kernel) apply(change);
    for (const auto& answer : actions.answers) on_answer(answer);
    for (const auto& resend : actions.resends) on_resend(resend);
  }
}

void ResolverModel::apply(const KernelChange& change) {
  if (refusals_ && chance(16))
    return resolver_->on_refused(change, std::make_error_code(std::errc::io_error), now_);
  std::visit([&](const auto& made) { on_change(made); }, change);
}

void ResolverModel::on_change(const SetFdb& change) {
  expect(!locals_.contains(change.key), "a remote entry for a guest of this host");
  fdb_.insert_or_assign(change.key, change.vtep);
}
void ResolverModel::on_change(const SetLocalFdb& change) {
  fdb_.insert_or_assign(change.key, std::nullopt);
}
void ResolverModel::on_change(const DeleteFdb& change) { fdb_.erase(change.key); }
void ResolverModel::on_change(const SetNeighbour& change) {
  const auto entry = fdb_.find({change.key.vni, change.mac});
  expect(refusals_ || (entry != fdb_.end() && entry->second), "a neighbour before its FDB entry");
  neighbours_.insert_or_assign(change.key, change.mac);
}
void ResolverModel::on_change(const DeleteNeighbour& change) { neighbours_.erase(change.key); }
void ResolverModel::on_change(const SetGroup& change) {
  groups_.insert_or_assign(change.key, change.vteps);
}

void ResolverModel::on_answer(const AnswerQuery& answer) {
  const auto told = told_ips_.find(answer.query.target);
  expect(answer.mac != answer.query.asker, "somebody is told his own address");
  expect(!locals_.contains({answer.query.target.vni, answer.mac}), "an answer for a guest here");
  expect(told != told_ips_.end() && told->second.verdict == Verdict::kFound &&
             told->second.mac == answer.mac,
         "an answer that nobody gave");
}

void ResolverModel::on_resend(const Resend& resend) {
  std::uint32_t number = 0;
  std::memcpy(&number, resend.packets.packets.front().data(), sizeof number);
  const auto flying = flying_.find(number);
  if (flying == flying_.end()) return expect(false, "a frame is sent twice");
  const Frame frame = flying->second;
  flying_.erase(flying);
  expect(may_lead(frame.to, resend.vtep), "a frame is sent where its MAC is not");
  std::uint32_t& last = last_sent_[{frame.to, frame.guest}];
  expect(last < number, "frames change places");
  last = number;
}

// --- judgement

void ResolverModel::expect(bool holds, const char* what) {
  if (!holds && failure_.empty()) failure_ = what;
}

// By the last word told about it; what was never told was adopted or is another store's.
bool ResolverModel::may_lead(const MacKey& key, const Vtep& vtep) const {
  const auto told = told_macs_.find(key);
  if (told == told_macs_.end()) return true;
  if (told->second.verdict != Verdict::kFound || told->second.host == id_of(kSelf)) return false;
  const auto host = told_hosts_.find(told->second.host);
  return host != told_hosts_.end() && host->second == vtep;
}

void ResolverModel::judge_kernel() {
  for (const auto& [key, vtep] : fdb_) {
    expect(vtep.has_value() == !locals_.contains(key), "a guest here without its entry");
    if (vtep) expect(may_lead(key, *vtep), "an FDB entry leads where the MAC is not");
  }
  for (const MacKey& key : locals_) expect(fdb_.contains(key), "a guest here without an entry");
  for (const auto& [key, mac] : neighbours_) {
    const auto told = told_ips_.find(key);
    expect(told == told_ips_.end() ||
               (told->second.verdict == Verdict::kFound && told->second.mac == mac),
           "a neighbour leads to a MAC that does not have the address");
    const auto entry = fdb_.find({key.vni, mac});
    expect(entry != fdb_.end() && entry->second, "a neighbour without an FDB entry");
  }
}

void ResolverModel::judge_bounds() {
  const ResolverUsage usage = resolver_->usage();
  const std::size_t networks = open_.size();
  expect(usage.unresolved_keys <= networks * (limits_.keys_per_network + kKeys), "many keys");
  expect(usage.waiting <= networks * limits_.waiting_per_network, "many waiters");
  expect(usage.waiting_bytes <= limits_.waiting_bytes, "many bytes");
  expect(usage.guests <= usage.waiting, "guests that nobody waits for");
  expect(usage.groups == networks, "groups");
}

// Every word has arrived and time has passed: no change is under way.
void ResolverModel::calm_down() {
  const bool refusals = std::exchange(refusals_, false);
  if (!online_) start_session(false);
  tell_hosts(true);
  end_turn();
  for (int second = 0; second < 20; ++second) {
    deliver(words_.size());
    time_passes(std::chrono::milliseconds{1000});
  }
  deliver(words_.size());
  judge_kernel();
  judge_truth();
  judge_reach();
  judge_bounds();
  refusals_ = refusals;
}

void ResolverModel::judge_truth() {
  for (const auto& [key, vtep] : fdb_) {
    if (!vtep) continue;
    const std::uint32_t host = places_.contains(key) ? places_.at(key).first : 0;
    expect(vteps_.contains(host) && vteps_.at(host) == *vtep, "an FDB entry is not the truth");
    expect(interest_.contains(key), "an FDB entry whose changes are not told");
  }
  for (const auto& [key, mac] : neighbours_) {
    expect(owners_.contains(key) && owners_.at(key).first == mac, "a neighbour is not the truth");
    expect(interest_.contains(key), "a neighbour whose changes are not told");
  }
  for (const Vni vni : open_) {
    std::vector<Vtep> members;
    for (const std::uint32_t host : members_[vni])
      if (host != kSelf && vteps_.contains(host)) members.push_back(vteps_.at(host));
    std::sort(members.begin(), members.end());
    const auto group = groups_.find({vni, MacAddress::broadcast()});
    expect(group != groups_.end() && group->second == members, "a flood list is not the truth");
  }
  const ResolverUsage usage = resolver_->usage();
  expect(usage.waiting == 0 && usage.waiting_bytes == 0 && usage.guests == 0, "waiters in calm");
  expect(resolver_->fdb().size() + resolver_->locals().size() == fdb_.size(), "FDB rows");
  expect(resolver_->neighbours().size() == neighbours_.size(), "neighbour rows");
  expect(usage.unresolved_keys == 0, "questions in calm");
}

// Whatever exists elsewhere is reached at once when it is missed.
void ResolverModel::judge_reach() {
  for (const auto& [key, owner] : owners_) {
    if (!owner.first || !open_.contains(key.vni)) continue;
    const MacKey mac{key.vni, *owner.first};
    const std::uint32_t host = places_.contains(mac) ? places_.at(mac).first : 0;
    if (host == 0 || host == kSelf || !vteps_.contains(host) || locals_.contains(mac)) continue;
    resolver_->on_event(IpMiss{key}, now_, out_);
    end_turn();
    deliver(words_.size());
    expect(fdb_.contains(mac) && fdb_.at(mac) == vteps_.at(host), "a MAC is not reached");
    expect(neighbours_.contains(key) && neighbours_.at(key) == mac.mac, "an IP is not reached");
  }
}

}  // namespace dove::agent
