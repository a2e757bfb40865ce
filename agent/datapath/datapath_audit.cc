// The comparison of the kernel with what should be there: slowly all the time, soon where something
// is not as it was left, and when somebody asks.
#include <fmt/format.h>

#include <algorithm>

#include "agent/datapath/datapath_state.h"
#include "agent/datapath/difference_text.h"
#include "netlink/dump.h"

namespace dove::agent {
namespace {

constexpr std::chrono::seconds kSuspicionPause{1};  // between two looks at what is suspect, or
constexpr int kSuspicionShare = 10;                 // as many times as long as the last look took
constexpr std::size_t kSmallTable = 4096;           // rows; a dump of them takes some milliseconds
constexpr std::size_t kMostAudits = 16;  // that may wait before one more of the slow ones

}  // namespace

// What of `before` is not told again was mended.
void Datapath::State::mark_mended(std::vector<Difference>& before,
                                  const std::vector<Difference>& after, const Status& mended) {
  for (auto& one : before) {
    one.mended = std::none_of(after.begin(), after.end(),
                              [&](const auto& still) { return still.what == one.what; });
    if (!one.mended && one.problem.empty())
      one.problem = mended ? "it was changed again" : mended.error().message;
  }
}

// What could not be compared is not equal.
Difference Datapath::State::unread(std::optional<Vni> vni, const std::string& what,
                                   const Error& why) {
  trouble(fmt::format("{} cannot be compared: {}", what, why.message));
  return {.vni = vni,
          .what = what + " cannot be compared",
          .command = "dovectl check",
          .problem = why.message};
}

bool Datapath::State::is_to_mend(const AuditJob& job, const std::vector<Difference>& found) {
  return job.fix && std::any_of(found.begin(), found.end(),
                                [](const auto& one) { return one.problem.empty(); });
}

// One word for all that was mended together, and one for what was not.
void Datapath::State::tell_put_right(const std::vector<Difference>& found) {
  const auto is_mended = [](const Difference& one) { return one.mended; };
  const auto mended = std::find_if(found.begin(), found.end(), is_mended);
  const auto left = std::find_if_not(found.begin(), found.end(), is_mended);
  if (mended != found.end()) put_right(fmt::format("{}: put right", mended->what));
  if (left != found.end())
    trouble(fmt::format("{}: it cannot be put right: {}", left->what, left->problem));
}

void Datapath::State::audit(AuditJob job) {
  audits.push_back(std::move(job));
  if (audits.size() == 1)
    asio::post(io, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->run_audits();
    });
}

// The first of the queue is under way.
void Datapath::State::run_audits() {
  if (audits.empty()) return;
  AuditJob& job = audits.front();
  if (!job.networks.empty()) {
    const Vni vni = job.networks.front();
    job.networks.pop_front();
    return audit_network(vni);
  }
  if (std::exchange(job.host, false)) return audit_host(job);
  if (std::exchange(job.walls, false)) return audit_walls();
  const AuditJob ended = std::move(job);
  audits.pop_front();
  if (ended.done) ended.done(ended.found);
  run_audits();
}

void Datapath::State::audit_network(Vni vni) {
  if (!parts.programmer.has(vni)) return run_audits();  // about to be removed
  ++counters.audits;
  looking_since = Clock::now();
  audit_devices(vni, audits.front());
  audit_ports(vni, audits.front());
  table_audit->look(vni, [this, vni](const Result<std::vector<TableDifference>>& differences) {
    if (differences)
      audit_tables(vni, *differences, audits.front());
    else
      told(audits.front(), {unread(vni, "the tables of " + vxlan_name(vni), differences.error())});
    run_audits();
  });
}

void Datapath::State::told(AuditJob& job, std::vector<Difference> found) {
  counters.audit_differences += found.size();
  for (auto& one : found) {
    if (one.mended) ++counters.audit_mended;
    job.found.push_back(std::move(one));
  }
}

