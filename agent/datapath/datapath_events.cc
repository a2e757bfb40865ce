#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/datapath/datapath_state.h"
#include "agent/datapath/firewall_check.h"

namespace dove::agent {
namespace {

// After an overrun every network is compared with the kernel, one at a time and not more often
// than this, so that no guest can keep the agent busy with dumps.
constexpr std::chrono::seconds kReconcilePause{1};
constexpr std::chrono::seconds kSameTroublePause{10};
constexpr std::chrono::seconds kFirewallPause{60};  // between two looks at others' filters

}  // namespace

void Datapath::State::watch() {
  const auto add = [this](int fd, bool (State::*read)()) {
    watchers.emplace_back(io, fd, [this, read] { return (this->*read)(); });
  };
  add(parts.changes.fd(), &State::read_changes);
  add(parts.misses.fd(), &State::read_misses);
  add(parts.log.fd(), &State::read_log);
  add(parts.walls->fd(), &State::read_walls);
  add(parts.routes.fd(), &State::read_routes);
  watch_punt();
  check_mtu();
  check_firewalls();
}

void Datapath::State::stop_watching() {
  watchers.clear();
  punt_watcher.reset();
}

void Datapath::State::watch_punt() {
  if (punt_reader) punt_watcher.emplace(io, parts.punt->tun().fd(), [this] { return read_punt(); });
}

bool Datapath::State::read_misses() {
  miss_buffer.clear();
  const auto drained = parts.misses.drain(miss_buffer);
  if (!drained) {
    trouble(drained.error().message);
    return false;
  }
  if (drained->overrun) ++counters.miss_overruns;
  for (const auto& miss : miss_buffer) {
    const auto vni = devices.network(std::visit([](const auto& one) { return one.device; }, miss));
    if (!vni) continue;
    if (const auto* mac = std::get_if<netlink::MacMiss>(&miss))
      listener.on_mac_miss({{*vni, mac->mac}});
    else
      listener.on_ip_miss({{*vni, std::get<netlink::IpMiss>(miss).ip}});
  }
  listener.on_turn_end();
  return drained->more;
}

bool Datapath::State::read_log() {
  const auto more = parts.log.read([this](const GuestEvents& events) {
    if (events.seen) listener.on_seen(*events.seen);
    if (events.query) listener.on_query(*events.query);
  });
  if (!more) trouble(more.error().message);
  listener.on_turn_end();
  return more && *more;
}

bool Datapath::State::read_punt() {
  const auto more = punt_reader->read(
      Clock::now(), [this](PuntedFrame&& frame) { listener.on_punted(std::move(frame)); });
  if (!more) trouble(more.error().message);
  listener.on_turn_end();
  return more && *more;
}

bool Datapath::State::read_walls() {
  const auto changes = parts.walls->read_changes();
  if (!changes) {
    trouble(changes.error().message);
    return false;
  }
  if (changes->foreign) walls_changed();
  return changes->more;
}

bool Datapath::State::read_changes() {
  change_buffer.clear();
  const auto more = parts.changes.drain(change_buffer);
  if (!more) {
    trouble(more.error().message);
    return false;
  }
  for (const auto& change : change_buffer)
    std::visit([this](const auto& one) { on_change(one); }, change);
  listener.on_turn_end();
  return *more;
}

void Datapath::State::on_change(const netlink::LinkChanged& change) {
  const auto& link = change.link;
  if (parts.punt && link.index == parts.punt->index()) return punt_changed(link);
  if (!devices.network(link.index)) {
    link_may_be_underlay(link);
    return port_link_changed(link);
  }
  const auto corrected = devices.correct(link.index);
  if (!corrected && has_devices(*devices.network(link.index))) trouble(corrected.error().message);
  if (corrected && *corrected)
    put_right(fmt::format("{} was changed by somebody else: put right", link.name));
}

void Datapath::State::on_change(const netlink::LinkGone& change) {
  if (const auto vni = devices.network(change.index)) return overlay_gone(*vni);
  if (parts.punt && change.index == parts.punt->index()) return remake_punt();
  port_link_gone(change.index);
}

void Datapath::State::on_change(const netlink::FdbGone& change) {
  const auto vni = devices.network(change.entry.device);
  if (!vni) return;
  if (change.entry.mac.is_zero()) {
    if (const auto set = set_punt(*vni); !set) trouble(set.error().message);
    return;
  }
  const MacKey key{*vni, change.entry.mac};
  if (parts.programmer.is_router(key)) return restore_router(*vni);
  if (parts.programmer.is_lost(key)) return listener.on_fdb_gone(key);
  const auto repair = parts.programmer.repair(key, change.entry.destination);
  if (repair) (void)parts.programmer.apply({&*repair, 1});
}

void Datapath::State::on_change(const netlink::NeighbourGone& change) {
  const auto vni = devices.network(change.entry.device);
  if (!vni) return;
  const IpKey key{*vni, change.entry.ip};
  if (parts.programmer.is_gateway(key)) return restore_router(*vni);
  if (parts.programmer.is_lost(key)) listener.on_neighbour_gone(key);
}

void Datapath::State::restore_router(Vni vni) {
  if (const auto set = set_router(vni); !set) trouble(set.error().message);
}

void Datapath::State::on_change(const netlink::Overrun&) {
  ++counters.change_overruns;
  const bool idle = to_reconcile.empty();
  const auto networks = devices.networks();
  to_reconcile.assign(networks.begin(), networks.end());
  read_groups();
  if (idle) reconcile_next();
}

void Datapath::State::reconcile_next() {
  if (to_reconcile.empty()) return;
  const Vni vni = to_reconcile.front();
  to_reconcile.pop_front();
  const auto missing = parts.programmer.reconcile(vni);
  if (missing) {
    for (const auto& key : missing->fdb) listener.on_fdb_gone(key);
    for (const auto& key : missing->neighbours) listener.on_neighbour_gone(key);
    listener.on_turn_end();
  } else {
    trouble(missing.error().message);
  }
  restore_router(vni);
  at(reconcile_timer, Clock::now() + kReconcilePause, &State::reconcile_next);
}

// When one is gone, what depends on it changes first, and the word of its end comes last.
bool Datapath::State::has_devices(Vni vni) const {
  const auto* overlay = devices.find(vni);
  return overlay != nullptr && links->find(overlay->bridge) && links->find(overlay->vxlan);
}

// Somebody removed a device of a network in use. Made again; what was in its tables is lost, and
// told so.
void Datapath::State::overlay_gone(Vni vni) {
  if (!parts.programmer.has(vni)) return;  // our own removal
  if (has_devices(vni)) return;
  put_right(
      fmt::format("a device of network {} was removed by somebody else: made again", vni.value()));
  if (auto status = remake_network(vni); !status) trouble(status.error().message);
}

void Datapath::State::punt_changed(const netlink::Link& link) {
  // What the message says may be older than what we did since.
  const auto now = links->find(link.index);
  if (!now || (now->up && now->mtu == mtu.smallest)) return;
  if (auto status = parts.punt->make_right(*links, mtu.smallest); !status)
    return trouble(status.error().message);
  put_right(fmt::format("{} was changed by somebody else: put right", kPuntDevice));
}

// Somebody removed dvpunt. Until it is there again, what the kernel does not know is lost.
void Datapath::State::remake_punt() {
  if (punt_reader) {
    punted_before = punt_counters();
    put_right(fmt::format("{} was removed by somebody else: made again", kPuntDevice));
  }
  punt_watcher.reset();
  punt_reader.reset();
  const auto opened = open_punt();
  punt_problem = opened ? std::string{} : opened.error().message;
  if (opened) return watch_punt();
  trouble(punt_problem);
  at(punt_timer, Clock::now() + kPutBackPause, &State::remake_punt);
}

// `parts.punt` is empty only between a removal and the next success.
Status Datapath::State::open_punt() {
  parts.punt.reset();
  auto punt = PuntDevice::open(*links, parts.query, punt_prefix(), mtu.smallest);
  if (!punt) return punt.error();
  parts.punt.emplace(std::move(*punt));
  punt_reader.emplace(parts.punt->tun(), options.local.address.family(), mtu.smallest);
  for (const Vni vni : devices.networks())
    if (auto set = set_punt(vni); !set) return set;
  for (const auto& [vni, router] : routers)
    if (auto set = set_router(vni); !set) return set;
  return {};
}

void Datapath::State::walls_changed() {
  put_right(fmt::format("the nftables tables \"{}\" were changed by somebody else: made again",
                        kWallTable));
  renew_walls_soon();
}

void Datapath::State::renew_walls_soon() {
  if (std::exchange(renewing_walls, true)) return;
  at(walls_timer, std::max(Clock::now(), walls_renewed + kPutBackPause), &State::renew_walls);
}

// For a change that has to succeed: what nft refused is in force when all the walls have been made
// again, and `done` is called then.
Datapath::Done Datapath::State::or_when_renewed(Done done) {
  return [weak = weak_from_this(), done = std::move(done)](const Status& status) {
    const auto self = weak.lock();
    if (!self || status) return done(status);
    self->trouble(status.error().message);
    self->renewal_waited_for.push_back(done);
    self->renew_walls_soon();
  };
}

void Datapath::State::renew_walls() {
  walls_renewed = Clock::now();
  renewing_walls = false;
  parts.walls->renew([weak = weak_from_this()](const Status& status) {
    const auto self = weak.lock();
    if (!self) return;
    self->walls_problem = status ? std::string{} : status.error().message;
    if (status) {
      for (const auto& done : std::exchange(self->renewal_waited_for, {})) done({});
      return;
    }
    self->trouble(self->walls_problem);
    self->renew_walls_soon();
  });
}

void Datapath::State::put_right(const std::string& what) {
  ++put_right_so_far;
  trouble(what);
}

void Datapath::State::trouble(const std::string& what) {
  const auto now = Clock::now();
  if (what == last_trouble && now - last_trouble_at < kSameTroublePause) return;
  last_trouble = what;
  last_trouble_at = now;
  listener.on_trouble(what);
}

void Datapath::State::check_firewalls() {
  at(firewall_timer, Clock::now() + kFirewallPause, &State::check_firewalls);
  const auto filtering = bridged_filtering();
  if (!filtering.ipv4 && !filtering.ipv6) return take_notes({});
  parts.walls->chains([weak = weak_from_this(), filtering](Result<std::string> chains) {
    const auto self = weak.lock();
    if (!self) return;
    auto found = chains ? firewall_notes(filtering, *chains) : chains.error();
    if (!found) return self->trouble(found.error().message);
    self->take_notes(*std::move(found));
  });
}

void Datapath::State::take_notes(std::vector<std::string> found) {
  const auto before = std::exchange(notes, std::move(found));
  for (const auto& note : notes)
    if (std::find(before.begin(), before.end(), note) == before.end()) trouble(note);
}

}  // namespace dove::agent
