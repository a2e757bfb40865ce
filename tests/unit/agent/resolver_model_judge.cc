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
