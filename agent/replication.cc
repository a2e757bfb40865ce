// What the agent does with what it knows by itself (knowledge.h): questions that it can answer go
// to no controller, and what changes there is told to the resolver as a controller's push would be.
#include <algorithm>

#include "agent/agent.h"
#include "core/link_local.h"

namespace dove::agent {
namespace {

using Clock = std::chrono::steady_clock;

// An answer may raise further questions, of which none leads back.
constexpr int kRounds = 4;

}  // namespace

// Within the turn in which they were asked. The rest is for a controller.
void Agent::answer_here() {
  if (!knowledge_.may_answer(session_.connected())) return;
  std::vector<Key> rest;
  for (int round = 0; round < kRounds && !actions_.ask.empty(); ++round) {
    const auto asks = std::exchange(actions_.ask, {});
    for (const auto& key : asks)
      if (!answer_here(key)) rest.push_back(key);
    const bool first_is_left = !rest.empty() && rest.front() == asks.front();
    if (round == 0 && !first_is_left) actions_.asker.reset();
  }
  actions_.ask.insert(actions_.ask.begin(), rest.begin(), rest.end());
}

bool Agent::answer_here(const Key& key) {
  const auto answer = knowledge_.answer(key, session_.connected());
  if (!answer) return false;
  const auto now = Clock::now();
  if (answer->ip) resolver_.on_binding(*answer->ip, now, actions_);
  if (answer->ip) seek_unheard(*answer->ip);
  if (answer->mac && resolver_.is_of_interest(answer->mac->key))
    resolver_.on_binding(*answer->mac, now, actions_);
  ++known_.answers;
  return true;
}

// `lost`: what can no longer be answered here was, perhaps, and nobody else tells its changes.
void Agent::refresh(const Key& key, bool lost) {
  if (!resolver_.is_of_interest(key) || answer_here(key) || !lost) return;
  resolver_.ask_again(key, Clock::now(), actions_);
  await_answers();
}

void Agent::refresh(std::span<const Vni> networks, bool lost) {
  for (const auto vni : networks)
    for (const auto& key : resolver_.interest(vni)) refresh(key, lost);
  end_turn_soon();
}

// The keys of interest whose answers may be others when `changed` is: the same key in other
// networks of the tenant may be routed to this one.
void Agent::add_concerned(const Key& changed, std::vector<Key>& keys) const {
  const auto add = [&](const Key& key) {
    if (resolver_.is_of_interest(key)) keys.push_back(key);
  };
  if (const auto* mac = std::get_if<MacKey>(&changed)) {
    for (const auto vni : knowledge_.together_with(mac->vni)) add(MacKey{vni, mac->mac});
    add(IpKey{mac->vni, link_local_of(mac->mac)});
  } else if (const auto* ip = std::get_if<IpKey>(&changed)) {
    for (const auto vni : knowledge_.together_with(ip->vni)) add(IpKey{vni, ip->ip});
  }
}

std::vector<Key> Agent::concerned(const ReplicaWord& word) const {
  std::vector<Key> keys;
  for (const auto& key : word.gone) add_concerned(key, keys);
  for (const auto& binding : word.bindings)
    std::visit([&](const auto& one) { add_concerned(one.key, keys); }, binding);
  return keys;
}

bool Agent::is_replicated(const Key& key) const {
  return knowledge_.replica(std::visit([](const auto& one) { return one.vni; }, key)) != nullptr;
}

// Those of `keys` of which a controller tells the changes.
std::vector<Key> Agent::asked_elsewhere(std::vector<Key> keys) const {
  std::erase_if(keys, [this](const Key& key) { return knowledge_.answer(key, true).has_value(); });
  return keys;
}

// --- replicas

void Agent::request_replica(Vni vni) {
  if (!knowledge_.has_network(vni)) return;
  requests_.add(vni);
  if (!replicas_asked_.contains(vni)) replicas_asked_.emplace(vni, progress_.hold());
  request_next();
}

void Agent::request_next() {
  if (!session_.connected()) return;
  const auto vni = requests_.next();
  if (!vni) return;
  const auto* replica = knowledge_.replica(*vni);
  session_.replicate(*vni, replica == nullptr ? 0 : replica->revision(),
                     replica == nullptr ? 0 : replica->digest());
}

void Agent::on_replica(const ReplicaWord& word) {
  using Kind = ReplicaWord::Kind;
  if (!knowledge_.has_network(word.vni)) return;
  if (word.kind == Kind::kOffered) return request_replica(word.vni);
  if (word.kind == Kind::kEnded) {
    end_replica(word.vni);
  } else {
    if (knowledge_.replica(word.vni) == nullptr) knowledge_.set_replica(word.vni, {});
    use_replica(word);
  }
  const bool answered = word.kind == Kind::kLast || word.kind == Kind::kCurrent;
  if (answered || word.kind == Kind::kEnded) requests_.end(word.vni);
  if (!requests_.has(word.vni)) replicas_asked_.erase(word.vni);
  request_next();
  end_turn_soon();
}

void Agent::use_replica(const ReplicaWord& word) {
  const bool is_delta = word.kind == ReplicaWord::Kind::kDelta;
  const auto keys = is_delta ? concerned(word) : std::vector<Key>{};
  const auto asked = asked_elsewhere(keys);
  switch (knowledge_.replica(word.vni)->take(word)) {
    case Replica::Taken::kNothing:
      return;
    case Replica::Taken::kChanged:
      for (const auto& key : keys) refresh(key, true);
      forget_answered(asked);
      break;
    case Replica::Taken::kRenewed:
      renew(knowledge_.together_with(word.vni));
      break;
    case Replica::Taken::kGap:
      ++known_.gaps;
      return request_replica(word.vni);
  }
  replica_store_.changed(word.vni);
}

// What is told as a whole need not be told key by key.
void Agent::forget_answered(std::span<const Key> keys) {
  for (const auto& key : keys)
    if (knowledge_.answer(key, true)) actions_.forget.push_back(key);
}

// After a change of unknown extent to what is known of `networks`.
void Agent::renew(std::span<const Vni> networks) {
  refresh(networks, true);
  for (const auto vni : networks) forget_answered(resolver_.interest(vni));
}

void Agent::end_replica(Vni vni) {
  if (knowledge_.replica(vni) == nullptr) return;
  knowledge_.drop_replica(vni);
  replica_store_.remove(vni);
  refresh(knowledge_.together_with(vni), true);
}

// --- as networks, sessions and time pass

void Agent::know_network(const NetworkSettings& settings) {
  const bool fresh = !knowledge_.has_network(settings.vni);
  if (knowledge_.set_network(settings) && !fresh) renew(knowledge_.together_with(settings.vni));
}

void Agent::forget_network(Vni vni) {
  const auto others = knowledge_.together_with(vni);
  knowledge_.remove_network(vni);
  requests_.remove(vni);
  replicas_asked_.erase(vni);
  replica_store_.remove(vni);
  renew(others);
}

// What was known in another store means nothing in this one.
void Agent::know_session(bool new_store) {
  requests_.clear();
  replicas_asked_.clear();
  knowledge_.set_self(self_);
  if (!new_store) return;
  next_audit_ = {};  // it may have at this host what is not here: that is looked at first
  if (!networks_.empty()) last_audited_ = *networks_.rbegin();
  for (const auto vni : knowledge_.replicas()) replica_store_.remove(vni);
  knowledge_.drop_all();
}

void Agent::doubt_knowledge() {
  if (knows_all()) known_at_ = Clock::now();
  for (const auto vni : knowledge_.replicas())
    replica_store_.changed(vni);  // that it is true till now
  knowledge_.doubt_all();
  requests_.clear();
  replicas_asked_.clear();
}

bool Agent::knows_all() const {
  const auto all = knowledge_.replicas();
  return std::all_of(all.begin(), all.end(),
                     [&](Vni vni) { return knowledge_.replica(vni)->is_whole(); });
}

KnowledgeInfo Agent::knowledge() const {
  auto info = known_;
  for (const auto vni : knowledge_.replicas()) {
    ++info.networks;
    info.endpoints += knowledge_.replica(vni)->endpoints();
  }
  if (!knows_all())
    info.age = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - known_at_);
  return info;
}

