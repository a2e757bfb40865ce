// The multicast groups that local guests listen to: asked for by queries into the ports, learned
// from what the bridges make of the answers.
#include <fmt/format.h>

#include "agent/datapath/datapath_state.h"

namespace dove::agent {
namespace {

constexpr int kMostReads = 64;  // of what the kernel has told, before it is asked again

// As RFC 3376 8.8: so often who leaves is asked for, and what an answer may take.
constexpr unsigned kLastQueries = 2;
constexpr std::chrono::milliseconds kLastAnswer =
    Querier::kShortResponse + std::chrono::milliseconds{200};

}  // namespace

// Empty for what is no guest's: what comes through the tunnel is another host's to tell.
std::optional<Listener> Datapath::State::listener_of(const netlink::BridgeGroup& group) const {
  const auto vni = devices.network(group.bridge);
  const auto* const overlay = vni ? devices.find(*vni) : nullptr;
  if (overlay == nullptr || overlay->bridge != group.bridge || overlay->vxlan == group.port)
    return std::nullopt;
  return Listener{*vni, group.port, group.group, netlink::group_mac(group.group)};
}

void Datapath::State::on_change(const netlink::GroupJoined& change) {
  const auto one = listener_of(change.group);
  if (!one) return;
  leaving.erase({one->vni, one->port, one->group});
  if (memberships.is_full(one->port)) let_leave(one->port);
  if (const auto joined = memberships.join(*one)) listener.on_group(*joined);
}

// The bridge has forgotten it; but a listener by IGMPv2 or MLDv1 does not report what it has just
// heard another one report, be that on another host. It is asked for before it is believed to have
// gone.
void Datapath::State::on_change(const netlink::GroupLeft& change) {
  const auto one = listener_of(change.group);
  if (!one || !memberships.has(*one)) return;
  if (leaving.try_emplace({one->vni, one->port, one->group}, Leaving{*one, Clock::now()}).second)
    at(leaving_timer, Clock::now(), &State::ask_leaving);
}

// Others need their room.
void Datapath::State::let_leave(IfIndex port) {
  std::erase_if(leaving, [&](const auto& one) {
    if (one.second.who.port != port) return false;
    if (const auto left = memberships.leave(one.second.who)) listener.on_group(*left);
    return true;
  });
}

void Datapath::State::ask_leaving() {
  const auto now = Clock::now();
  std::set<IfIndex> asked;
  bool gone = false;
  for (auto it = leaving.begin(); it != leaving.end();) {
    auto& [who, due, queries] = it->second;
    const Port* const port = port_by_index(who.port);
    if (port == nullptr || (due <= now && queries == kLastQueries)) {
      if (const auto left = memberships.leave(who)) listener.on_group(*left);
      gone = true;
      it = leaving.erase(it);
      continue;
    }
    if (due <= now) {
      asked.insert(who.port);
      ++queries;
      due = now + kLastAnswer;
    }
    ++it;
  }
  for (const IfIndex port : asked) parts.querier.ask_now(port, now);
  std::optional<TimePoint> next;
  for (const auto& [key, one] : leaving) next = next ? std::min(*next, one.due) : one.due;
  if (next) at(leaving_timer, *next, &State::ask_leaving);
  if (gone) listener.on_turn_end();
}

Result<std::vector<Listener>> Datapath::State::listeners() {
  const auto groups = netlink::dump_groups(parts.query);
  if (!groups) return groups.error();
  std::vector<Listener> all;
  for (const auto& group : *groups)
    if (const auto one = listener_of(group)) {
      leaving.erase({one->vni, one->port, one->group});
      all.push_back(*one);
    }
  for (const auto& [key, one] : leaving) all.push_back(one.who);
  return all;
}

void Datapath::State::read_groups() {
  const auto all = listeners();
  if (!all) return trouble(all.error().message);
  for (const auto& change : memberships.replace(*all)) listener.on_group(change);
}

// What the bridges know of listeners and the agent does not.
std::vector<Difference> Datapath::State::group_differences() {
  std::vector<Difference> found;
  const auto all = listeners();
  if (!all) return {unread({}, "who listens to groups", all.error())};
  Memberships known = memberships;
  for (const auto& [vni, group, listened] : known.replace(*all))
    found.push_back({.vni = vni,
                     .what = fmt::format("group {} {} at this host", group.to_string(),
                                         listened ? "has listeners that are not known"
                                                  : "has no listeners any more"),
                     .command = "dovectl check -fix"});
  return found;
}

void Datapath::State::audit_groups(AuditJob& job) {
  auto found = group_differences();
  // The kernel's word of it may be on its way.
  for (int i = 0; i < kMostReads && !found.empty() && read_changes(); ++i) {
  }
  if (!found.empty()) found = group_differences();
  if (is_to_mend(job, found)) {
    read_groups();
    listener.on_turn_end();
    mark_mended(found, group_differences(), {});
    tell_put_right(found);
  }
  told(job, std::move(found));
}

void Datapath::State::query_port(const Port& port) {
  parts.querier.add(port.device.index, bridge_mac(port.shown.guest.vni), Clock::now());
  run_queries();
}

// A bridge that was down has forgotten who listens.
void Datapath::State::query_network(Vni vni) {
  for (const auto& [name, port] : ports)
    if (port.shown.present && port.shown.guest.vni == vni) query_port(port);
}

void Datapath::State::run_queries() {
  parts.querier.run(Clock::now());
  if (const auto next = parts.querier.next_deadline()) at(query_timer, *next, &State::run_queries);
}

}  // namespace dove::agent