void Datapath::State::audit_devices(Vni vni, AuditJob& job) {
  auto found = devices.differences(vni);
  if (is_to_mend(job, found)) {
    const auto mended = mend_devices(vni);
    query_network(vni);
    mark_mended(found, devices.differences(vni), mended);
    tell_put_right(found);
  }
  told(job, std::move(found));
}

Status Datapath::State::mend_devices(Vni vni) {
  if (!has_devices(vni) || devices.is_spoilt(vni)) {
    const auto remade = remake_network(vni);
    listener.on_turn_end();
    if (!remade) return remade;
  }
  return devices.mend(vni);
}

std::vector<Difference> Datapath::State::port_differences(Vni vni) {
  std::vector<Difference> all;
  for (const auto& [name, port] : ports) {
    if (port.shown.guest.vni != vni) continue;
    auto faults = faults_of(port);
    if (!faults) {
      all.push_back(unread(vni, "the table of " + bridge_name(vni), faults.error()));
      return all;
    }
    for (auto& fault : *faults) {
      fault.vni = vni;
      all.push_back(std::move(fault));
    }
  }
  return all;
}

Status Datapath::State::mend_ports(Vni vni) {
  Status first;
  for (auto& [name, port] : ports) {
    if (port.shown.guest.vni != vni) continue;
    if (const auto faults = faults_of(port); !faults || faults->empty()) continue;
    if (auto status = mend(port); first && !status) first = std::move(status);
  }
  return first;
}

void Datapath::State::audit_ports(Vni vni, AuditJob& job) {
  auto found = port_differences(vni);
  if (is_to_mend(job, found)) {
    const auto mended = mend_ports(vni);
    mark_mended(found, port_differences(vni), mended);
    tell_put_right(found);
  }
  told(job, std::move(found));
}

void Datapath::State::audit_tables(Vni vni, const std::vector<TableDifference>& differences,
                                   AuditJob& job) {
  std::vector<Difference> found;
  for (const auto& difference : differences) found.push_back(describe(vni, difference));
  if (job.fix && !found.empty()) {
    const auto mended = parts.programmer.mend(vni, differences);
    for (std::size_t i = 0; i < found.size(); ++i) {
      found[i].mended = !mended.verdicts[i];
      if (mended.verdicts[i]) found[i].problem = mended.verdicts[i].message();
    }
    tell_mended(vni, found);
    tell_lost(mended.missing);
    tell_guests(vni, differences);
  }
  told(job, std::move(found));
}

void Datapath::State::tell_mended(Vni vni, const std::vector<Difference>& found) {
  const auto is_mended = [](const Difference& one) { return one.mended; };
  const auto count = std::count_if(found.begin(), found.end(), is_mended);
  const auto first = std::find_if(found.begin(), found.end(), is_mended);
  const auto left = std::find_if_not(found.begin(), found.end(), is_mended);
  if (first != found.end())
    trouble(
        fmt::format("what somebody else changed in the tables of network {} is put back: {} "
                    "entr{}, the first: {}",
                    vni.value(), count, count == 1 ? "y" : "ies", first->what));
  if (left != found.end())
    trouble(fmt::format("the kernel refuses to have network {} put right, {}: {}", vni.value(),
                        left->what, left->problem));
}

// Who asked meanwhile was told the wrong MAC, and would believe it for long.
void Datapath::State::tell_guests(Vni vni, const std::vector<TableDifference>& mended) {
  const auto mirror = parts.programmer.mirror(vni);
  for (const auto& one : mended) {
    if (!mirror || !one.should || !one.is) continue;
    const auto* right = std::get_if<netlink::NeighbourEntry>(&*one.should);
    if (right == nullptr) continue;
    const bool router = mirror->tables.router.has(right->ip);
    parts.announcer.tell({{vni, right->ip}, right->mac, router}, ports_of(vni));
  }
}

void Datapath::State::tell_lost(const Programmer::Missing& missing) {
  for (const auto& key : missing.fdb) listener.on_fdb_gone(key);
  for (const auto& key : missing.neighbours) listener.on_neighbour_gone(key);
  if (!missing.fdb.empty() || !missing.neighbours.empty()) listener.on_turn_end();
}

