#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/datapath/datapath_state.h"
#include "agent/datapath/firewall_check.h"

namespace dove::agent {
namespace {

constexpr std::chrono::seconds kFirewallPause{60};  // between two looks at others' filters
// With a punt, between two looks at what the kernel misses when it misses much (options.h).
constexpr std::chrono::milliseconds kSamplePause{100};

}  // namespace

void Datapath::State::watch() {
  const auto add = [this](int fd, bool (State::*read)()) {
    watchers.emplace_back(io, fd, [this, read] { return (this->*read)(); });
  };
  add(parts.changes.fd(), &State::read_changes);
  watch_misses();
  add(parts.log.fd(), &State::read_log);
  add(parts.walls->fd(), &State::read_walls);
  add(parts.routes.fd(), &State::read_routes);
  if (parts.prober) add(parts.prober->fd(), &State::read_too_big);
  watch_punt();
  check_mtu();
  check_firewalls();
  audit_next();
}

// What has waited for long says what its guest has been told already.
void Datapath::State::watch_misses() {
  const auto read = [this] { return read_misses(); };
  if (parts.punt)
    watchers.emplace_back(io, parts.misses.fd(), read, kSamplePause, [this] { skip_misses(); });
  else
    watchers.emplace_back(io, parts.misses.fd(), read);
}

void Datapath::State::skip_misses() {
  constexpr int kMostTurns = 3;  // an overrun may be told alone, before what is there
  for (int turn = 0; turn < kMostTurns; ++turn) {
    miss_buffer.clear();
    const auto drained = parts.misses.drain(miss_buffer);
    if (drained && drained->overrun) ++counters.miss_overruns;
    if (!drained || (miss_buffer.empty() && !drained->overrun)) return;
  }
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
  const auto more = parts.log.read([this](const GuestLog::Heard& heard) {
    listener.on_heard(*heard.sender);
    if (heard.events.seen) listener.on_seen(*heard.events.seen);
    if (heard.events.query) listener.on_query(*heard.events.query);
  });
  if (!more) trouble(more.error().message);
  listener.on_turn_end();
  return more && *more;
}

bool Datapath::State::read_punt() {
  const auto more = punt_reader->read(
      Clock::now(), [this](PuntedFrame&& frame) { listener.on_punted(std::move(frame)); });
  if (!more) {
    trouble(more.error().message);
    asio::post(io, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->check_punt();
    });
  }
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
  for (const Vni vni : std::exchange(rows_taken, {})) look_at_rows(vni);
  listener.on_turn_end();
  return *more;
}

void Datapath::State::on_change(const netlink::LinkChanged& change) {
  const auto& link = change.link;
  if (is_renamed(link) || is_renamed_punt(link)) return renamed(link);
  if (parts.punt && link.index == parts.punt->index()) return punt_changed();
  if (!devices.network(link.index)) {
    link_may_be_underlay(link);
    return port_link_changed(link);
  }
  overlay_changed(*devices.network(link.index), link);
}

void Datapath::State::overlay_changed(Vni vni, const netlink::Link& link) {
  if (was_just_put_back(vni)) {
    if (!link.up) devices_were_down.insert(vni);
    return look_at_devices_later(vni);
  }
  if (devices.is_spoilt(vni)) return overlay_spoilt(vni);
  const auto corrected = devices.correct(link.index);
  if (!corrected && has_devices(vni)) trouble(corrected.error().message);
  const bool put_back = corrected && *corrected;
  if (put_back)
    put_right(vni, fmt::format("{} was changed by somebody else: put right", link.name));
  if (put_back || !link.up) query_network(vni);
}

// What else is done to its devices so soon afterwards waits: somebody who answers each change with
// one of his own would have us do nothing else.
bool Datapath::State::was_just_put_back(Vni vni) const {
  const auto last = devices_put_back.find(vni);
  return last != devices_put_back.end() && Clock::now() - last->second < kPutBackPause;
}

void Datapath::State::look_at_devices_later(Vni vni) {
  devices_due.insert(vni);
  auto first = TimePoint::max();
  for (const Vni due : devices_due) first = std::min(first, devices_put_back[due] + kPutBackPause);
  at(devices_timer, first, &State::look_at_due_devices);
}

void Datapath::State::look_at_due_devices() {
  for (const Vni vni : std::exchange(devices_due, {})) {
    if (was_just_put_back(vni))
      look_at_devices_later(vni);
    else
      put_devices_right(vni);
  }
  listener.on_turn_end();
}

void Datapath::State::put_devices_right(Vni vni) {
  if (!parts.programmer.has(vni)) return;
  if (!has_devices(vni)) return overlay_gone(vni);
  if (devices.is_spoilt(vni)) return overlay_spoilt(vni);
  devices_problems.erase(vni);
  const bool were_down = devices_were_down.erase(vni) != 0;
  auto found = devices.differences(vni);
  std::erase_if(found, [](const auto& one) { return !one.problem.empty(); });
  if (!found.empty()) {
    devices_put_back.insert_or_assign(vni, Clock::now());
    if (auto status = devices.mend(vni); !status)
      trouble(status.error().message);
    else
      put_right(vni, fmt::format("{} by somebody else's doing: put right", found.front().what));
  }
  if (were_down || !found.empty()) query_network(vni);
}

// It goes; the word of that has it made again with its own name.
void Datapath::State::renamed(const netlink::Link& link) {
  const auto now = links->find(link.index);
  if (!now || !(is_renamed(*now) || is_renamed_punt(*now))) return;
  trouble(fmt::format("somebody else has renamed a device of dove's to {}: removed", now->name));
  if (auto removed = links->remove(link.index); !removed) trouble(removed.error().message);
}

