#include "agent/resolver/state.h"

namespace dove::agent {

// A group has its list from when it is first seen. Seen again long after, the kernel lost it.
void Resolver::State::want_group(Network& network, const MacAddress& mac, Actions& out) {
  if (Group* group = find_group(network, mac)) {
    if (now - group->set_at > limits.answer_late) set_group(network, *group, out);
  } else if (has_room_for_group(network)) {
    add_group(network, mac, out);
  } else {
    count_drop(DropReason::kGroupLimit);
  }
}

// The kernel had no list for it, so nobody got this frame.
void Resolver::State::flood(Network& network, const PuntedFrame& frame, Actions& out) {
  want_group(network, frame.destination.mac, out);
  const auto& list = list_of(frame.destination);
  if (list.empty()) return;
  if (!group_copies.take(who(network, frame.source), now, list.size()))
    return count_drop(DropReason::kGroupCopyLimit);
  for (const Vtep& vtep : list) out.resends.push_back(Resend{frame.packets, vtep, {}, {}});
}

// The record, made if there is room for it; else nullptr.
template <class Table, class Address>
auto* Resolver::State::find_or_add(Network& network, Table& table, const Address& address,
                                   Actions& out) {
  auto* record = table.find(address);
  if (record != nullptr || !make_room(network, out)) return record;
  record = &table.add(network, address);
  RecordStore::count(*record);
  return record;
}

MacRecord* Resolver::State::record_of(Network& network, const MacAddress& mac, Actions& out) {
  return find_or_add(network, network.macs, mac, out);
}
IpRecord* Resolver::State::record_of(Network& network, const IpAddress& ip, Actions& out) {
  return find_or_add(network, network.ips, ip, out);
}

// Whose questions are counted together. A query's port cannot be forged; a frame's source has
// passed its port.
std::uint64_t Resolver::State::who(IfIndex port) const {
  return mix(limits.hash_seed + 0x100000000 + static_cast<std::uint64_t>(port));
}

std::uint64_t Resolver::State::who(const Network& network, const MacAddress& source) const {
  const auto* guest = network.macs.find(source);
  const bool is_here = guest != nullptr && guest->local;
  return is_here ? source.hash(limits.hash_seed ^ network.vni.value()) : who(network);
}

// Of what names no guest of this host.
std::uint64_t Resolver::State::who(const Network& network) const {
  return mix(limits.hash_seed + network.vni.value());
}

// Whether nothing is asked because of it, or may be.
template <class Table, class Address>
bool Resolver::State::may_want(const Table& table, const Address& address, std::uint64_t who) {
  const auto* record = table.find(address);
  if (record != nullptr && !is_to_be_asked(*record)) return true;
  if (asks.take(who, now)) return true;
  count_drop(DropReason::kAskLimit);
  return false;
}

// The record, asked for if need be; nullptr when there is no room for it.
MacRecord* Resolver::State::want(Network& network, const MacAddress& mac, std::uint64_t who,
                                 Actions& out) {
  if (!may_want(network.macs, mac, who)) return nullptr;
  MacRecord* const record = record_of(network, mac, out);
  if (record == nullptr) return nullptr;
  record->wanted_until = now + limits.wait;
  if (!record->local) seek(*record, out);
  return record;
}

IpRecord* Resolver::State::want(Network& network, const IpAddress& ip, std::uint64_t who,
                                Actions& out) {
  if (!may_want(network.ips, ip, who)) return nullptr;
  IpRecord* const record = record_of(network, ip, out);
  if (record == nullptr) return nullptr;
  record->wanted_until = now + limits.wait;
  seek(*record, out);
  if (record->known == Known::kFound && !record->owner->local) {
    record->owner->wanted_until = record->wanted_until;
    seek(*record->owner, out);
  }
  return record;
}

// Once the kernel has had the neighbour for a while, it answers by itself. But its advertisement to
// who has no address yet is addressed to ::, which not every guest takes.
void Resolver::State::on_wanted_query(IpRecord& record, const AddressQuery& query, Actions& out) {
  const bool detection = query.target.ip.is_v6() && !query.source;
  const bool kernel_answers = !detection && !query.kept_back && record.neighbour &&
                              now - record.installed_at > limits.answer_late;
  settle(record, out);
  if (record.known == Known::kFound && is_answerable(*record.owner)) {
    if (!kernel_answers) answer(query, record, out);
  } else if (const auto reason = waiting.add(record, query, now)) {
    count_drop(*reason);
  }
}

void Resolver::State::on_wanted_frame(MacRecord& record, PuntedFrame&& frame, Actions& out) {
  settle(record, out);
  if (destination(record) != nullptr) {
    send_bridged(std::move(frame), record, out);
  } else if (record.local) {
    count_drop(DropReason::kLocal);
  } else if (record.known == Known::kDenied) {
    count_drop(DropReason::kDenied);
  } else if (const auto reason = waiting.add(record, std::move(frame), now)) {
    count_drop(*reason);
  }
}

// A miss for what was installed long ago: the kernel lost it without a word that reached us.
void Resolver::State::set_again(MacRecord& record, Actions& out) {
  if (!is_installed(record) || now - record.installed_at <= limits.answer_late) return;
  record.installed_at = now;
  if (record.local)
    out.kernel.emplace_back(SetLocalFdb{key(record)});
  else
    out.kernel.emplace_back(SetFdb{key(record), *record.vtep, record.vtep_vni});
}

void Resolver::State::set_again(IpRecord& record, Actions& out) {
  if (!record.neighbour || now - record.installed_at <= limits.answer_late) return;
  record.installed_at = now;
  out.kernel.emplace_back(SetNeighbour{key(record), *record.neighbour});
}

// Aged, or deleted by somebody. What led there goes too, and so does our interest.
void Resolver::State::on_gone(MacRecord& record, Actions& out) {
  ++counters.aged;
  record.vtep.reset();
  record.ips.for_each([&](IpRecord& ip) {
    delete_neighbour(ip, out);
    if (ip.waiting == 0) drop(ip, out);
  });
  if (record.waiting == 0 && record.ips.empty()) return drop(record, out);
  RecordStore::count(record);
  review_later(record);
}

// The kernel may still have what was there before; repair deletes it.
void Resolver::State::on_refused(const SetFdb& change) {
  MacRecord* const record = records.find(change.key);
  if (record == nullptr || record->vtep != change.vtep || record->vtep_vni != change.target) return;
  record->vtep.reset();
  record->refused_until = now + refusal_pause(change.key);
  RecordStore::count(*record);
  review_later(*record);
}

void Resolver::State::on_refused(const SetNeighbour& change) {
  IpRecord* const record = records.find(change.key);
  if (record == nullptr || record->neighbour != change.mac) return;
  record->neighbour.reset();
  record->refused_until = now + refusal_pause(change.key);
  RecordStore::count(*record);
  review_later(*record);
}

}  // namespace dove::agent
