#include <algorithm>

#include "agent/resolver/state.h"

namespace dove::agent {
namespace {

// Not every answer of a controller that says "ask again at once" is worth asking again at once.
constexpr std::chrono::milliseconds kShortestTtl{100};

Known known_by(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::kFound:
      return Known::kFound;
    case Verdict::kDenied:
      return Known::kDenied;
    case Verdict::kNotFound:
      break;
  }
  return Known::kNotFound;
}

}  // namespace

// Takes over what is said, unless it is older than what is known.
template <class Binding, class R>
bool Resolver::State::accept(const Binding& binding, R& record) {
  if (binding.revision < record.revision) {
    ++counters.stale_answers;
    if (record.known != Known::kNothing) record.asking = false;  // what is known is newer
    return false;
  }
  record.revision = binding.revision;
  record.asking = false;
  record.known = known_by(binding.verdict);
  if (record.known != Known::kFound) {
    ++counters.negatives;
    record.negative_until = now + std::max(binding.ttl, kShortestTtl);
  }
  return true;
}

// A word about a key that we have not asked for since it was last forgotten: it crossed our forget,
// and what comes after it will not be told.
void Resolver::State::on_unknown(const Key& key, Actions& out) {
  count_drop(DropReason::kForgotten);
  if (online) forget(key, out);
}

void Resolver::State::on_binding(const MacBinding& binding, Actions& out) {
  ++counters.answers;
  MacRecord* const record = records.find(binding.key);
  if (record == nullptr || record->session != session) return on_unknown(binding.key, out);
  if (!accept(binding, *record)) return;
  record->ListNode<InExpected>::leave();
  record->host = binding.host;
  record->target = binding.target;
  RecordStore::count(*record);
  review_later(*record);
  settle(*record, out);
}

// Its address is known as if we had asked for it.
void Resolver::State::meet(const IpKey& key, Actions& out) {
  Network* const network = records.network(key.vni);
  if (network == nullptr || !key.ip.is_assignable() || !online) return;
  IpRecord* const record = record_of(*network, key.ip, out);
  if (record == nullptr || record->session == session) return;
  record->wanted_until = now + limits.wait;
  count_as_asked(*record, key, out);
}

// The controller counts us as interested without our asking. If a forget of ours crossed that, it
// does not any more, so we ask; not at once, because guests wait for what was told.
void Resolver::State::count_as_asked(Record& record, const Key& key, Actions& out) {
  record.asking = true;
  record.rounds = 1;
  record.session = session;
  review_later(record);
  if (!forgotten.may_contain(key, now)) return;
  if (confirmations.size() < limits.repairs)
    confirmations.push_back({now + limits.expect, key});
  else
    confirm(key, out);
}

void Resolver::State::confirm(const Key& key, Actions& out) {
  const bool counted = std::visit(
      [&](const auto& k) {
        const auto* record = records.find(k);
        return record != nullptr && record->session == session;
      },
      key);
  if (!counted || !online) return;
  out.ask.push_back(key);
  ++counters.asks;
}

void Resolver::State::run_confirmations(Actions& out) {
  while (!confirmations.empty() && confirmations.front().at <= now) {
    const Key key = confirmations.front().key;
    confirmations.pop_front();
    confirm(key, out);
  }
}

void Resolver::State::on_binding(const IpBinding& binding, Actions& out) {
  ++counters.answers;
  if (binding.introduced) meet(binding.key, out);
  IpRecord* const record = records.find(binding.key);
  if (record == nullptr || record->session != session) return on_unknown(binding.key, out);
  const MacRecord* const before = record->owner;
  if (!accept(binding, *record)) return;
  review_later(*record);
  if (record->known == Known::kFound) {
    const bool moved = before != nullptr && before->mac != binding.mac && !binding.target;
    record->router = binding.router;
    on_owner(*record, binding.mac, out);
    if (moved && record->known == Known::kFound && !record->owner->local)
      out.moved.push_back({binding.key, binding.mac, binding.router});
  } else {
    delete_neighbour(*record, out);
    lead_nowhere(*record);
  }
  RecordStore::count(*record);
  settle(*record, out);
}

void Resolver::State::on_owner(IpRecord& record, const MacAddress& mac, Actions& out) {
  MacRecord* const owner = owner_of(record, mac, out);
  if (owner == nullptr) {  // no room to know it: as if there had been no answer
    record.known = Known::kNothing;
    record.asking = true;
    return;
  }
  if (record.owner != owner) lead_nowhere(record);
  RecordStore::lead(record, *owner);
  owner->wanted_until = std::max(owner->wanted_until, record.wanted_until);
  if (owner->local) return;
  if (owner->asking && !forgotten.may_contain(key(*owner), now)) owner->session = session;
  if (owner->known == Known::kNothing && !owner->asking)
    expect(*owner, out);
  else
    seek(*owner, out);
}

MacRecord* Resolver::State::owner_of(IpRecord& record, const MacAddress& mac, Actions& out) {
  Network& network = *record.network;
  RecordStore::count(record);  // resolved by now, so that it is not what makes room
  return record_of(network, mac, out);
}

void Resolver::State::lead_nowhere(IpRecord& record) {
  MacRecord* const owner = record.owner;
  RecordStore::lead_nowhere(record);
  if (owner != nullptr && !is_resting(*owner)) review_later(*owner);
}

// Its binding comes with that of the IP which leads to it.
void Resolver::State::expect(MacRecord& record, Actions& out) {
  record.expected_at = now + limits.expect;
  expected.push_back(record);
  count_as_asked(record, key(record), out);
}

}  // namespace dove::agent
