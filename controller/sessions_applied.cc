// The part of the sessions that knows what agents have applied of what they were told, and who
// waits for that. A Sync behind what was said makes an agent tell: at once when somebody waits,
// else with the next tick.
#include <algorithm>

#include "controller/delivery.h"

namespace dove::controller {
namespace {

// Of so many hosts what they were told is looked through for what they have applied.
constexpr std::size_t kRemembered = 64;
// Whoever has waited for the lists of listeners waits at least so long for them to be applied.
constexpr std::chrono::seconds kAfterSettling{1};

v1::Lag::Why why_of(Lag::Why why) {
  switch (why) {
    case Lag::Why::kNotConnected:
      return v1::Lag::NOT_CONNECTED;
    case Lag::Why::kTrouble:
      return v1::Lag::TROUBLE;
    case Lag::Why::kSilent:
      break;
  }
  return v1::Lag::SILENT;
}

}  // namespace

void Sessions::applied(Peer& peer, const v1::Applied& word) {
  Delivery delivery{*this};
  auto* session = live(peer.reader);
  if (session == nullptr || word.number() <= session->answered || word.number() > session->sent)
    return;
  session->answered = word.number();
  session->applied = std::min(word.revision(), revision_);
  if (!session->is_whole()) return;
  absent_.erase(peer.host);
  if (unheard_.erase(peer.host) != 0 && unheard_.empty()) settle_groups(delivery);
  waits_.applied(peer.host, {peer.reader, word.number()}, word.problem());
}

std::optional<std::uint64_t> Sessions::applied_by(HostId host) const {
  const std::lock_guard lock{mutex_};
  const auto* session = live_of(host);
  if (session == nullptr) return std::nullopt;
  return session->is_idle() ? revision_ : session->applied;
}

// --- whom a change concerns beside those who are told

// A host that has a network of a tenant may have entries for any endpoint of the tenant.
void Sessions::concern_absent(const Consequences& consequences, Delivery& delivery) const {
  if (absent_.empty()) return;
  std::set<Vni> changed{consequences.gone.begin(), consequences.gone.end()};
  for (const auto& binding : consequences.macs) changed.insert(binding.key.vni);
  for (const auto& update : consequences.ips) changed.insert(update.binding.key.vni);
  std::set<Vni> concerned = changed;
  for (const auto vni : changed) {
    const auto others = directory_.topology().networks_with(vni);
    concerned.insert(others.begin(), others.end());
  }
  for (const auto vni : concerned) concern_absent(vni, delivery);
  for (const auto& loss : consequences.losses) concern_absent(loss.host, delivery);
  for (const auto& one : consequences.readdressed) concern_absent(one.endpoint.host, delivery);
  if (consequences.hosts.empty()) return;
  for (const auto host : absent_) concern_absent(host, delivery);
}

void Sessions::concern_absent(Vni vni, Delivery& delivery) const {
  const auto members = members_.find(vni);
  if (absent_.empty() || members == members_.end()) return;
  for (const auto& [host, by] : members->second) concern_absent(host, delivery);
}

void Sessions::concern_absent(HostId host, Delivery& delivery) const {
  if (!absent_.contains(host)) return;
  const auto* session = live_of(host);
  delivery.concern(host, session == nullptr ? Told::Point{}
                                            : Told::Point{session->peer->reader, session->whole});
}

// --- who waits

void Sessions::await(Told told, TimePoint deadline, Applied done) {
  Delivery delivery{*this};
  await(std::move(told), deadline, std::move(done), delivery);
}

void Sessions::await_all(TimePoint deadline, Applied done) {
  Delivery delivery{*this};
  await_settled(deadline, std::move(done), delivery);
}

void Sessions::await_settled(TimePoint deadline, Applied done, Delivery& delivery) {
  if (groups_settle_ && !no_waiting_ && await_settling_.size() < Waits::kMost)
    return await_settling_.push_back({deadline, std::move(done)});
  await_all(deadline, std::move(done), delivery);
}

// Those whose time is over lack the hosts that have said nothing yet.
void Sessions::end_settling(TimePoint now, Delivery& delivery, bool all) {
  const auto over = [&](const Settling& one) {
    return all || !groups_settle_ || one.deadline <= now;
  };
  std::vector<Settling> left;
  for (auto& one : std::exchange(await_settling_, {}))
    over(one)
        ? await_all(std::max(one.deadline, now + kAfterSettling), std::move(one.done), delivery)
        : left.push_back(std::move(one));
  await_settling_ = std::move(left);
}

void Sessions::await_all(TimePoint deadline, Applied done, Delivery& delivery) {
  Told told;
  for (const auto host : unheard_) told.add(host, {});
  for (const auto& [reader, session] : sessions_) {
    auto point = session.point();
    if (session.sent_revision < revision_) point.number = session.sent + 1;
    told.add(session.peer->host, point);
  }
  await(std::move(told), deadline, std::move(done), delivery);
}

void Sessions::await_changes(Peer& peer, TimePoint deadline, Applied done) {
  Delivery delivery{*this};
  if (changed_before_.contains(peer.host))
    return await_settled(deadline, when_applied(peer.host, std::move(done)), delivery);
  const auto at = changes_.find(peer.host);
  await(at == changes_.end() ? Told{} : at->second, deadline, std::move(done), delivery);
}

// When everybody has applied everything, what a host changed before our start is applied, too.
Sessions::Applied Sessions::when_applied(HostId host, Applied done) {
  return [this, host, done = std::move(done)](const std::vector<v1::Lag>& lagging) {
    if (lagging.empty()) {
      const std::lock_guard lock{mutex_};
      changed_before_.erase(host);
    }
    done(lagging);
  };
}

void Sessions::remember(Peer& peer, const Told& told) {
  if (told.points.empty()) return;
  const std::lock_guard lock{mutex_};
  auto& changes = changes_[peer.host];
  changes.add(told);
  changes.points.erase(peer.host);
  if (changes.points.size() >= kRemembered) bring_up_to_date(changes);
}

// Of each host as it is now: it may have applied everything, or have come back, or be gone.
void Sessions::bring_up_to_date(Told& told) const {
  for (auto at = told.points.begin(); at != told.points.end();) {
    auto& [host, point] = *at;
    const auto* session = live_of(host);
    if (session == nullptr)
      point = {};
    else if (session->peer->reader != point.reader)
      point = {session->peer->reader, session->whole};
    const bool has_applied =
        session != nullptr && session->is_whole() && session->answered >= point.number;
    at = has_applied || !hosts_.contains(host) ? told.points.erase(at) : std::next(at);
  }
}

void Sessions::await(Told told, TimePoint deadline, Applied done, Delivery& delivery) {
  bring_up_to_date(told);
  std::map<HostId, std::string> names;
  for (const auto& [host, point] : told.points) {
    names.emplace(host, hosts_.at(host).name);
    if (const auto* session = live(point.reader);
        session != nullptr && session->sent < point.number)
      delivery.sync(point.reader);
  }
  const auto over = [names = std::move(names), done](const std::vector<Lag>& lagging) {
    std::vector<v1::Lag> all;
    for (const auto& lag : lagging) {
      all.emplace_back().set_host(names.at(lag.host));
      all.back().set_why(why_of(lag.why));
      all.back().set_problem(lag.problem);
    }
    done(all);
  };
  waits_.add(std::move(told), deadline, over);
  if (no_waiting_) waits_.expire(TimePoint::max());
}

void Sessions::stop_waiting() {
  Delivery delivery{*this};
  no_waiting_ = true;
  end_settling(std::chrono::steady_clock::now(), delivery, true);
  waits_.expire(TimePoint::max());
}

}  // namespace dove::controller
