#include "controller/sessions.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "controller/render.h"

namespace dove::controller {

namespace {

bool same_settings(v1::NetworkSettings one, const v1::NetworkSettings& other) {
  one.set_revision(other.revision());
  return one.SerializeAsString() == other.SerializeAsString();
}

}  // namespace

// Collects, with the sessions' lock held, who has to be flushed or closed once it is released; and
// mends what an overflow broke.
class Sessions::Delivery final : public Directory::Listener {
 public:
  explicit Delivery(Sessions& sessions) : sessions_{sessions}, lock_{sessions.mutex_} {}

  ~Delivery() override {
    for (const auto reader : resynced_) sessions_.directory_.forget_all(reader);
    std::vector<std::shared_ptr<Peer>> flush;
    std::vector<std::shared_ptr<Peer>> close;
    for (const auto reader : order_)
      if (auto* session = sessions_.live(reader)) flush.push_back(session->peer);
    for (const auto reader : stuck_)
      if (auto* session = sessions_.live(reader)) close.push_back(session->peer);
    lock_.unlock();
    for (const auto& peer : flush) peer->flush();
    for (const auto& peer : close)
      peer->close({ErrorCode::kUnavailable, "the agent reads too slowly"});
    for (const auto& [peer, reason] : replaced_) peer->close(reason);
  }

  void tell(ReaderId reader, const MacBinding& binding) override { tell_any(reader, binding); }
  void tell(ReaderId reader, const IpBinding& binding) override { tell_any(reader, binding); }

  void send(ReaderId reader, v1::FromController&& message) {
    auto* session = sessions_.live(reader);
    if (session == nullptr) return;
    touch(reader);
    if (!session->peer->outbox.add(std::move(message))) stuck_.insert(reader);
  }

  void resync(ReaderId reader) {
    resynced_.insert(reader);
    v1::FromController message;
    message.mutable_resync();
    send(reader, std::move(message));
  }

  void close(std::shared_ptr<Peer> peer, Error reason) {
    replaced_.emplace_back(std::move(peer), std::move(reason));
  }

 private:
  template <class Binding>
  void tell_any(ReaderId reader, const Binding& binding) {
    if (reader != last_reader_) {
      auto* session = sessions_.live(reader);
      last_reader_ = reader;
      last_peer_ = session == nullptr ? nullptr : session->peer.get();
      touch(reader);
    }
    if (last_peer_ != nullptr && !last_peer_->outbox.add(binding, sessions_.revision_))
      resynced_.insert(reader);
  }

  void touch(ReaderId reader) {
    if (touched_.insert(reader).second) order_.push_back(reader);
  }

