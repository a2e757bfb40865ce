// The part of the sessions that knows which hosts are silent.
#include <fmt/format.h>

#include "controller/delivery.h"

namespace dove::controller {
namespace {

// Named in one line. More than this fell silent together because of something else than each.
constexpr std::size_t kNames = 10;

std::string describe_suspects(const std::vector<std::string>& names,
                              std::chrono::milliseconds lease) {
  std::string list;
  for (std::size_t i = 0; i < names.size() && i < kNames; ++i)
    list += fmt::format("{}{}", i == 0 ? "" : ", ", names[i]);
  if (names.size() > kNames) list += fmt::format(" and {} others", names.size() - kNames);
  return fmt::format("{} {} suspect: not heard for {:g} s, keeping what is attached there",
                     names.size() == 1 ? "host" : "hosts", list,
                     static_cast<double>(lease.count()) / 1000);
}

}  // namespace

void Sessions::end_silent(TimePoint now, Delivery& delivery) {
  for (const auto& [reader, session] : sessions_) {
    const auto& peer = *session.peer;
    leases_.heard(peer.host, peer.unanswered > 0 ? now : peer.heard());
  }
  std::vector<std::string> names;
  for (const auto host : leases_.expire(now)) {
    names.push_back(hosts_.at(host).name);
    const auto* session = live_of(host);
    if (session == nullptr) continue;
    delivery.close(session->peer, {ErrorCode::kUnavailable, "nothing was heard of the host"});
    lose(session->peer->reader);
  }
  if (names.empty()) return;
  delivery.report(describe_suspects(names, leases_.length()));
  if (!introductions_.empty()) end_introductions(TimePoint::min(), delivery);
}

void Sessions::end_all(const Error& why) {
  Delivery delivery{*this};
  std::vector<ReaderId> readers;
  for (const auto& [reader, session] : sessions_) {
    delivery.close(session.peer, why);
    readers.push_back(reader);
  }
  for (const auto reader : readers) lose(reader);
}

// What it does not say may be lost: who is there is heard more often.
bool Sessions::is_quiet(const Live& session, TimePoint now) const {
  return session.peer->unanswered == 0 && now - session.peer->heard() > options_.lease / 2;
}

bool Sessions::is_connected(HostId host) const {
  const std::lock_guard lock{mutex_};
  return live_of(host) != nullptr;
}

bool Sessions::is_current(const Peer& peer) const {
  const std::lock_guard lock{mutex_};
  return sessions_.contains(peer.reader);
}

Sessions::Presence Sessions::presence_of(HostId host, TimePoint now) const {
  const std::lock_guard lock{mutex_};
  const auto* session = live_of(host);
  if (session != nullptr) return {.connected = true, .version = session->hello.version};
  return {.suspect = leases_.is_suspect(host), .silence = leases_.silence(host, now)};
}

}  // namespace dove::controller
