// The model's kernel, and its judgement.
#include <algorithm>
#include <cstring>
#include <utility>

#include "tests/unit/agent/resolver_model.h"

namespace dove::agent {

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
    for (const auto& delivery : actions.deliveries) on_deliver(delivery);
  }
}

void ResolverModel::apply(const KernelChange& change) {
  if (refusals_ && chance(16))
    return resolver_->on_refused(change, std::make_error_code(std::errc::io_error), now_);
  std::visit([&](const auto& made) { on_change(made); }, change);
}

void ResolverModel::on_change(const SetFdb& change) {
  expect(!locals_.contains(change.key), "a remote entry for a guest of this host");
  fdb_.insert_or_assign(change.key, Entry{change.vtep, change.target});
}
void ResolverModel::on_change(const SetLocalFdb& change) {
  fdb_.insert_or_assign(change.key, std::nullopt);
}
void ResolverModel::on_change(const DeleteFdb& change) { fdb_.erase(change.key); }
void ResolverModel::on_change(const SetNeighbour& change) {
  expect(refusals_ || may_stand(change.key, change.mac), "a neighbour before its FDB entry");
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
  const auto owner = told_macs_.find({answer.query.target.vni, answer.mac});
  expect(owner == told_macs_.end() || !owner->second.target, "an answer for another network");
}

// The frame in these packets, which is on its way no more.
std::optional<ResolverModel::Frame> ResolverModel::landed(const PuntedPackets& packets) {
  std::uint32_t number = 0;
  std::memcpy(&number, packets.packets.front().data(), sizeof number);
  const auto flying = flying_.find(number);
  expect(flying != flying_.end(), "a frame is sent twice");
  if (flying == flying_.end()) return std::nullopt;
  const Frame frame = flying->second;
  flying_.erase(flying);
  std::uint32_t& last = last_sent_[{frame.to, frame.guest}];
  expect(last < number, "frames change places");
  last = number;
  return frame;
}

// Whom it is for, by the last word told; with the MACs that it must then have.
std::optional<MacKey> ResolverModel::receiver(const Frame& frame,
                                              const std::optional<RoutedMacs>& macs) {
  if (const auto* mac = std::get_if<MacKey>(&frame.to)) {
    expect(!macs, "a frame that is not for the router is routed");
    return *mac;
  }
  const auto told = told_ips_.find(std::get<IpKey>(frame.to));
  const bool found = told != told_ips_.end() && told->second.verdict == Verdict::kFound;
  expect(found, "a packet goes to what nobody has");
  if (!found) return std::nullopt;
  expect(macs && macs->destination == told->second.mac, "a packet goes to another's MAC");
  return MacKey{told->first.vni, told->second.mac};
}

void ResolverModel::on_resend(const Resend& resend) {
  const auto frame = landed(resend.packets);
  const auto to = frame ? receiver(*frame, resend.macs) : std::nullopt;
  if (!to) return;
  expect(may_lead(*to, {resend.vtep, resend.target}), "a frame is sent where its MAC is not");
  expect(resend.vtep != vteps_.at(kSelf), "a frame is sent to this host");
}

void ResolverModel::on_deliver(const Deliver& delivery) {
  const auto frame = landed(delivery.packets);
  const auto to = frame ? receiver(*frame, delivery.macs) : std::nullopt;
  if (!to) return;
  expect(delivery.guest.mac == to->mac, "a frame is given to another guest");
  if (delivery.guest.vni == to->vni)
    expect(locals_.contains(*to), "a frame is given to a guest that is not here");
  else
    expect(may_lead(*to, {vteps_.at(kSelf), delivery.guest.vni}),
           "a frame is given to a guest in a network where it is not");
}

// --- judgement

void ResolverModel::expect(bool holds, const char* what) {
  if (!holds && failure_.empty()) failure_ = what;
}

// By the last word told about it; what was never told was adopted or is another store's.
bool ResolverModel::may_lead(const MacKey& key, const Entry& entry) const {
  const auto told = told_macs_.find(key);
  if (told == told_macs_.end()) return true;
  if (told->second.verdict != Verdict::kFound || told->second.target != entry.target) return false;
  if (told->second.host == id_of(kSelf) && !entry.target) return false;
  const auto host = told_hosts_.find(told->second.host);
  return host != told_hosts_.end() && host->second == entry.vtep;
}

// On an entry to another host, or for a routed packet, on a guest here.
bool ResolverModel::may_stand(const IpKey& key, const MacAddress& mac) const {
  const MacKey owner{key.vni, mac};
  if (locals_.contains(owner)) return routed_.contains(key);
  const auto entry = fdb_.find(owner);
  return entry != fdb_.end() && entry->second;
}

void ResolverModel::judge_kernel() {
  for (const auto& [key, remote] : fdb_) {
    expect(remote.has_value() == !locals_.contains(key), "a guest here without its entry");
    if (remote) expect(may_lead(key, *remote), "an FDB entry leads where the MAC is not");
  }
  for (const MacKey& key : locals_) expect(fdb_.contains(key), "a guest here without an entry");
  for (const auto& [key, mac] : neighbours_) {
    const auto told = told_ips_.find(key);
    expect(told == told_ips_.end() ||
               (told->second.verdict == Verdict::kFound && told->second.mac == mac),
           "a neighbour leads to a MAC that does not have the address");
    expect(may_stand(key, mac), "a neighbour without an FDB entry");
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

bool ResolverModel::is_there(const MacKey& key, const Entry& entry) const {
  const std::uint32_t host = places_.contains(key) ? places_.at(key).first : 0;
  if (denied_.contains(key) || !vteps_.contains(host) || vteps_.at(host) != entry.vtep)
    return false;
  const auto target = targets_.find(key);
  return target == targets_.end() ? !entry.target : entry.target == target->second;
}

void ResolverModel::judge_truth() {
  for (const auto& [key, remote] : fdb_) {
    if (!remote) continue;
    expect(is_there(key, *remote), "an FDB entry is not the truth");
    expect(interest_.contains(key), "an FDB entry whose changes are not told");
  }
  for (const auto& [key, mac] : neighbours_) {
    expect(owners_.contains(key) && owners_.at(key).first == mac && !denied_.contains(key),
           "a neighbour is not the truth");
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
    if (!owner.first || !open_.contains(key.vni) || denied_.contains(key)) continue;
    const MacKey mac{key.vni, *owner.first};
    const std::uint32_t host = places_.contains(mac) ? places_.at(mac).first : 0;
    if (host == 0 || !vteps_.contains(host) || locals_.contains(mac) || denied_.contains(mac))
      continue;
    if (host == kSelf && !targets_.contains(mac)) continue;
    resolver_->on_event(IpMiss{key}, now_, out_);
    end_turn();
    deliver(words_.size());
    expect(fdb_.contains(mac) && fdb_.at(mac) && is_there(mac, *fdb_.at(mac)),
           "a MAC is not reached");
    expect(neighbours_.contains(key) && neighbours_.at(key) == mac.mac, "an IP is not reached");
  }
}

}  // namespace dove::agent
