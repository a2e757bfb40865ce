#include "agent/resolver/state.h"

namespace dove::agent {
namespace {

bool is_routable(const IpAddress& ip) { return ip.is_assignable() && !ip.is_link_local(); }

}  // namespace

// The kernel had no neighbour for the packet inside: whose address it is decides.
void Resolver::State::route(Network& network, PuntedFrame&& frame, Actions& out) {
  ++counters.routed;
  const Router& router = *network.router;
  if (!frame.ip || !is_routable(*frame.ip) || router.has(*frame.ip) || frame.source == router.mac)
    return count_drop(DropReason::kUnroutable);
  IpRecord* const record = want(network, *frame.ip, who(network, frame.source), out);
  if (record == nullptr) return;
  record->routed = true;
  on_wanted_packet(*record, std::move(frame), out);
}

void Resolver::State::on_wanted_packet(IpRecord& record, PuntedFrame&& frame, Actions& out) {
  settle(record, out);
  if (record.known == Known::kDenied) {
    count_drop(DropReason::kDenied);
  } else if (record.known == Known::kFound && is_answerable(*record.owner)) {
    send_routed(std::move(frame.packets), *record.owner, out);
  } else if (const auto reason = waiting.add(record, std::move(frame), now)) {
    count_drop(*reason);
  }
}

void Resolver::State::send_routed(PuntedPackets&& packets, const MacRecord& to,
                                  Actions& out) const {
  const auto& router = to.network->router;
  const auto macs = router ? std::optional{RoutedMacs{to.mac, router->mac}} : std::nullopt;
  send_on(std::move(packets), to, macs, out);
}

// The kernel had no entry for its MAC. From the router it has been routed, and its entry was lost
// meanwhile; a guest's own stays in the guest's network: false. Precondition: is_answerable(to).
bool Resolver::State::send_bridged(PuntedFrame&& frame, const MacRecord& to, Actions& out) {
  const auto& router = to.network->router;
  const bool routed = router && frame.source == router->mac;
  if (to.target && !routed) {
    count_drop(DropReason::kUnrouted);
    return false;
  }
  send_on(std::move(frame.packets), to, std::nullopt, out);
  return true;
}

// Precondition: is_answerable(to).
void Resolver::State::send_on(PuntedPackets&& packets, const MacRecord& to,
                              const std::optional<RoutedMacs>& macs, Actions& out) const {
  if (leads_here(to)) {
    const Vni vni = to.local ? to.network->vni : to.target.value_or(to.network->vni);
    out.deliveries.push_back(Deliver{std::move(packets), {vni, to.mac}, macs});
  } else {
    out.resends.push_back(Resend{std::move(packets), *destination(to), to.target, macs});
  }
}

}  // namespace dove::agent