std::vector<Difference> Datapath::State::punt_differences() {
  if (options.miss_mode != MissMode::kPunt) return {};
  if (punt_is_gone())
    return {{.what = fmt::format("device {} is missing", kPuntDevice),
             .command = "dovectl check -fix"}};
  return parts.punt->differences(*links, parts.query, mtu.smallest);
}

Status Datapath::State::mend_punt() {
  if (!punt_is_gone()) return parts.punt->make_right(*links, mtu.smallest);
  remake_punt();
  return punt_problem.empty() ? Status{} : Error{ErrorCode::kSystem, punt_problem};
}

void Datapath::State::audit_host(AuditJob& job) {
  auto found = punt_differences();
  if (is_to_mend(job, found)) {
    const auto mended = mend_punt();
    mark_mended(found, punt_differences(), mended);
    tell_put_right(found);
  }
  told(job, std::move(found));
  audit_groups(job);
  run_audits();
}

std::vector<Difference> Datapath::State::describe_walls(
    const std::vector<Walls::WallDifference>& found) const {
  const auto& only = audits.front().only;
  std::vector<Difference> all;
  for (const auto& [what, device, network, removal] : found) {
    const auto port = ports.find(device);
    const auto vni = port == ports.end() ? network : std::optional{port->second.shown.guest.vni};
    if (only && vni != only) continue;
    all.push_back({.vni = vni,
                   .what = device.empty() ? what : fmt::format("port {}: {}", device, what),
                   .command = "dovectl check -fix"});
  }
  return all;
}

// The job stays the first of the queue while nft works.
void Datapath::State::audit_walls() {
  parts.walls->differences([weak = weak_from_this()](std::vector<Walls::WallDifference> found) {
    if (const auto self = weak.lock()) self->walls_looked_at(std::move(found));
  });
}

void Datapath::State::walls_looked_at(std::vector<Walls::WallDifference> walls) {
  AuditJob& job = audits.front();
  auto found = describe_walls(walls);
  if (!job.fix || found.empty()) {
    told(job, std::move(found));
    return run_audits();
  }
  std::string removals;
  for (const auto& one : walls) removals += one.removal;
  const auto then = [weak = weak_from_this(), found = std::move(found)](const Status& mended) {
    if (const auto self = weak.lock()) self->walls_mended(found, mended);
  };
  parts.walls->renew(then, removals);
}

void Datapath::State::walls_mended(std::vector<Difference> found, const Status& mended) {
  parts.walls->differences([weak = weak_from_this(), found = std::move(found),
                            mended](const std::vector<Walls::WallDifference>& left) mutable {
    const auto self = weak.lock();
    if (!self) return;
    mark_mended(found, self->describe_walls(left), mended);
    self->tell_put_right(found);
    self->told(self->audits.front(), std::move(found));
    self->run_audits();
  });
}

// --- by itself

// One network after the other, so that all have had their turn once in the period.
void Datapath::State::audit_next() {
  if (options.audit_period.count() == 0) return;
  const auto networks = devices.networks();
  const auto pause = std::chrono::duration_cast<std::chrono::milliseconds>(options.audit_period) /
                     static_cast<int>(networks.size() + 1);
  at(audit_timer, Clock::now() + pause, &State::audit_next);
  const auto next = audited_last ? std::upper_bound(networks.begin(), networks.end(), *audited_last)
                                 : networks.begin();
  AuditJob job{.fix = true, .done = {}, .found = {}};
  if (next == networks.end()) {
    job.host = job.walls = true;
    audited_last.reset();
  } else {
    job.networks = {*next};
    audited_last = *next;
  }
  if (audits.size() < kMostAudits) audit(std::move(job));
}

// --- what the kernel tells of others

// Looked at soon, but not often: large tables less often than small ones.
void Datapath::State::suspect(Vni vni) {
  auto& suspicion = suspicions[vni];
  if (std::exchange(suspicion.due, true)) return;
  look_at_suspects();
}

