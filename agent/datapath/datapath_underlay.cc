// The MTU of the ways to the other hosts: found out when hosts, routes or devices change, and now
// and then, because the kernel does not tell what it learns of a path.
#include <algorithm>
#include <asio/post.hpp>
#include <utility>

#include "agent/datapath/datapath_state.h"

namespace dove::agent {
namespace {

constexpr std::chrono::milliseconds kSettle{50};  // changes come in groups
constexpr std::chrono::seconds kMtuPause{1};      // routes may change all the time
constexpr std::chrono::seconds kMtuAudit{10};
constexpr std::size_t kAskedAtOnce = 128;  // hosts; less than a millisecond of the loop's time

}  // namespace

TooLong too_long(const IpAddress& vtep, std::uint32_t underlay_mtu,
                 const std::optional<MacAddress>& router) {
  return {.above = underlay_mtu - overhead(vtep), .set_df = vtep.is_v6(), .router = router};
}

bool Datapath::State::read_routes() {
  const auto drained = parts.routes.drain();
  if (!drained) {
    trouble(drained.error().message);
    return false;
  }
  if (drained->changed) check_mtu_soon();
  return drained->more;
}

bool Datapath::State::read_too_big() {
  const auto done = parts.prober->read(parts.query, peers, parts.underlay.mtu, Clock::now());
  if (!done) {
    trouble(done.error().message);
    return false;
  }
  if (done->heard) check_mtu_soon();
  return done->more;
}

// What neither is ours nor leads to a guest may lead to other hosts.
void Datapath::State::link_may_be_underlay(const netlink::Link& link) {
  if (port_by_index(link.index) == nullptr) check_mtu_soon();
}

void Datapath::State::set_peers(std::vector<IpAddress> vteps) {
  if (vteps == peers) return;
  peers = std::move(vteps);
  if (Clock::now() - mtu_checked < kMtuPause) return check_mtu_soon();
  check_mtu();
}

void Datapath::State::check_mtu_soon() {
  if (std::exchange(mtu_check_due, true)) return;
  const auto now = Clock::now();
  at(mtu_timer, std::max(now + kSettle, mtu_checked + kMtuPause), &State::check_mtu);
}

void Datapath::State::check_mtu() {
  mtu_check_due = false;
  mtu_checked = Clock::now();
  at(mtu_timer, mtu_checked + kMtuAudit, &State::check_mtu);
  if (const auto own = links->find(parts.underlay.device);
      own && parts.underlay.device != kLoopback)
    parts.underlay.mtu = own->mtu;
  const bool under_way = mtu_round.has_value();
  mtu_round.emplace(peers);
  if (!under_way) go_on_with_mtu();
}

void Datapath::State::go_on_with_mtu() {
  if (mtu_round->ask(*links, parts.query, parts.underlay, kAskedAtOnce)) return end_mtu_round();
  asio::post(io, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->go_on_with_mtu();
  });
}

void Datapath::State::end_mtu_round() {
  const auto now = std::exchange(mtu_round, std::nullopt)->take(parts.underlay);
  const auto before = std::exchange(mtu, now);
  if (now.largest != before.largest) follow_at_ports(before.largest);
  if (now.smallest != before.smallest) follow_mtu();
}

// A port that somebody gave more than it needs keeps it.
void Datapath::State::follow_at_ports(std::uint32_t largest_before) {
  for (const auto& [name, port] : ports) {
    if (!port.shown.present) continue;
    const auto link = links->find(port.device.index);
    if (link && (link->mtu < mtu.largest || link->mtu == largest_before))
      (void)links->change(link->index, {.mtu = std::max(mtu.largest, port.device.mtu)});
  }
}

void Datapath::State::follow_mtu() {
  if (parts.punt) {
    punt_reader->set_mtu(mtu.smallest);
    if (auto status = parts.punt->make_right(*links, mtu.smallest); !status)
      trouble(status.error().message);
  }
  set_too_long();
  listener.on_guest_mtu(guest_mtu());
}

void Datapath::State::lead_answers_of(const Router& router) {
  if (router.gateways.empty()) return;
  router_mac = router.mac;
  set_too_long();
}

void Datapath::State::set_too_long() {
  if (parts.walls->set_too_long(too_long(options.local.address, mtu.smallest, router_mac)))
    renew_walls_soon();
}

}  // namespace dove::agent
