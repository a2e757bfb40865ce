// The multicast groups that local guests listen to: asked for by queries into the ports, learned
// from what the bridges make of the answers.
#include "agent/datapath/datapath_state.h"

namespace dove::agent {

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
  const auto joined = one ? memberships.join(*one) : std::nullopt;
  if (joined) listener.on_group(*joined);
}

void Datapath::State::on_change(const netlink::GroupLeft& change) {
  const auto one = listener_of(change.group);
  const auto left = one ? memberships.leave(*one) : std::nullopt;
  if (left) listener.on_group(*left);
}

void Datapath::State::read_groups() {
  const auto groups = netlink::dump_groups(parts.query);
  if (!groups) return trouble(groups.error().message);
  std::vector<Listener> all;
  for (const auto& group : *groups)
    if (const auto one = listener_of(group)) all.push_back(*one);
  for (const auto& change : memberships.replace(all)) listener.on_group(change);
}

void Datapath::State::query_port(const Port& port) {
  parts.querier.add(port.device.index, bridge_mac(port.shown.guest.vni), Clock::now());
  run_queries();
}

void Datapath::State::run_queries() {
  parts.querier.run(Clock::now());
  if (const auto next = parts.querier.next_deadline()) at(query_timer, *next, &State::run_queries);
}

}  // namespace dove::agent