void Datapath::State::look_at_suspects() {
  const auto now = Clock::now();
  std::optional<TimePoint> first;
  for (auto& [vni, suspicion] : suspicions) {
    if (!suspicion.due || suspicion.under_way) continue;
    if (suspicion.next > now) {
      first = first ? std::min(*first, suspicion.next) : suspicion.next;
      continue;
    }
    suspicion.due = false;
    suspicion.under_way = true;
    AuditJob job{.networks = {vni}, .fix = true, .done = {}, .found = {}};
    job.done = [this, vni = vni](const auto&) {
      suspicions[vni].under_way = false;
      looked_at(vni, looking_since, kSuspicionPause);
      look_at_suspects();
    };
    audit(std::move(job));
  }
  if (first) at(suspicion_timer, *first, &State::look_at_suspects);
}

void Datapath::State::looked_at(Vni vni, TimePoint began, std::chrono::nanoseconds pause) {
  const auto now = Clock::now();
  suspicions[vni].next = now + std::max(pause, kSuspicionShare * (now - began));
}

// Whether the row is as we want it; also when nothing is known of the device.
bool Datapath::State::is_wanted(IfIndex device, const TableRow& row) const {
  const auto vni = devices.network(device);
  const auto mirror = vni ? parts.programmer.mirror(*vni) : std::nullopt;
  return !mirror || mirror->form.vxlan != device || agrees(mirror->tables, mirror->form, row);
}

// Our own word comes back, too: it agrees with what we wanted then, and still want. But for what
// was punted only until its list was whole.
void Datapath::State::entry_changed(IfIndex device, const TableRow& row) {
  const auto* entry = std::get_if<netlink::FdbEntry>(&row);
  if (entry != nullptr && entry->mac.is_multicast() && parts.punt &&
      entry->via == parts.punt->index())
    return;
  if (!is_wanted(device, row)) suspect(*devices.network(device));
}

// Entries that should be there have gone, or we deleted them ourselves and they are there again:
// the table says. A small one is looked at at once, as broadcast depends on it, but not in a loop.
void Datapath::State::look_at_rows(Vni vni) {
  if (!parts.programmer.has(vni) || !has_devices(vni)) return;  // the word of their end follows
  const auto now = Clock::now();
  const auto mirror = parts.programmer.mirror(vni);
  const auto& tables = mirror->tables;
  auto& suspicion = suspicions[vni];
  if (now < suspicion.next || tables.remotes.size() + tables.neighbours.size() > kSmallTable)
    return suspect(vni);
  auto found = parts.programmer.differences(vni);
  if (!found) return trouble(found.error().message);
  // Of what may have aged the kernel tells us by itself.
  std::erase_if(*found, [&](const auto& one) { return may_age(tables, one); });
  ++counters.audits;
  AuditJob job{.fix = true, .done = {}, .found = {}};
  audit_tables(vni, *found, job);
  // What was our own doing delays nothing.
  looked_at(vni, now, found->empty() ? std::chrono::seconds{0} : kSuspicionPause);
}

void Datapath::State::on_change(const netlink::FdbSet& change) {
  if ((change.entry.flags & NTF_SELF) != 0) entry_changed(change.entry.device, change.entry);
}

void Datapath::State::on_change(const netlink::NeighbourSet& change) {
  entry_changed(change.entry.device, change.entry);
}

void Datapath::State::on_change(const netlink::PortChanged& change) {
  if (Port* const port = port_by_index(change.index)) return put_back(*port);
  const auto vni = devices.network(change.index);
  if (!vni || !has_devices(*vni)) return;
  if (was_just_put_back(*vni)) return look_at_devices_later(*vni);
  const auto corrected = devices.correct(change.index);
  if (!corrected) return trouble(corrected.error().message);
  if (*corrected)
    put_right(*vni, fmt::format("{} was changed by somebody else: put right", vxlan_name(*vni)));
}

}  // namespace dove::agent