void Agent::on_resync(const std::optional<Vni>& network) {
  const auto now = Clock::now();
  if (network) {
    ++known_.resyncs;
    for (const auto& key : resolver_.interest(*network)) resolver_.ask_again(key, now, actions_);
  } else {
    doubt_knowledge();
    resolver_.on_session_ready(false, now, actions_);
    confirm_ports();
    learning_.on_session_ready(!incomplete_);
  }
  await_answers();
  end_turn_soon();
}

// --- over restarts

void Agent::restore_replicas() {
  knowledge_.set_self(self_);
  auto oldest = std::chrono::system_clock::now();
  const auto now = oldest;
  std::vector<Vni> here{networks_.begin(), networks_.end()};
  replica_store_.keep_only(here);
  for (const auto vni : here) {
    auto saved = replica_store_.load(vni, saved_.store.store_id);
    if (!saved) journal_.error(saved.error().message);
    if (!saved || !*saved) continue;
    oldest = std::min(oldest, (*saved)->at);
    knowledge_.set_replica(vni, std::move((*saved)->replica));
  }
  known_at_ = Clock::now() - std::chrono::duration_cast<Clock::duration>(now - oldest);
}

void Agent::save_replicas() {
  for (const auto vni : knowledge_.replicas()) save_replica(vni);
}

// Without a session, as it was when that was lost.
void Agent::save_replica(Vni vni) {
  const auto* replica = knowledge_.replica(vni);
  if (replica == nullptr) return replica_store_.remove(vni);
  const bool whole = replica->is_whole();
  if (!whole && (replica->empty() || session_.connected())) return;
  const auto age = whole ? Clock::duration{} : Clock::now() - known_at_;
  replica_store_.save({.store_id = session_.info().store.store_id,
                       .vni = vni,
                       .replica = *replica,
                       .at = std::chrono::system_clock::now() - age},
                      Clock::now());
}

}  // namespace dove::agent