  Sessions& sessions_;
  std::unique_lock<std::mutex> lock_;
  ReaderId last_reader_ = 0;  // most often the same one many times
  Peer* last_peer_ = nullptr;
  std::set<ReaderId> touched_;
  std::vector<ReaderId> order_;  // who asked is told before others are
  std::set<ReaderId> resynced_;
  std::set<ReaderId> stuck_;
  std::vector<std::pair<std::shared_ptr<Peer>, Error>> replaced_;
};

Sessions::Sessions(const Options& options) : options_{options}, directory_{options.negative_ttl} {}
Sessions::~Sessions() = default;

Sessions::Live* Sessions::live(ReaderId reader) {
  const auto at = sessions_.find(reader);
  return at == sessions_.end() ? nullptr : &at->second;
}

const Sessions::Live* Sessions::live_of(HostId host) const {
  const auto reader = by_host_.find(host);
  if (reader == by_host_.end()) return nullptr;
  const auto at = sessions_.find(reader->second);
  return at == sessions_.end() ? nullptr : &at->second;
}

// --- sessions come and go

Status Sessions::check(const Hello& hello) const {
  const std::lock_guard lock{mutex_};
  for (const auto& [reader, session] : sessions_) {
    const auto& other = session.hello;
    const bool itself =
        other.host == hello.host && other.vtep == hello.vtep && other.boot_id == hello.boot_id;
    if (itself) continue;
    if (other.host == hello.host)
      return Error{
          ErrorCode::kExists,
          fmt::format("host \"{}\" is connected already, with VTEP {}: this one, with VTEP "
                      "{}, needs another name",
                      other.host, other.vtep.to_string(), hello.vtep.to_string())};
    if (other.vtep == hello.vtep)
      return Error{ErrorCode::kExists,
                   fmt::format("VTEP {} is in use by host \"{}\", which is connected",
                               hello.vtep.to_string(), other.host)};
  }
  return {};
}

void Sessions::admit(std::shared_ptr<Peer> peer, const Hello& hello, HostId host,
                     const std::string& store_id) {
  Delivery delivery{*this};
  if (const auto old = by_host_.find(host); old != by_host_.end()) {
    directory_.forget_all(old->second);
    if (auto* session = live(old->second))
      delivery.close(session->peer, {ErrorCode::kUnavailable, "the host has come back anew"});
    sessions_.erase(old->second);
  }
  const auto reader = ++last_reader_;
  peer->reader = reader;
  peer->host = host;
  by_host_[host] = reader;
  sessions_.emplace(reader, Live{std::move(peer), hello, {}, std::chrono::steady_clock::now()});
  v1::FromController welcome;
  welcome.mutable_welcome()->set_protocol(api::kProtocol);
  welcome.mutable_welcome()->set_store_id(store_id);
  welcome.mutable_welcome()->set_revision(revision_);
  welcome.mutable_welcome()->set_host_id(static_cast<std::uint32_t>(host));
  api::set_bytes(welcome.mutable_welcome()->mutable_router_mac(), options_.router_mac);
  delivery.send(reader, std::move(welcome));
  v1::FromController all;
  all.mutable_hosts()->set_full(true);
  all.mutable_hosts()->set_revision(revision_);
  for (const auto& [id, entry] : hosts_) api::write(entry, all.mutable_hosts()->add_hosts());
  delivery.send(reader, std::move(all));
}

void Sessions::end(Peer& peer) {
  Delivery delivery{*this};
  directory_.forget_all(peer.reader);
  sessions_.erase(peer.reader);
  const auto at = by_host_.find(peer.host);
  if (at != by_host_.end() && at->second == peer.reader) by_host_.erase(at);
  if (!introductions_.empty()) end_introductions(TimePoint::min(), delivery);
}

bool Sessions::is_connected(HostId host) const {
  const std::lock_guard lock{mutex_};
  return live_of(host) != nullptr;
}

std::string Sessions::version_of(HostId host) const {
  const std::lock_guard lock{mutex_};
  const auto* session = live_of(host);
  return session == nullptr ? std::string{} : session->hello.version;
}

// --- questions

void Sessions::ask(Peer& peer, std::span<const Key> keys, const std::optional<IpAddress>& asker) {
  Delivery delivery{*this};
  if (live(peer.reader) == nullptr) return;
  if (directory_.interest(peer.reader) + 2 * keys.size() > options_.interest)
    return delivery.resync(peer.reader);
  for (const auto& key : keys)
    std::visit([&](const auto& k) { directory_.ask(peer.reader, k, delivery); }, key);
  const auto* ip = keys.size() == 1 ? std::get_if<IpKey>(&keys.front()) : nullptr;
  if (asker && ip != nullptr) introduce({ip->vni, *asker}, peer.host, *ip, delivery);
}

void Sessions::introduce(const IpKey& asker, HostId from, const IpKey& key, Delivery& delivery) {
  const auto to = directory_.place_of(key);
  const auto known = directory_.place_of(asker);
  if (!to || to->host == from || !known || known->host != from || known->vni != asker.vni) return;
  const auto reader = by_host_.find(to->host);
  if (reader == by_host_.end() || directory_.interest(reader->second) + 2 > options_.interest)
    return;
  directory_.introduce(reader->second, {to->vni, asker.ip}, delivery);
}

void Sessions::forget(Peer& peer, std::span<const Key> keys) {
  const std::lock_guard lock{mutex_};
  if (live(peer.reader) == nullptr) return;
  for (const auto& key : keys)
    std::visit([&](const auto& k) { directory_.forget(peer.reader, k); }, key);
}

void Sessions::send(Peer& peer, v1::FromController&& message) {
  Delivery delivery{*this};
  delivery.send(peer.reader, std::move(message));
}

// --- flood lists

void Sessions::join(Peer& peer, Vni vni, v1::FromController&& reply) {
  Delivery delivery{*this};
  auto* session = live(peer.reader);
  if (session == nullptr) return;
  session->joined.insert(vni);
  add_member(vni, peer.host, peer.reader, delivery);
  delivery.send(peer.reader, std::move(reply));
  v1::FromController message;
  auto* list = message.mutable_flood_list();
  list->set_vni(vni.value());
  list->set_full(true);
  list->set_revision(revision_);
  for (const auto& [member, by] : members_[vni])
    if (member != peer.host) list->add_add(static_cast<std::uint32_t>(member));
  delivery.send(peer.reader, std::move(message));
  tell_all_groups(peer, vni, delivery);
}

void Sessions::has_network(Peer& peer, Vni vni) {
  Delivery delivery{*this};
  if (live(peer.reader) != nullptr) add_member(vni, peer.host, peer.reader, delivery);
}

void Sessions::leave(Peer& peer, Vni vni, v1::FromController&& reply) {
  Delivery delivery{*this};
  auto* session = live(peer.reader);
  if (session == nullptr) return;
  session->joined.erase(vni);
  remove_member(vni, peer.host, delivery);
  delivery.send(peer.reader, std::move(reply));
}

void Sessions::add_member(Vni vni, HostId host, ReaderId by, Delivery& delivery) {
  const auto [at, fresh] = members_[vni].try_emplace(host, by);
  if (by != 0) at->second = by;
  if (fresh) tell_members(vni, host, true, delivery);
}

void Sessions::remove_member(Vni vni, HostId host, Delivery& delivery) {
  const auto at = members_.find(vni);
  if (at == members_.end() || at->second.erase(host) == 0) return;
  tell_groups(vni, host, listeners_.remove(vni, host), delivery);
  tell_members(vni, host, false, delivery);
  if (at->second.empty()) members_.erase(at);
}

void Sessions::tell_members(Vni vni, HostId about, bool added, Delivery& delivery) {
  v1::FromController message;
  auto* list = message.mutable_flood_list();
  list->set_vni(vni.value());
  list->set_revision(revision_);
  (added ? list->mutable_add() : list->mutable_remove())->Add(static_cast<std::uint32_t>(about));
  tell_joined(vni, about, message, delivery);
}

// Everybody who has joined the network, but the host that it is about.
void Sessions::tell_joined(Vni vni, HostId about, const v1::FromController& message,
                           Delivery& delivery) {
  for (const auto& [member, by] : members_[vni]) {
    const auto reader = by_host_.find(member);
    if (member == about || reader == by_host_.end()) continue;
    const auto* session = live(reader->second);
    if (session != nullptr && session->joined.contains(vni))
      delivery.send(reader->second, v1::FromController{message});
  }
}

// --- groups

void Sessions::listen(Peer& peer, const GroupListeners::Word& word) {
  Delivery delivery{*this};
  const auto members = members_.find(word.vni);
  if (live(peer.reader) == nullptr || members == members_.end() ||
      !members->second.contains(peer.host))
    return;
  tell_groups(word.vni, peer.host, listeners_.change(peer.host, word), delivery);
}

void Sessions::tell_groups(Vni vni, HostId host, std::span<const GroupListeners::Change> changes,
                           Delivery& delivery) {
  for (const auto& [group, added] : changes) {
    v1::FromController message;
    auto* list = message.mutable_group_list();
    list->set_vni(vni.value());
    list->set_revision(revision_);
    api::set_bytes(list->mutable_group(), group);
    (added ? list->mutable_add() : list->mutable_remove())->Add(static_cast<std::uint32_t>(host));
    tell_joined(vni, host, message, delivery);
  }
}

// In full, when all are known.
void Sessions::tell_all_groups(const Peer& peer, Vni vni, Delivery& delivery) {
  const bool full = !groups_settle_;
  const auto begin = [&] {
    v1::FromController message;
    message.mutable_group_list()->set_vni(vni.value());
    message.mutable_group_list()->set_full(full);
    message.mutable_group_list()->set_revision(revision_);
    return message;
  };
  for (const auto& [group, hosts] : listeners_.of(vni)) {
    auto message = begin();
    api::set_bytes(message.mutable_group_list()->mutable_group(), group);
    for (const auto host : hosts)
      if (host != peer.host)
        message.mutable_group_list()->add_add(static_cast<std::uint32_t>(host));
    delivery.send(peer.reader, std::move(message));
  }
  if (full) delivery.send(peer.reader, begin());
}

void Sessions::settle_groups(TimePoint now, Delivery& delivery) {
  if (!groups_settle_ || now < *groups_settle_) return;
  groups_settle_.reset();
  for (const auto& [reader, session] : sessions_)
    for (const auto vni : session.joined) tell_all_groups(*session.peer, vni, delivery);
}

void Sessions::tick(TimePoint now) {
  Delivery delivery{*this};
  end_introductions(now, delivery);
  settle_groups(now, delivery);
  for (auto& [reader, session] : sessions_) {
    if (session.settled || now < session.since + options_.rejoin) continue;
    session.settled = true;
    settle(session, delivery);
  }
}

void Sessions::settle(Live& session, Delivery& delivery) {
  std::vector<Vni> left;
  for (const auto& [vni, members] : members_) {
    const auto at = members.find(session.peer->host);
    if (at != members.end() && at->second != session.peer->reader) left.push_back(vni);
  }
  for (const auto vni : left) remove_member(vni, session.peer->host, delivery);
}

// --- introductions of hosts

void Sessions::confirm(Peer& peer, v1::FromController&& reply, TimePoint now) {
  Delivery delivery{*this};
  const auto at = introductions_.find(peer.host);
  if (at == introductions_.end()) return delivery.send(peer.reader, std::move(reply));
  at->second.replies.emplace_back(peer.reader, std::move(reply));
  if (!at->second.deadline) at->second.deadline = now + options_.introduction;
  end_introductions(now, delivery);
}

void Sessions::applied(Peer& peer, std::uint64_t revision) {
  Delivery delivery{*this};
  auto* session = live(peer.reader);
  if (session == nullptr || revision <= session->applied) return;
  session->applied = revision;
  if (!introductions_.empty()) end_introductions(TimePoint::min(), delivery);
}

// Whether all agents but the host's own have applied a revision: by the two that lag most.
std::function<bool(HostId, std::uint64_t)> Sessions::who_knows() const {
  struct Lag {
    std::uint64_t applied = std::numeric_limits<std::uint64_t>::max();
    HostId host{};
  };
  Lag most;
  Lag next;
  for (const auto& [reader, session] : sessions_) {
    const Lag lag{session.applied, session.peer->host};
    if (lag.applied < most.applied)
      next = std::exchange(most, lag);
    else if (lag.applied < next.applied)
      next = lag;
  }
  return [most, next](HostId host, std::uint64_t revision) {
    return (most.host == host ? next : most).applied >= revision;
  };
}

void Sessions::end_introductions(TimePoint now, Delivery& delivery) {
  const auto knows = who_knows();
  for (auto at = introductions_.begin(); at != introductions_.end();) {
    auto& [host, introduction] = *at;
    const bool late = introduction.deadline && *introduction.deadline <= now;
    if (!late && !knows(host, introduction.revision)) {
      ++at;
      continue;
    }
    for (auto& [reader, reply] : introduction.replies) delivery.send(reader, std::move(reply));
    at = introductions_.erase(at);
  }
}

std::optional<TimePoint> Sessions::next_deadline() const {
  const std::lock_guard lock{mutex_};
  std::optional<TimePoint> next;
  for (const auto& [host, introduction] : introductions_)
    if (introduction.deadline && (!next || *introduction.deadline < *next))
      next = introduction.deadline;
  return next;
}

// --- commits

void Sessions::load(const Consequences& all) {
  Delivery delivery{*this};
  apply(all, delivery);
  if (!members_.empty()) groups_settle_ = std::chrono::steady_clock::now() + options_.rejoin;
}

void Sessions::publish(const Consequences& consequences) {
  Delivery delivery{*this};
  apply(consequences, delivery);
}

void Sessions::apply(const Consequences& consequences, Delivery& delivery) {
  revision_ = consequences.revision;
  tell_hosts(consequences.hosts, delivery);
  if (!consequences.tenants.empty()) route(consequences, delivery);
  for (const auto vni : consequences.gone) end_network(vni, delivery);
  for (const auto& [vni, host] : consequences.attached) add_member(vni, host, 0, delivery);
  directory_.update(consequences.revision, consequences.macs, consequences.ips, delivery);
  for (const auto& loss : consequences.losses) tell_loss(loss, delivery);
  for (const auto& readdressed : consequences.readdressed) tell_addresses(readdressed, delivery);
}

void Sessions::tell_hosts(std::span<const api::HostEntry> changed, Delivery& delivery) {
  if (changed.empty()) return;
  v1::FromController message;
  message.mutable_hosts()->set_revision(revision_);
  for (const auto& entry : changed) {
    api::write(entry, message.mutable_hosts()->add_hosts());
    if (entry.vtep) {
      hosts_.insert_or_assign(entry.id, entry);
      introductions_[entry.id].revision = revision_;
    } else {
      hosts_.erase(entry.id);
      introductions_.erase(entry.id);
    }
  }
  for (const auto& entry : changed) {
    if (entry.vtep) continue;
    std::vector<Vni> member_of;
    for (const auto& [vni, members] : members_)
      if (members.contains(entry.id)) member_of.push_back(vni);
    for (const auto vni : member_of) remove_member(vni, entry.id, delivery);
  }
  for (const auto& [reader, session] : sessions_)
    delivery.send(reader, v1::FromController{message});
}

void Sessions::route(const Consequences& consequences, Delivery& delivery) {
  const auto before = joined_settings(consequences.tenants);
  directory_.route(consequences.revision, consequences.tenants, delivery);
  for (const auto& [vni, settings] : joined_settings(consequences.tenants)) {
    const auto old = before.find(vni);
    if (old == before.end() || !same_settings(old->second, settings))
      tell_network(vni, settings, delivery);
  }
}

// Of those networks of the tenants that somebody has joined.
std::map<Vni, v1::NetworkSettings> Sessions::joined_settings(
    std::span<const Routing> tenants) const {
  std::set<Vni> joined;
  for (const auto& [reader, session] : sessions_)
    joined.insert(session.joined.begin(), session.joined.end());
  std::map<Vni, v1::NetworkSettings> all;
  for (const auto vni : joined) {
    const auto* network = directory_.topology().network(vni);
    const bool concerned =
        network != nullptr && std::any_of(tenants.begin(), tenants.end(), [&](const Routing& r) {
          return r.tenant == network->tenant;
        });
    if (concerned) render(vni, directory_.topology(), &all[vni]);
  }
  return all;
}

void Sessions::tell_network(Vni vni, const v1::NetworkSettings& settings, Delivery& delivery) {
  v1::FromController message;
  *message.mutable_network() = settings;
  for (const auto& [reader, session] : sessions_)
    if (session.joined.contains(vni)) delivery.send(reader, v1::FromController{message});
}

void Sessions::show(Vni vni, v1::NetworkSettings* settings) const {
  const std::lock_guard lock{mutex_};
  render(vni, directory_.topology(), settings);
}

// Nobody is in its list any more; who had joined it is told so.
void Sessions::end_network(Vni vni, Delivery& delivery) {
  members_.erase(vni);
  listeners_.remove(vni);
  v1::FromController message;
  message.mutable_flood_list()->set_vni(vni.value());
  message.mutable_flood_list()->set_full(true);
  message.mutable_flood_list()->set_revision(revision_);
  for (auto& [reader, session] : sessions_)
    if (session.joined.erase(vni) != 0) delivery.send(reader, v1::FromController{message});
}

void Sessions::tell_loss(const Loss& loss, Delivery& delivery) {
  const auto reader = by_host_.find(loss.host);
  if (reader == by_host_.end()) return;
  v1::FromController message;
  render(loss.endpoint, message.mutable_lost()->mutable_attachment());
  delivery.send(reader->second, std::move(message));
}

void Sessions::tell_addresses(const Readdressed& readdressed, Delivery& delivery) {
  const auto reader = by_host_.find(readdressed.endpoint.host);
  if (reader == by_host_.end()) return;
  v1::FromController message;
  auto* attachment = message.mutable_readdressed()->mutable_attachment();
  render(readdressed.endpoint, attachment);
  for (const auto& ip : readdressed.ips) api::set_bytes(attachment->add_ips(), ip);
  message.mutable_readdressed()->set_revision(revision_);
  delivery.send(reader->second, std::move(message));
}

}  // namespace dove::controller
