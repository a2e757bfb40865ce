#include "controller/sessions.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "controller/delivery.h"
#include "controller/render.h"

namespace dove::controller {

namespace {

// Networks that one session may have joined and count on, so that naming those that are not there
// costs no more memory than this.
constexpr std::size_t kExpectedAtMost = 65536;

bool same_settings(v1::NetworkSettings one, const v1::NetworkSettings& other) {
  one.set_revision(other.revision());
  return one.SerializeAsString() == other.SerializeAsString();
}

// Nor of any of its groups.
std::array<v1::FromController, 2> no_members(Vni vni, std::uint64_t revision) {
  std::array<v1::FromController, 2> messages;
  const auto write = [&](auto& list) {
    list.set_vni(vni.value());
    list.set_full(true);
    list.set_revision(revision);
  };
  write(*messages[0].mutable_flood_list());
  write(*messages[1].mutable_group_list());
  return messages;
}

}  // namespace

Sessions::Sessions(const Options& options)
    : options_{options},
      directory_{options.negative_ttl},
      replicas_{options.replicas},
      leases_{options.lease} {}
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
                     const StoreWord& store) {
  Delivery delivery{*this};
  if (const auto* old = live_of(host)) {
    delivery.close(old->peer, {ErrorCode::kUnavailable, "the host has come back anew"});
    drop(old->peer->reader);
  }
  const auto now = std::chrono::steady_clock::now();
  if (leases_.begin(host, now)) delivery.report(fmt::format("host {} is heard again", hello.host));
  const auto reader = ++last_reader_;
  peer->reader = reader;
  peer->host = host;
  by_host_[host] = reader;
  ++counters_.sessions;
  sessions_.emplace(reader, Live{std::move(peer), hello, {}, now});
  absent_.insert(host);
  v1::FromController welcome;
  welcome.mutable_welcome()->set_protocol(api::kProtocol);
  welcome.mutable_welcome()->set_store_id(store.id);
  welcome.mutable_welcome()->set_opening(store.opening);
  welcome.mutable_welcome()->set_other_past(store.other_past);
  welcome.mutable_welcome()->set_revision(revision_);
  welcome.mutable_welcome()->set_host_id(static_cast<std::uint32_t>(host));
  welcome.mutable_welcome()->set_lease_ms(static_cast<std::uint32_t>(options_.lease.count()));
  api::set_bytes(welcome.mutable_welcome()->mutable_router_mac(), options_.router_mac);
  delivery.send(reader, std::move(welcome));
  v1::FromController all;
  all.mutable_hosts()->set_full(true);
  all.mutable_hosts()->set_revision(revision_);
  for (const auto& [id, entry] : hosts_) api::write(entry, all.mutable_hosts()->add_hosts());
  delivery.send(reader, std::move(all));
  delivery.sync(reader);
  waits_.back(host, live(reader)->point());
}

void Sessions::end(Peer& peer) {
  Delivery delivery{*this};
  lose(peer.reader);
  if (!introductions_.empty()) end_introductions(TimePoint::min(), delivery);
}

// Its host has none any more.
void Sessions::lose(ReaderId reader) {
  const auto* session = live(reader);
  if (session == nullptr) return;
  const auto host = session->peer->host;
  drop(reader);
  if (hosts_.contains(host)) absent_.insert(host);
  waits_.gone(host);
}

void Sessions::drop(ReaderId reader) {
  const auto* session = live(reader);
  if (session == nullptr) return;
  const auto& peer = *session->peer;
  leases_.heard(peer.host, peer.heard());
  if (const auto at = by_host_.find(peer.host); at != by_host_.end() && at->second == reader)
    by_host_.erase(at);
  directory_.forget_all(reader);
  replicas_.end_all(reader);
  sessions_.erase(reader);
}

void Sessions::add_figures(FigureSources& out) const {
  const std::lock_guard lock{mutex_};
  out.sessions = counters_;
  out.sizes.sessions = sessions_.size();
  for (const auto& [reader, session] : sessions_) out.sizes.interest += directory_.interest(reader);
}

// --- questions

