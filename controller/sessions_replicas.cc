// The part of the sessions that hands out networks as a whole, and makes sure of what agents know.
#include "controller/delivery.h"

namespace dove::controller {
namespace {

constexpr std::size_t kBindingsPerMessage = 512;

v1::Replica& begin(v1::FromController& message, Vni vni, v1::Replica::Kind kind,
                   std::uint64_t revision) {
  auto& replica = *message.mutable_replica();
  replica.set_vni(vni.value());
  replica.set_kind(kind);
  replica.set_revision(revision);
  return replica;
}

using Changed = std::map<Vni, std::vector<Key>>;

Changed changed_keys(const Consequences& consequences) {
  Changed changed;
  for (const auto& binding : consequences.macs) changed[binding.key.vni].emplace_back(binding.key);
  for (const auto& update : consequences.ips)
    changed[update.binding.key.vni].emplace_back(update.binding.key);
  return changed;
}

}  // namespace

void Sessions::replicate(Peer& peer, const ReplicaPoint& has) {
  Delivery delivery{*this};
  const auto reader = peer.reader;
  auto* session = live(reader);
  if (session == nullptr) return;
  session->replicates = true;
  session->too_much.erase(has.vni);
  const auto told = replicas_.last_told(reader, has.vni);
  if (!may_keep(*session, has.vni) || !replicas_.begin(reader, has.vni, revision_)) {
    end_replica(reader, *session, has.vni, delivery);
    return offer_what_fits(reader, *session, delivery);
  }
  const bool in_step = !told || *told == has.revision;
  if (in_step && directory_.digest(has.vni) == has.digest)
    return send_replica(reader, has.vni, v1::Replica::CURRENT, delivery);
  send_snapshot(reader, has.vni, delivery);
}

bool Sessions::may_keep(const Live& session, Vni vni) const {
  return session.joined.contains(vni) && directory_.topology().network(vni) != nullptr;
}

// For want of room, unless the network itself is the reason: then it is offered when there is some.
void Sessions::end_replica(ReaderId reader, Live& session, Vni vni, Delivery& delivery) {
  if (may_keep(session, vni) && replicas_.is_small(vni)) session.too_much.insert(vni);
  replicas_.end(reader, vni);
  send_replica(reader, vni, v1::Replica::ENDED, delivery);
}

void Sessions::send_replica(ReaderId reader, Vni vni, v1::Replica::Kind kind, Delivery& delivery) {
  v1::FromController message;
  begin(message, vni, kind, revision_);
  delivery.send_replica(reader, std::move(message));
}

void Sessions::send_snapshot(ReaderId reader, Vni vni, Delivery& delivery) {
  v1::FromController part;
  auto* replica = &begin(part, vni, v1::Replica::PART, revision_);
  replica->set_first(true);
  directory_.visit(vni, [&](const auto& binding) {
    if (static_cast<std::size_t>(replica->bindings_size()) >= kBindingsPerMessage) {
      delivery.send_replica(reader, std::exchange(part, {}));
      replica = &begin(part, vni, v1::Replica::PART, revision_);
    }
    api::write(binding, replica->add_bindings());
  });
  replica->set_kind(v1::Replica::LAST);
  delivery.send_replica(reader, std::move(part));
  replicas_.tell(reader, vni, revision_);
}

void Sessions::send_delta(ReaderId reader, Vni vni, std::span<const Key> changed,
                          Delivery& delivery) {
  v1::FromController message;
  auto& delta = begin(message, vni, v1::Replica::DELTA, revision_);
  delta.set_after(*replicas_.last_told(reader, vni));
  std::vector<Key> gone;
  for (const auto& key : changed)
    std::visit(
        [&](const auto& k) {
          if (const auto* binding = directory_.own(k))
            api::write(*binding, delta.add_bindings());
          else
            gone.emplace_back(k);
        },
        key);
  if (!gone.empty()) api::add_keys(gone, delta.mutable_gone());
  delivery.send_replica(reader, std::move(message));
  replicas_.tell(reader, vni, revision_);
}

// Of what was too much for the agent, when it keeps less than before.
void Sessions::offer_what_fits(ReaderId reader, Live& session, Delivery& delivery) {
  if (session.too_much.empty()) return;
  auto room = replicas_.room(reader);
  for (auto at = session.too_much.begin(); at != session.too_much.end() && room != 0;) {
    const auto vni = *at;
    const auto size = replicas_.size_of(vni);
    const bool joined = session.joined.contains(vni);
    const bool fits = joined && replicas_.is_small(vni) && size <= room;
    if (fits) send_replica(reader, vni, v1::Replica::OFFERED, delivery);
    if (fits) room -= size;
    at = fits || !joined ? session.too_much.erase(at) : std::next(at);
  }
}

// Who keeps the network hears what has changed, or that it is too large now.
void Sessions::tell_replica(ReaderId reader, Live& session, Vni vni, std::span<const Key> changed,
                            Delivery& delivery) {
  if (!replicas_.is_small(vni) || replicas_.has_too_much(reader)) {
    end_replica(reader, session, vni, delivery);
  } else if (changed.size() > kBindingsPerMessage) {
    send_snapshot(reader, vni, delivery);
  } else {
    send_delta(reader, vni, changed, delivery);
  }
}

void Sessions::tell_replicas(const Consequences& consequences, Delivery& delivery) {
  bool shrunk = false;
  for (const auto& [vni, changed] : changed_keys(consequences)) {
    const auto before = replicas_.size_of(vni);
    const bool turned = replicas_.resize(vni, directory_.size(vni));
    const bool offer = turned && replicas_.is_small(vni);
    shrunk = shrunk || replicas_.size_of(vni) < before;
    for (auto& [reader, session] : sessions_) {
      if (replicas_.is_kept(reader, vni)) {
        tell_replica(reader, session, vni, changed, delivery);
      } else if (offer && session.replicates && session.joined.contains(vni)) {
        session.too_much.erase(vni);
        send_replica(reader, vni, v1::Replica::OFFERED, delivery);
      }
    }
  }
  if (!shrunk) return;
  for (auto& [reader, session] : sessions_) offer_what_fits(reader, session, delivery);
}

void Sessions::prove(Peer& peer, Vni vni, const Directory::Digest& believed) {
  Delivery delivery{*this};
  if (live(peer.reader) == nullptr || directory_.interest_in(peer.reader, vni) == believed) return;
  directory_.forget_network(peer.reader, vni);
  v1::FromController message;
  message.mutable_resync()->set_vni(vni.value());
  delivery.send(peer.reader, std::move(message));
  delivery.begin_anew(peer.reader);
}

}  // namespace dove::controller
