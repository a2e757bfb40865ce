#include <bit>

#include "agent/resolver/state.h"

namespace dove::agent {
namespace {

constexpr int kReviewsAtOnce = 8192;  // a few milliseconds
// Reviews at which an ask is repeated: 1, 2, 4, 8 and every 8 more.
constexpr std::uint8_t kLastRound = 16;
std::uint8_t next_round(std::uint8_t round) noexcept {
  return round == kLastRound ? kLastRound / 2 + 1 : static_cast<std::uint8_t>(round + 1);
}

Key any_key(const Record& record) {
  return record.kind == Record::Kind::kMac ? Key{key(as_mac(record))} : Key{key(as_ip(record))};
}

}  // namespace

void Resolver::State::ask(Record& record, Actions& out) {
  record.asking = true;
  record.rounds = 1;
  send_ask(record, out);
  review_later(record);
}

// Without a session it goes out when there is one.
void Resolver::State::send_ask(Record& record, Actions& out) {
  if (record.kind == Record::Kind::kMac) as_mac(record).ListNode<InExpected>::leave();
  if (!online && !answered_here) return;
  out.ask.push_back(any_key(record));
  record.session = session;
  ++counters.asks;
}

bool Resolver::State::is_to_be_asked(const Record& record) const {
  if (record.asking || record.known == Known::kFound) return false;
  if (record.kind == Record::Kind::kMac && as_mac(record).local) return false;
  return !record.is_negative() || now >= record.negative_until;
}

void Resolver::State::seek(Record& record, Actions& out) {
  if (is_to_be_asked(record)) ask(record, out);
}

void Resolver::State::review_later(Record& record) {
  if (record.ListNode<InReview>::in_list()) return;
  record.review_at = now + limits.ask_again;
  reviews.push_back(record);
}

// There is a reason to know it.
bool Resolver::State::is_needed(const Record& record) const {
  if (is_wanted(record) || record.waiting != 0 || is_resting(record)) return true;
  return record.kind == Record::Kind::kMac && !as_mac(record).ips.empty();
}

// It is in use for as long as the kernel, or its guest, keeps it.
bool Resolver::State::is_resting(const Record& record) const {
  if (is_installed(record)) return true;
  return record.kind == Record::Kind::kIp && record.known == Known::kFound &&
         as_ip(record).owner->local;
}

void Resolver::State::review(Record& record, Actions& out) {
  const bool fresh_negative = record.is_negative() && now < record.negative_until;
  if (!is_needed(record) && (record.asking || !fresh_negative)) return drop(record, out);
  if (record.asking) {
    record.rounds = next_round(record.rounds);
    if (std::has_single_bit(record.rounds)) {
      asks.charge(now);
      send_ask(record, out);
    }
    return review_later(record);
  }
  if (is_resting(record)) return;
  review_later(record);
  if (record.kind == Record::Kind::kMac)
    settle(as_mac(record), out);
  else
    settle(as_ip(record), out);
}

void Resolver::State::run_reviews(Actions& out) {
  for (int i = 0; i < kReviewsAtOnce && !reviews.empty(); ++i) {
    Record& record = reviews.front();
    if (record.review_at > now) return;
    record.ListNode<InReview>::leave();
    review(record, out);
  }
}

// Why nobody who waits there was served.
DropReason Resolver::State::why(const Record& record) {
  const bool by_owner = record.kind == Record::Kind::kIp && record.known == Known::kFound;
  switch (by_owner ? as_ip(record).owner->known : record.known) {
    case Known::kNotFound:
      return DropReason::kNotFound;
    case Known::kDenied:
      return DropReason::kDenied;
    default:
      return DropReason::kWaitTimeout;
  }
}

void Resolver::State::run_expected(Actions& out) {
  while (!expected.empty() && expected.front().expected_at <= now) send_ask(expected.front(), out);
}

// Whether one more key may be asked: the oldest one goes if need be. Who scans fills the table with
// his own keys and loses them first.
bool Resolver::State::make_room(Network& network, Actions& out) {
  if (network.unresolved_size < limits.keys_per_network) return true;
  count_drop(DropReason::kKeyLimit);
  Record* const oldest = RecordStore::oldest_removable(network);
  if (oldest == nullptr) return false;
  drop_waiters(*oldest, DropReason::kKeyLimit);
  drop(*oldest, out);
  return true;
}

void Resolver::State::drop(Record& record, Actions& out) {
  forget(record, out);
  if (!refused.empty()) refused.erase(any_key(record));
  if (record.kind == Record::Kind::kMac) return records.erase(as_mac(record));
  lead_nowhere(as_ip(record));
  records.erase(as_ip(record));
}

void Resolver::State::forget(Record& record, Actions& out) {
  if (online && record.session == session) forget(any_key(record), out);
}

void Resolver::State::forget(const Key& key, Actions& out) {
  out.forget.push_back(key);
  forgotten.add(key, now);
}

void Resolver::State::run_repairs(Actions& out) {
  while (!repairs.empty() && repairs.begin()->first <= now) {
    const Key key = repairs.begin()->second;
    repairs.erase(repairs.begin());
    std::visit([&](const auto& k) { repair(k, out); }, key);
  }
}

// Says again what should be. What is set and remote was set after the refusal, and accepted.
void Resolver::State::repair(const MacKey& key, Actions& out) {
  Network* const network = records.network(key.vni);
  if (network == nullptr) return;
  if (key.mac.is_multicast()) {
    if (Group* group = find_group(*network, key.mac)) set_group(*network, *group, out);
    return;
  }
  const MacRecord* record = network->macs.find(key.mac);
  if (record != nullptr && record->local)
    out.kernel.emplace_back(SetLocalFdb{key});
  else if (record == nullptr || !record->vtep)
    out.kernel.emplace_back(DeleteFdb{key});
}

void Resolver::State::repair(const IpKey& key, Actions& out) {
  if (records.network(key.vni) == nullptr) return;
  const IpRecord* record = records.find(key);
  if (record == nullptr || !record->neighbour) out.kernel.emplace_back(DeleteNeighbour{key});
}

}  // namespace dove::agent