void Sessions::ask(Peer& peer, std::span<const Key> keys, const std::optional<IpAddress>& asker) {
  const auto began = std::chrono::steady_clock::now();
  Delivery delivery{*this};
  if (live(peer.reader) == nullptr) return;
  counters_.asks += keys.size();
  if (directory_.interest(peer.reader) + 2 * keys.size() > options_.interest)
    return delivery.resync(peer.reader);
  for (const auto& key : keys)
    std::visit([&](const auto& k) { directory_.ask(peer.reader, k, delivery); }, key);
  const auto* ip = keys.size() == 1 ? std::get_if<IpKey>(&keys.front()) : nullptr;
  if (asker && ip != nullptr) introduce({ip->vni, *asker}, peer.host, *ip, delivery);
  counters_.answers += delivery.bindings();
  counters_.ask_time.add(std::chrono::steady_clock::now() - began);
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

void Sessions::join(Peer& peer, Vni vni, v1::FromController&& reply, Told& told) {
  Delivery delivery{*this, &told};
  auto* session = live(peer.reader);
  if (session == nullptr) return;
  session->joined.insert(vni);
  add_member(vni, peer.host, peer.reader, delivery);
  delivery.send(peer.reader, std::move(reply));
  tell_all_members(peer, vni, delivery);
}

void Sessions::expect(Peer& peer, Vni vni) {
  Delivery delivery{*this};
  auto* session = live(peer.reader);
  if (session == nullptr || session->joined.size() >= kExpectedAtMost) return;
  session->joined.insert(vni);
  for (auto& message : no_members(vni, revision_)) delivery.send(peer.reader, std::move(message));
}

// The flood list and the groups'.
void Sessions::tell_all_members(const Peer& peer, Vni vni, Delivery& delivery) {
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

void Sessions::has_network(Peer& peer, Vni vni, Told& told) {
  Delivery delivery{*this, &told};
  if (live(peer.reader) != nullptr) add_member(vni, peer.host, peer.reader, delivery);
}

void Sessions::leave(Peer& peer, Vni vni, v1::FromController&& reply, Told& told) {
  Delivery delivery{*this, &told};
  auto* session = live(peer.reader);
  if (session == nullptr) return;
  session->joined.erase(vni);
  replicas_.end(peer.reader, vni);
  offer_what_fits(peer.reader, *session, delivery);
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
  concern_absent(vni, delivery);
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

void Sessions::settle_groups(Delivery& delivery) {
  groups_settle_.reset();
  unheard_.clear();
  for (const auto& [reader, session] : sessions_)
    for (const auto vni : session.joined) tell_all_groups(*session.peer, vni, delivery);
  end_settling(std::chrono::steady_clock::now(), delivery);
}

void Sessions::tick(TimePoint now) {
  Delivery delivery{*this};
  end_introductions(now, delivery);
  if (groups_settle_ && now >= *groups_settle_) settle_groups(delivery);
  end_settling(now, delivery);
  end_silent(now, delivery);
  for (auto& [reader, session] : sessions_) {
    if (session.settled || now < session.since + options_.rejoin || is_quiet(session, now))
      continue;
    session.settled = true;
    settle(session, delivery);
  }
  for (const auto& [reader, session] : sessions_)
    if (session.told) delivery.sync(reader);
  waits_.expire(now);
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

void Sessions::knows_hosts(Peer& peer, std::uint64_t revision) {
  Delivery delivery{*this};
  auto* session = live(peer.reader);
  if (session == nullptr || revision <= session->knows_hosts) return;
  session->knows_hosts = revision;
  if (!introductions_.empty()) end_introductions(TimePoint::min(), delivery);
}

// Whether all agents but the host's own know the hosts of a revision: by the two that lag most.
std::function<bool(HostId, std::uint64_t)> Sessions::who_knows() const {
  struct Agent {
    std::uint64_t knows = std::numeric_limits<std::uint64_t>::max();
    HostId host{};
  };
  Agent most;
  Agent next;
  for (const auto& [reader, session] : sessions_) {
    const Agent agent{session.knows_hosts, session.peer->host};
    if (agent.knows < most.knows)
      next = std::exchange(most, agent);
    else if (agent.knows < next.knows)
      next = agent;
  }
  return [most, next](HostId host, std::uint64_t revision) {
    return (most.host == host ? next : most).knows >= revision;
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
  auto next = waits_.next_deadline();
  if (groups_settle_ && (!next || *groups_settle_ < *next)) next = groups_settle_;
  for (const auto& one : await_settling_)
    if (!next || one.deadline < *next) next = one.deadline;
  for (const auto& [host, introduction] : introductions_)
    if (introduction.deadline && (!next || *introduction.deadline < *next))
      next = introduction.deadline;
  return next;
}

// --- commits

void Sessions::load(const Consequences& all) {
  Delivery delivery{*this};
  apply(all, delivery);
  for (const auto& [host, entry] : hosts_) changed_before_.insert(host);
  for (const auto& [vni, members] : members_)
    for (const auto& [host, by] : members) unheard_.insert(host);
  if (!unheard_.empty()) groups_settle_ = std::chrono::steady_clock::now() + options_.rejoin;
}

void Sessions::publish(const Consequences& consequences, Told& told) {
  const auto began = std::chrono::steady_clock::now();
  Delivery delivery{*this, &told};
  concern_absent(consequences, delivery);
  apply(consequences, delivery);
  counters_.pushes += delivery.bindings();
  counters_.publish_agents.add(delivery.agents());
  counters_.publish_time.add(std::chrono::steady_clock::now() - began);
}

void Sessions::apply(const Consequences& consequences, Delivery& delivery) {
  revision_ = consequences.revision;
  tell_hosts(consequences.hosts, delivery);
  // What is said of a VNI afterwards is of a network that is made with it.
  for (const auto vni : consequences.gone) end_network(vni, delivery);
  if (!consequences.tenants.empty()) route(consequences, delivery);
  for (const auto vni : consequences.come) begin_network(vni, delivery);
  for (const auto& [vni, host] : consequences.attached) add_member(vni, host, 0, delivery);
  directory_.update(consequences.revision, consequences.macs, consequences.ips, delivery);
  tell_replicas(consequences, delivery);
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
      const auto fresh = hosts_.insert_or_assign(entry.id, entry).second;
      if (fresh) leases_.begin(entry.id, std::chrono::steady_clock::now());
      introductions_[entry.id].revision = revision_;
      if (live_of(entry.id) == nullptr) absent_.insert(entry.id);
    } else {
      hosts_.erase(entry.id);
      leases_.end(entry.id);
      introductions_.erase(entry.id);
      absent_.erase(entry.id);
      unheard_.erase(entry.id);
      changed_before_.erase(entry.id);
      changes_.erase(entry.id);
      waits_.removed(entry.id);
    }
  }
  for (const auto& entry : changed) {
    if (entry.vtep) continue;
    std::vector<Vni> member_of;
    for (const auto& [vni, members] : members_)
      if (members.contains(entry.id)) member_of.push_back(vni);
    for (const auto vni : member_of) remove_member(vni, entry.id, delivery);
  }
  if (groups_settle_ && unheard_.empty()) settle_groups(delivery);
  for (const auto& [reader, session] : sessions_)
    delivery.send(reader, v1::FromController{message});
}

void Sessions::route(const Consequences& consequences, Delivery& delivery) {
  const auto before = settings_in_use(consequences.tenants);
  directory_.route(consequences.revision, consequences.tenants, delivery);
  for (const auto& [vni, settings] : settings_in_use(consequences.tenants)) {
    const auto old = before.find(vni);
    if (old == before.end() || !same_settings(old->second, settings))
      tell_network(vni, settings, delivery);
  }
}

// Those that somebody has joined, or had before it went away.
std::set<Vni> Sessions::networks_in_use() const {
  std::set<Vni> all;
  for (const auto& [reader, session] : sessions_)
    all.insert(session.joined.begin(), session.joined.end());
  if (absent_.empty()) return all;
  for (const auto& [vni, members] : members_)
    if (std::any_of(members.begin(), members.end(),
                    [this](const auto& member) { return absent_.contains(member.first); }))
      all.insert(vni);
  return all;
}

// Of those that are the tenants'.
std::map<Vni, v1::NetworkSettings> Sessions::settings_in_use(
    std::span<const Routing> tenants) const {
  std::map<Vni, v1::NetworkSettings> all;
  for (const auto vni : networks_in_use()) {
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
  concern_absent(vni, delivery);
  for (const auto& [reader, session] : sessions_)
    if (session.joined.contains(vni)) delivery.send(reader, v1::FromController{message});
}

void Sessions::show(Vni vni, v1::NetworkSettings* settings) const {
  const std::lock_guard lock{mutex_};
  render(vni, directory_.topology(), settings);
}

// Who has joined an earlier one of this VNI still has its bridge.
void Sessions::begin_network(Vni vni, Delivery& delivery) {
  for (const auto& [reader, session] : sessions_)
    if (session.joined.contains(vni)) add_member(vni, session.peer->host, reader, delivery);
  for (const auto& [reader, session] : sessions_)
    if (session.joined.contains(vni)) tell_all_members(*session.peer, vni, delivery);
}

// Nobody is in its list any more; who had joined it is told so.
void Sessions::end_network(Vni vni, Delivery& delivery) {
  members_.erase(vni);
  listeners_.remove(vni);
  const auto messages = no_members(vni, revision_);
  v1::FromController gone;
  gone.mutable_network_gone()->set_vni(vni.value());
  gone.mutable_network_gone()->set_revision(revision_);
  for (auto& [reader, session] : sessions_) {
    replicas_.end(reader, vni);
    offer_what_fits(reader, session, delivery);
    if (!session.joined.contains(vni)) continue;
    for (const auto& message : messages) delivery.send(reader, v1::FromController{message});
    delivery.send(reader, v1::FromController{gone});
  }
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
  for (const auto& ip : readdressed.shared_ips) api::set_bytes(attachment->add_shared_ips(), ip);
  message.mutable_readdressed()->set_revision(revision_);
  delivery.send(reader->second, std::move(message));
}

}  // namespace dove::controller
