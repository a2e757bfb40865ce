#include "agent/resolver/state.h"

namespace dove::agent {

// The host where it is, when one is known: another one, or this one when it is in another network,
// into which the kernel then hands its frames.
const Vtep* Resolver::State::destination(const MacRecord& record) const {
  if (record.local || record.known != Known::kFound) return nullptr;
  if (flood_lists.is_self(record.host) && !record.target) return nullptr;
  return flood_lists.vtep_of(record.host);
}

void Resolver::State::settle(MacRecord& record, Actions& out) {
  if (const Vtep* to = destination(record)) {
    if (record.vtep || is_wanted(record)) set_fdb(record, *to, out);
    serve(record, out);
  } else if (record.local) {
    drop_waiters(record, DropReason::kLocal);
  } else if (record.known != Known::kNothing) {
    delete_entries(record, out);
    if (record.known == Known::kDenied) drop_waiters(record, DropReason::kDenied);
  }
  record.ips.for_each([&](IpRecord& ip) { settle(ip, out); });
  rest(record);
}

void Resolver::State::settle(IpRecord& record, Actions& out) {
  if (record.known == Known::kNothing) {
    // An adopted neighbour stays until an answer, unless its MAC turns out to be here or gone.
    if (record.owner != nullptr && record.owner->local) delete_neighbour(record, out);
    return;
  }
  if (record.known == Known::kDenied) drop_waiters(record, DropReason::kDenied);
  if (record.known != Known::kFound) return delete_neighbour(record, out);

  MacRecord& owner = *record.owner;
  if (const Vtep* to = destination(owner)) {
    if (record.neighbour || is_wanted(record)) {
      set_fdb(owner, *to, out);
      set_neighbour(record, out);
    }
    serve(record, out);
  } else if (owner.local) {  // on the bridge, where it answers for itself
    if (record.routed)
      set_neighbour(record, out);
    else
      delete_neighbour(record, out);
    serve(record, out);
  }
  if (record.neighbour && record.neighbour != owner.mac) delete_neighbour(record, out);
  rest(record);
}

void Resolver::State::set_fdb(MacRecord& record, const Vtep& vtep, Actions& out) {
  const bool as_it_is = record.vtep == vtep && record.vtep_vni == record.target;
  if (as_it_is || now < record.refused_until) return;
  out.kernel.emplace_back(SetFdb{key(record), vtep, record.target});
  record.vtep = vtep;
  record.vtep_vni = record.target;
  record.installed_at = now;
  ++counters.installed;
}

// Only behind the FDB entry that it needs. None for a router: the kernel would answer for it
// without the Router flag, and who hears that stops using it (RFC 4861 7.2.5).
void Resolver::State::set_neighbour(IpRecord& record, Actions& out) {
  const MacRecord& owner = *record.owner;
  if (record.router && !owner.target) return delete_neighbour(record, out);
  if (!is_installed(owner) || record.neighbour == owner.mac || now < record.refused_until) return;
  out.kernel.emplace_back(SetNeighbour{key(record), owner.mac});
  record.neighbour = owner.mac;
  record.installed_at = now;
  ++counters.installed;
}

void Resolver::State::delete_neighbour(IpRecord& record, Actions& out) {
  if (!record.neighbour) return;
  out.kernel.emplace_back(DeleteNeighbour{key(record)});
  record.neighbour.reset();
  RecordStore::count(record);
  review_later(record);
}

// The neighbours first: none may lead to a MAC without an entry.
void Resolver::State::delete_entries(MacRecord& record, Actions& out) {
  record.ips.for_each([&](IpRecord& ip) { delete_neighbour(ip, out); });
  if (!record.vtep) return;
  out.kernel.emplace_back(DeleteFdb{key(record)});
  record.vtep.reset();
  RecordStore::count(record);
  review_later(record);
}

void Resolver::State::serve(MacRecord& record, Actions& out) {
  waiting.serve(record, now, [&](Waiter::What&& what, auto waited) {
    if (send_bridged(std::get<PuntedFrame>(std::move(what)), record, out))
      counters.waits.add(waited);
  });
}

void Resolver::State::serve(IpRecord& record, Actions& out) {
  waiting.serve(record, now, [&](Waiter::What&& what, auto waited) {
    counters.waits.add(waited);
    if (const auto* query = std::get_if<AddressQuery>(&what))
      answer(*query, record, out);
    else
      send_routed(std::get<PuntedFrame>(std::move(what)).packets, *record.owner, out);
  });
}

// The kernel answers for its neighbours; but its advertisement to who has no address yet is
// addressed to ::, which not every guest takes.
void Resolver::State::answer_for_router(const AddressQuery& query, const MacAddress& mac,
                                        Actions& out) {
  const bool detection = query.target.ip.is_v6() && !query.source;
  if (detection || query.kept_back) out.answers.push_back(AnswerQuery{query, mac});
}

// A guest of this host answers by itself, nobody is told of his own address by others, and what is
// in another network is not on this wire.
void Resolver::State::answer(const AddressQuery& query, const IpRecord& record, Actions& out) {
  const MacRecord& owner = *record.owner;
  if (owner.local || owner.target || owner.mac == query.asker) return;
  out.answers.push_back(AnswerQuery{query, owner.mac, record.router});
}

void Resolver::State::drop_waiters(Record& record, DropReason reason) {
  waiting.serve(record, now, [&](Waiter::What&&, auto) { count_drop(reason); });
}

// What the kernel keeps in use needs no review.
void Resolver::State::rest(Record& record) const {
  if (!record.asking && is_resting(record)) record.ListNode<InReview>::leave();
}

}  // namespace dove::agent