void Datapath::State::on_change(const netlink::LinkGone& change) {
  if (const auto vni = devices.network(change.index)) return overlay_gone(*vni);
  if (parts.punt && change.index == parts.punt->index()) return remake_punt();
  port_link_gone(change.index);
}

void Datapath::State::on_change(const netlink::FdbGone& change) {
  const auto vni = devices.network(change.entry.device);
  if (!vni) return;
  const MacKey key{*vni, change.entry.mac};
  if (parts.programmer.is_lost(key)) return listener.on_fdb_gone(key);
  if (change.entry.state == netlink::State::kReachable)
    return;  // may age: it was ours, or is there
  if (is_wanted(change.entry.device, change.entry)) rows_taken.insert(*vni);
}

void Datapath::State::on_change(const netlink::NeighbourGone& change) {
  const auto vni = devices.network(change.entry.device);
  if (!vni) return;
  const IpKey key{*vni, change.entry.ip};
  if (parts.programmer.is_gateway(key)) rows_taken.insert(*vni);
  if (parts.programmer.is_lost(key)) listener.on_neighbour_gone(key);
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
  if (was_just_put_back(vni)) return look_at_devices_later(vni);
  remake_devices(vni, fmt::format("a device of network {} was removed", vni.value()));
}

// Its entries go with it, and come back as they are needed.
void Datapath::State::overlay_spoilt(Vni vni) {
  if (!parts.programmer.has(vni)) return;
  remake_devices(vni, vxlan_name(vni) + " was changed");
}

// Where that fails, by a foreign device of the same name for instance, it is tried again each
// second.
void Datapath::State::remake_devices(Vni vni, const std::string& what) {
  devices_put_back.insert_or_assign(vni, Clock::now());
  const auto status = remake_network(vni);
  if (!status) trouble(status.error().message);
  if (has_devices(vni) && !devices.is_spoilt(vni)) {
    devices_problems.erase(vni);
    return put_right(vni, what + " by somebody else: made again");
  }
  devices_problems.insert_or_assign(vni, status ? what : status.error().message);
  look_at_devices_later(vni);
}

void Datapath::State::punt_changed() {
  // What the message says may be older than what we did since.
  const auto link = links->find(parts.punt->index());
  if (!link || (link->up && link->mtu == mtu.smallest && link->alias == kPuntAlias)) return;
  const auto now = Clock::now();
  if (now - punt_put_back < kPutBackPause)
    return at(punt_timer, punt_put_back + kPutBackPause, &State::look_at_punt);
  punt_put_back = now;
  if (auto status = parts.punt->make_right(*links, mtu.smallest); !status)
    return trouble(status.error().message);
  put_right(fmt::format("{} was changed by somebody else: put right", kPuntDevice));
}

void Datapath::State::look_at_punt() {
  if (punt_is_gone()) return remake_punt();
  punt_changed();
}

// When the word of its end has not come, or not yet.
void Datapath::State::check_punt() {
  if (punt_reader && punt_is_gone()) remake_punt();
}

bool Datapath::State::punt_is_gone() {
  if (!parts.punt) return true;
  const auto link = links->find(parts.punt->index());
  return !link && link.error().code == ErrorCode::kNotFound;
}

// Somebody removed dvpunt. Until it is there again, what the kernel does not know is lost.
void Datapath::State::remake_punt() {
  if (punt_reader) {
    punted_before = punt_counters();
    put_right(fmt::format("{} was removed by somebody else: it is made again", kPuntDevice));
  }
  drop_punt();
  const auto now = Clock::now();
  if (now - punt_remade < kPutBackPause) {
    punt_problem = fmt::format("{} is removed again and again by somebody else", kPuntDevice);
    return at(punt_timer, punt_remade + kPutBackPause, &State::look_at_punt);
  }
  punt_remade = now;
  const auto opened = open_punt();
  punt_problem = opened ? std::string{} : opened.error().message;
  if (opened) return watch_punt();
  drop_punt();
  trouble(punt_problem);
  at(punt_timer, Clock::now() + kPutBackPause, &State::look_at_punt);
}

// Between a removal and the next success there is none: nothing of the former one is used.
void Datapath::State::drop_punt() {
  punt_watcher.reset();
  punt_reader.reset();
  parts.punt.reset();
}

Status Datapath::State::open_punt() {
  auto punt = PuntDevice::open(*links, parts.query, punt_prefix(), mtu.smallest);
  if (!punt) return punt.error();
  parts.punt.emplace(std::move(*punt));
  punt_reader.emplace(parts.punt->tun(), options.local.address.family(), mtu.smallest);
  for (const Vni vni : devices.networks()) {
    // One that waits to be removed has none; one that is to be made again gets it then.
    if (!parts.programmer.has(vni) || !has_devices(vni)) continue;
    if (auto set = set_punt(vni); !set) {
      trouble(set.error().message);  // of no other's concern
      suspect(vni);
    }
  }
  for (const auto& [vni, router] : routers)
    if (auto set = set_router(vni); !set) trouble(set.error().message);  // of no other's concern
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

void Datapath::State::put_right(Vni vni, const std::string& what) {
  devices_put_back.insert_or_assign(vni, Clock::now());
  put_right(what);
}

void Datapath::State::trouble(const std::string& what) { listener.on_trouble(what); }

void Datapath::State::check_firewalls() {
  at(firewall_timer, Clock::now() + kFirewallPause, &State::check_firewalls);
  const auto filtering = bridged_filtering();
  if (!filtering.ipv4 && !filtering.ipv6) return take_notes({});
  parts.walls->firewall_notes(filtering, [weak = weak_from_this()](Result<Walls::Notes> found) {
    const auto self = weak.lock();
    if (!self) return;
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
