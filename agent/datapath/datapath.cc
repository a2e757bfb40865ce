#include "agent/datapath/datapath.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/datapath/datapath_state.h"
#include "agent/datapath/host_check.h"

namespace dove::agent {
namespace {

// Between the removals of two networks, so that others get the kernel's lock.
constexpr std::chrono::milliseconds kRemovalPause{200};

Prefix punt_prefix_of(const DatapathOptions& options) {
  return options.punt_prefix.value_or(default_punt_prefix(options.local.address));
}

WallOptions wall_options(const DatapathOptions& options, std::uint32_t mtu) {
  return {.vtep = options.local.address,
          .vxlan_port = options.local.port,
          .uid = options.uid,
          .log_group = options.log_group,
          .too_long = too_long(options.local.address, mtu, {}),
          .limits = options.limits,
          .punt = punt_prefix_of(options)};
}

Status check_punt_prefix(const DatapathOptions& options) {
  const Prefix prefix = punt_prefix_of(options);
  const auto& vtep = options.local.address;
  if (prefix.network().family() == vtep.family() && prefix.length() + 1 == vtep.bits()) return {};
  return Error{
      ErrorCode::kInvalid,
      fmt::format("punt prefix {} is wrong: expected a {}", prefix.to_string(),
                  vtep.is_v4() ? "/31, as the VTEP is IPv4" : "/127, as the VTEP is IPv6")};
}

// Misses that wait while nobody looks; a hundred or so.
constexpr std::size_t kSampleBuffer = 64U << 10U;

// A start that fails leaves no walls on a host that has nothing for them to protect.
void take_down_if_unused(netlink::Links& links, Walls& walls) {
  const auto all = links.all();
  if (!all) return;
  for (const auto& link : *all)
    if (network_of(link)) return;
  (void)walls.remove();
}

}  // namespace

Result<Datapath::State::Parts> Datapath::State::make_parts(asio::io_context& io,
                                                           netlink::Links& links,
                                                           const DatapathOptions& options) {
  if (auto status = check_punt_prefix(options); !status) return status.error();
  if (auto status = check_capabilities(); !status) return status.error();
  auto lock = lock_namespace();
  if (!lock) return lock.error();
  if (auto status = check_device_kinds(); !status) return status.error();
  auto query = netlink::Query::open();
  if (!query) return query.error();
  auto underlay = find_underlay(links, *query, options.local.address);
  if (!underlay) return underlay.error();
  auto log = GuestLog::open(options.log_group);
  if (!log) return log.error();
  auto resender = Resender::open(options.local.address);
  if (!resender) return resender.error();
  auto guest_ports = GuestPorts::open(links);
  if (!guest_ports) return guest_ports.error();
  auto answerer = Answerer::open();
  if (!answerer) return answerer.error();
  auto announcer = Announcer::open(options.local.address);
  if (!announcer) return announcer.error();
  auto querier = Querier::open(options.query_interval);
  if (!querier) return querier.error();
  auto programmer = Programmer::open(options.local);
  if (!programmer) return programmer.error();
  auto misses = options.miss_mode == MissMode::kPunt ? netlink::MissMonitor::open(kSampleBuffer)
                                                     : netlink::MissMonitor::open();
  if (!misses) return misses.error();
  auto changes = netlink::ChangeMonitor::open(
      {.installs = netlink::Installs::kForeign, .own_port = programmer->port_id(), .groups = true});
  if (!changes) return changes.error();
  auto routes = netlink::RouteMonitor::open(options.local.address.family());
  if (!routes) return routes.error();
  std::optional<PathProber> prober;
  if (options.local.address.is_v6()) {
    auto opened = PathProber::open(options.local);
    if (!opened) return opened.error();
    prober.emplace(std::move(*opened));
  }

  auto walls = Walls::raise(wall_options(options, underlay->mtu), options.known_vteps,
                            [&io](std::function<void()> call) { asio::post(io, std::move(call)); });
  if (!walls) return walls.error();
  std::optional<PuntDevice> punt;
  if (options.miss_mode == MissMode::kPunt) {
    auto device = PuntDevice::open(links, *query, punt_prefix_of(options), underlay->mtu);
    if (!device) {
      take_down_if_unused(links, **walls);
      return device.error();
    }
    punt.emplace(std::move(*device));
  }
  return Parts{
      std::move(*lock),     std::move(*query),     std::move(*underlay), std::move(*walls),
      std::move(punt),      std::move(*resender),  std::move(*log),      std::move(*guest_ports),
      std::move(*answerer), std::move(*announcer), std::move(*querier),  std::move(*programmer),
      std::move(*misses),   std::move(*changes),   std::move(*routes),   std::move(prober)};
}

Datapath::State::State(asio::io_context& loop, const DatapathOptions& wanted,
                       DatapathListener& hears, std::unique_ptr<netlink::Links> made_links,
                       Parts made)
    : io{loop},
      options{wanted},
      listener{hears},
      links{std::move(made_links)},
      parts{std::move(made)},
      devices{*links, options},
      mtu{parts.underlay.mtu, parts.underlay.mtu},
      removal_timer{loop},
      reconcile_timer{loop},
      punt_timer{loop},
      devices_timer{loop},
      walls_timer{loop},
      mtu_timer{loop},
      query_timer{loop},
      leaving_timer{loop},
      firewall_timer{loop},
      audit_timer{loop},
      suspicion_timer{loop} {
  if (parts.punt)
    punt_reader.emplace(parts.punt->tun(), options.local.address.family(), mtu.smallest);
}

Result<std::unique_ptr<Datapath>> Datapath::open(asio::io_context& io,
                                                 const DatapathOptions& options,
                                                 DatapathListener& listener) {
  auto opened = netlink::Links::open();
  if (!opened) return opened.error();
  auto links = std::make_unique<netlink::Links>(std::move(*opened));
  auto parts = State::make_parts(io, *links, options);
  if (!parts) return parts.error();
  auto state = std::make_shared<State>(io, options, listener, std::move(links), std::move(*parts));
  auto table_audit = TableAudit::open(io, state->parts.programmer);
  if (!table_audit) return table_audit.error();
  state->table_audit = *std::move(table_audit);
  auto found = state->devices.find_existing();
  if (!found) return found.error();
  state->left_behind = std::move(*found);
  return std::unique_ptr<Datapath>{new Datapath{std::move(state)}};
}

Datapath::Datapath(std::shared_ptr<State> state) : state_{std::move(state)} {}
Datapath::~Datapath() {
  state_->stop_watching();
  state_->table_audit->stop();
}

std::vector<Vni> Datapath::found_networks() const { return state_->left_behind; }

Result<Datapath::Adopted> Datapath::adopt(Vni vni) {
  const auto held = state_->adopted.find(vni);
  if (held == state_->adopted.end()) return Adopted{};
  auto adopted = std::move(held->second);
  state_->adopted.erase(held);
  return adopted;
}

bool Datapath::has_unclaimed() const {
  const auto& state = *state_;
  const bool networks = std::any_of(state.left_behind.begin(), state.left_behind.end(),
                                    [&](Vni vni) { return !state.parts.programmer.has(vni); });
  return networks || !state.parts.walls->unclaimed().empty();
}

void Datapath::forget_unclaimed() {
  auto& state = *state_;
  for (const Vni vni : std::exchange(state.left_behind, {}))
    if (!state.parts.programmer.has(vni)) state.devices.remove_later(vni, Clock::now());
  for (const auto& device : state.parts.walls->unclaimed()) state.abandon(device);
  for (const Vni vni : state.parts.walls->unclaimed_policies())
    if (!state.parts.programmer.has(vni))
      state.parts.walls->remove_policy(vni, state.report_trouble());
  state.parts.walls->claim_networks(state.or_when_renewed(state.report_trouble()));
  state.parts.programmer.forget_unconfirmed();
  state.schedule_removal();
  if (state.parts.punt) return;
  if (auto removed = PuntDevice::remove(*state.links, state.punt_prefix()); !removed)
    state.trouble(removed.error().message);
}

void Datapath::start() {
  state_->read_groups();
  state_->watch();
}

Status Datapath::add_network(Vni vni) { return state_->add_network(vni); }

Status Datapath::State::add_network(Vni vni) {
  const auto added = devices.add(vni);
  if (!added) return added.error();
  parts.walls->add_network(vni, or_when_renewed(report_trouble()));
  schedule_removal();
  auto& programmer = parts.programmer;
  if (programmer.has(vni, added->link.vxlan)) return {};

  programmer.add_network(vni, added->link.vxlan);
  if (added->called_off) {
    if (auto status = programmer.clear(vni); !status) return status;
  } else if (!added->made) {
    auto held = programmer.adopt(vni);
    if (!held) return held.error();
    routers.insert_or_assign(vni, held->router);
    adopted.insert_or_assign(vni, std::move(*held));
  }
  if (auto status = set_punt(vni); !status) return status;
  return set_router(vni);
}

Status Datapath::set_router(Vni vni, const Router& router) {
  state_->routers.insert_or_assign(vni, router);
  return state_->set_router(vni);
}

// What the kernel cannot route is punted. Without a punt it goes to the own VTEP, that is back into
// its own bridge, where nobody has the router's MAC: it needs an entry with a destination.
Status Datapath::State::set_router(Vni vni) {
  const auto router = routers.find(vni);
  if (router == routers.end()) return {};
  if (!router->second.mac.is_zero())
    parts.walls->set_router(router->second.mac, or_when_renewed(report_trouble()));
  lead_answers_of(router->second);
  if (!parts.punt)
    return parts.programmer.set_router(vni, router->second, {options.local.address, {}});
  return parts.programmer.set_router(vni, router->second,
                                     {parts.punt->gateway(), parts.punt->index()});
}

void Datapath::set_policy(Vni vni, const MacAddress& router, std::vector<Prefix> denied,
                          Done done) {
  state_->parts.walls->set_policy(vni, {router, std::move(denied)},
                                  state_->or_when_renewed(std::move(done)));
}

// For what nobody waits for.
Datapath::Done Datapath::State::report_trouble() {
  return [weak = weak_from_this()](const Status& status) {
    const auto self = weak.lock();
    if (!status && self) self->trouble(status.error().message);
  };
}

Status Datapath::State::set_punt(Vni vni) {
  return parts.punt ? parts.programmer.set_punt(vni, parts.punt->gateway(), parts.punt->index())
                    : parts.programmer.clear_punt(vni);
}

Status Datapath::State::remake_network(Vni vni) {
  const auto added = devices.add(vni);
  if (!added) return added.error();
  const auto lost = parts.programmer.move_network(vni, added->link.vxlan);
  for (const auto& key : lost.fdb) listener.on_fdb_gone(key);
  for (const auto& key : lost.neighbours) listener.on_neighbour_gone(key);
  Status outcome = set_punt(vni);
  if (auto status = set_router(vni); !status) trouble(status.error().message);
  for (auto& [name, port] : ports) {
    if (port.shown.guest.vni != vni) continue;
    if (port.shown.present) {
      if (auto status = bring_up(port); !status && outcome) outcome = status;
    } else if (port.ready && links->find(name)) {  // it came while there was no bridge
      port_returned(port);
    }
  }
  return outcome;
}

void Datapath::remove_network(Vni vni) {
  state_->parts.programmer.remove_network(vni);
  state_->parts.walls->remove_policy(vni, state_->report_trouble());
  state_->parts.walls->remove_network(vni, state_->report_trouble());
  state_->routers.erase(vni);
  state_->adopted.erase(vni);
  state_->devices_put_back.erase(vni);
  state_->devices_were_down.erase(vni);
  state_->devices_problems.erase(vni);
  state_->devices.remove_later(vni, Clock::now());
  state_->schedule_removal();
}

void Datapath::State::schedule_removal() {
  const auto deadline = devices.next_deadline();
  removal_timer.cancel();
  if (!deadline) return;
  at(removal_timer, std::max(*deadline, Clock::now() + kRemovalPause), &State::remove_due);
}

void Datapath::State::at(asio::steady_timer& timer, TimePoint when, void (State::*then)()) {
  timer.expires_at(when);
  timer.async_wait([weak = weak_from_this(), then](const asio::error_code& error) {
    const auto self = weak.lock();
    if (!error && self) (self.get()->*then)();
  });
}

void Datapath::State::remove_due() {
  std::string why;
  (void)devices.remove_due(Clock::now(), &why);
  if (!why.empty()) trouble(why);
  schedule_removal();
}

void Datapath::add_port(const std::string& device, const MacKey& guest, const OwnAddresses& own,
                        PortDone done) {
  state_->add_port(device, guest, {own, {}}, std::move(done));
}
void Datapath::add_learning_port(const std::string& device, Vni vni,
                                 std::vector<GuestIdentity> learned, PortDone done) {
  state_->add_port(device, {vni, {}}, {std::nullopt, std::move(learned)}, std::move(done));
}
void Datapath::set_learned(const std::string& device, std::vector<GuestIdentity> learned,
                           Done done) {
  state_->set_learned(device, std::move(learned), std::move(done));
}
void Datapath::forget_learned(const std::string& device, const MacAddress& mac) {
  const auto port = state_->ports.find(device);
  if (port == state_->ports.end() || port->second.secured || !port->second.shown.present) return;
  (void)state_->parts.guest_ports.change_guests(port->second.device, {}, {mac});
}
void Datapath::senders(std::function<void(const Senders&)> done) {
  state_->parts.walls->activity([weak = std::weak_ptr{state_},
                                 done = std::move(done)](const Result<Walls::Activity>& activity) {
    const auto state = weak.lock();
    if (!state) return;
    if (!activity) return state->trouble(activity.error().message);
    done(state->take_activity(*activity));
  });
}
void Datapath::set_own(const std::string& device, const std::vector<IpAddress>& own, Done done) {
  state_->set_own(device, own, std::move(done));
}
void Datapath::remove_port(const std::string& device, Done done) {
  state_->remove_port(device, std::move(done));
}

void Datapath::set_vteps(std::set<IpAddress> vteps, Done done) {
  state_->parts.walls->set_vteps(std::move(vteps), state_->or_when_renewed(std::move(done)));
}

std::vector<DatapathPort> Datapath::ports() const {
  std::vector<DatapathPort> all;
  for (const auto& [name, port] : state_->ports)
    if (port.ready) all.push_back(port.shown);
  return all;
}

std::vector<MacAddress> Datapath::groups(Vni vni) const { return state_->memberships.groups(vni); }

std::vector<RefusedChange> Datapath::apply(std::span<const KernelChange> changes) {
  return state_->parts.programmer.apply(changes);
}
void Datapath::answer(std::span<const AnswerQuery> answers) {
  state_->parts.answerer.send(answers);
}
void Datapath::tell(std::span<const TellGuests> moved) {
  for (const auto& one : moved)
    state_->parts.announcer.tell(one, state_->ports_of(one.address.vni));
}
void Datapath::carry(std::span<const CarryFrame> frames) {
  for (const auto& frame : frames) state_->parts.announcer.carry(frame);
}
void Datapath::resend(std::span<Resend> resends) { state_->parts.resender.send(resends); }

void Datapath::deliver(std::span<const GuestFrame> frames) {
  std::vector<netlink::OutgoingFrame> outgoing;
  for (const auto& one : frames) outgoing.push_back({one.port, one.frame});
  if (!outgoing.empty()) state_->parts.answerer.deliver(outgoing);
}

void Datapath::send_out(IfIndex from, std::span<const std::byte> frame) {
  const auto* port = state_->port_by_index(from);
  const auto* overlay = port == nullptr ? nullptr : state_->devices.find(port->shown.guest.vni);
  if (overlay == nullptr) return;
  const netlink::OutgoingFrame outgoing{overlay->vxlan, frame};
  state_->parts.answerer.deliver({&outgoing, 1}, port->shown.mark);
}

unsigned Datapath::State::guest_mtu() const noexcept {
  return mtu.smallest - overhead(options.local.address);
}
unsigned Datapath::guest_mtu() const noexcept { return state_->guest_mtu(); }

void Datapath::set_peers(std::vector<IpAddress> vteps) { state_->set_peers(std::move(vteps)); }

std::string Datapath::problem() const {
  for (const auto* problem : {&state_->walls_problem, &state_->punt_problem})
    if (!problem->empty()) return *problem;
  const auto& networks = state_->devices_problems;
  return networks.empty() ? std::string{} : networks.begin()->second;
}

const std::vector<std::string>& Datapath::notes() const noexcept { return state_->notes; }

const DatapathCounters& Datapath::counters() const noexcept { return state_->count(); }

TableSizes Datapath::sizes() const { return state_->parts.programmer.sizes(); }

Prefix Datapath::State::punt_prefix() const { return punt_prefix_of(options); }

PuntReader::Counters Datapath::State::punt_counters() const {
  auto sum = punted_before;
  if (!punt_reader) return sum;
  const auto now = punt_reader->counters();
  sum.packets += now.packets;
  sum.malformed += now.malformed;
  sum.given_up += now.given_up;
  sum.ignored += now.ignored;
  return sum;
}

const DatapathCounters& Datapath::State::count() {
  const auto punt = punt_counters();
  counters.punted_packets = punt.packets;
  counters.punted_malformed = punt.malformed;
  counters.punted_given_up = punt.given_up;
  counters.punted_ignored = punt.ignored;
  counters.resent = parts.resender.counters().sent;
  counters.resend_errors = parts.resender.counters().errors;
  counters.logged_frames = parts.log.counters().frames;
  counters.log_malformed = parts.log.counters().meaningless;
  counters.log_overruns = parts.log.counters().overruns;
  counters.answers_sent = parts.answerer.counters().sent;
  counters.answer_errors = parts.answerer.counters().errors;
  counters.delivered = parts.answerer.counters().delivered;
  counters.delivery_errors = parts.answerer.counters().delivery_errors;
  counters.announcements_carried = parts.announcer.counters().carried;
  counters.announcements_told = parts.announcer.counters().told;
  counters.announcement_errors = parts.announcer.counters().errors;
  counters.group_queries = parts.querier.sent();
  counters.kernel_changes = parts.programmer.counters().changes;
  counters.kernel_refusals = parts.programmer.counters().refusals;
  counters.batch_time = parts.programmer.counters().batch_time;
  counters.batch_size = parts.programmer.counters().batch_size;
  counters.nft_time = parts.walls->nft_times();
  counters.put_back = put_right_so_far + parts.programmer.counters().mended;
  return counters;
}

void Datapath::wall_counters(std::function<void(Result<WallCounters>)> done) {
  state_->parts.walls->counters(std::move(done));
}

void Datapath::audit(std::optional<Vni> only, bool fix, DifferencesDone done) {
  State::AuditJob job{
      .host = !only, .walls = true, .only = only, .fix = fix, .done = std::move(done), .found = {}};
  for (const Vni vni : state_->devices.networks())
    if (!only || vni == *only) job.networks.push_back(vni);
  state_->audit(std::move(job));
}

void Datapath::shutdown() { state_->shut_down(); }

// What is in use stays as it is. Removals that were only waiting are finished, and with the last
// network goes what stands for all of them.
void Datapath::State::shut_down() {
  stop_watching();
  removal_timer.cancel();
  reconcile_timer.cancel();
  punt_timer.cancel();
  devices_timer.cancel();
  walls_timer.cancel();
  mtu_timer.cancel();
  query_timer.cancel();
  leaving_timer.cancel();
  firewall_timer.cancel();
  audit_timer.cancel();
  suspicion_timer.cancel();
  table_audit->stop();
  parts.walls->drain();
  std::string why;
  (void)devices.remove_all_waiting(&why);
  if (!why.empty()) trouble(why);
  if (!devices.empty() || !ports.empty()) return;
  punt_reader.reset();
  parts.punt.reset();
  if (auto removed = PuntDevice::remove(*links, punt_prefix()); !removed)
    trouble(removed.error().message);
  if (auto removed = parts.walls->remove(); !removed) trouble(removed.error().message);
}

}  // namespace dove::agent
