#include "agent/agent.h"

#include <fmt/format.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <asio/post.hpp>
#include <fstream>
#include <random>

#include "agent/log_text.h"

namespace dove::agent {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kSecond{1};
constexpr std::chrono::seconds kReminder{5};  // of what the controller could not keep
// So many changes and frames are done sooner than a word to the controller is said.
constexpr std::size_t kLittle = 8;

std::string boot_id() {
  std::ifstream file{"/proc/sys/kernel/random/boot_id"};
  std::string id;
  std::getline(file, id);
  return id;
}

// Multicast MACs that guests use most. In notify mode a frame to a group that has no list is lost
// without a word, so these have one from the start.
constexpr std::array kWellKnownGroups{
    MacAddress{{0x01, 0x00, 0x5e, 0x00, 0x00, 0x01}},  // all hosts
    MacAddress{{0x01, 0x00, 0x5e, 0x00, 0x00, 0x02}},  // all routers
    MacAddress{{0x01, 0x00, 0x5e, 0x00, 0x00, 0x05}},  // OSPF
    MacAddress{{0x01, 0x00, 0x5e, 0x00, 0x00, 0x06}},  // OSPF
    MacAddress{{0x01, 0x00, 0x5e, 0x00, 0x00, 0x12}},  // VRRP
    MacAddress{{0x01, 0x00, 0x5e, 0x00, 0x00, 0x16}},  // IGMPv3
    MacAddress{{0x01, 0x00, 0x5e, 0x00, 0x00, 0xfb}},  // mDNS
    MacAddress{{0x33, 0x33, 0x00, 0x00, 0x00, 0x01}},  // all nodes
    MacAddress{{0x33, 0x33, 0x00, 0x00, 0x00, 0x02}},  // all routers
    MacAddress{{0x33, 0x33, 0x00, 0x00, 0x00, 0x05}},  // OSPFv3
    MacAddress{{0x33, 0x33, 0x00, 0x00, 0x00, 0x06}},  // OSPFv3
    MacAddress{{0x33, 0x33, 0x00, 0x00, 0x00, 0x12}},  // VRRPv3
    MacAddress{{0x33, 0x33, 0x00, 0x00, 0x00, 0x16}},  // MLDv2
    MacAddress{{0x33, 0x33, 0x00, 0x00, 0x00, 0xfb}},  // mDNS
    MacAddress{{0x33, 0x33, 0x00, 0x01, 0x00, 0x02}},  // DHCPv6
};

Limits resolver_limits(const Options& options) {
  std::random_device random;
  Limits limits = options.bounds;
  limits.hash_seed = std::uint64_t{random()} << 32U | random();
  return limits;
}

Session::Options session_options(const Options& options, const State& saved) {
  return {.host = options.host,
          .vtep = options.local,
          .boot_id = boot_id(),
          .version = DOVE_VERSION,
          .controllers = options.controllers,
          .insecure = options.insecure,
          .known = saved.store};
}

DatapathOptions datapath_options(const Options& options, const State& saved) {
  return {.local = options.local,
          .miss_mode = options.miss_mode,
          .ageing = options.ageing,
          .learn_ageing = options.learn_ageing,
          .known_vteps = {saved.vteps.begin(), saved.vteps.end()},
          .limits = options.limits,
          .query_interval = options.query_interval,
          .audit_period = options.audit_period,
          .reconcile_pause = options.reconcile_pause};
}

OwnAddresses own_addresses(const Port& port) {
  return port.security ? OwnAddresses{port.ips} : std::nullopt;
}

}  // namespace

Result<std::unique_ptr<Agent>> Agent::open(asio::io_context& loop, grpc::CompletionQueue& queue,
                                           const Options& options, api::Journal& journal) {
  std::error_code error;
  std::filesystem::create_directories(options.state_dir, error);
  if (error)
    return Error{ErrorCode::kSystem, fmt::format("cannot make the state directory {}: {}",
                                                 options.state_dir.string(), error.message())};
  auto saved = load_state(options.state_file());
  if (!saved) return saved.error();
  std::unique_ptr<Agent> agent{new Agent{loop, queue, options, journal, *std::move(saved)}};
  auto datapath = Datapath::open(loop, datapath_options(options, agent->saved_), *agent);
  if (!datapath) return datapath.error();
  agent->datapath_ = *std::move(datapath);
  return agent;
}

Agent::Agent(asio::io_context& loop, grpc::CompletionQueue& queue, const Options& options,
             api::Journal& journal, ParsedState saved)
    : loop_{loop},
      options_{options},
      journal_{journal},
      saved_{std::move(saved.state)},
      damage_{std::move(saved.problems)},
      incomplete_{saved_.incomplete},
      progress_{[this] { end_turn_soon(); }},
      resolver_{resolver_limits(options)},
      known_vteps_{saved_.vteps.begin(), saved_.vteps.end()},
      self_{saved_.self},
      router_mac_{saved_.router_mac},
      timer_{loop},
      second_timer_{loop},
      saved_point_{saved_.store},
      writer_{options.state_file(), loop.get_executor()},
      replica_store_{options.state_dir, loop.get_executor(),
                     [this](const std::string& what) { on_trouble(what); }},
      session_{loop, queue, session_options(options, saved_), *this},
      ports_{session_, *this},
      learning_{session_, *this, {.ageing = options.learn_ageing}},
      audit_{loop, session_, *this} {
  resolver_.set_answered_here();
  if (options.miss_mode == MissMode::kNotify) resolver_.set_well_known_groups(kWellKnownGroups);
}

Agent::~Agent() = default;

void Agent::start() {
  restore();
  datapath_->start();
  end_turn();
  session_.start();
  every_second();
}

void Agent::stop() {
  session_.stop();
  session_.wait_until_ended();
  writer_.save(state(), nullptr);
  save_replicas();
  datapath_->shutdown();
}

// --- the turn

// A guest that waits for a little goes first; else the controller works while we do.
void Agent::end_turn() {
  answer_here();
  const bool little =
      actions_.kernel.size() + actions_.resends.size() + actions_.deliveries.size() <= kLittle;
  if (!little) tell_controller();
  if (!actions_.kernel.empty()) apply_changes();
  if (!actions_.answers.empty()) datapath_->answer(actions_.answers);
  if (!actions_.moved.empty()) datapath_->tell(actions_.moved);
  if (!actions_.carried.empty()) datapath_->carry(actions_.carried);
  if (!actions_.resends.empty()) datapath_->resend(actions_.resends);
  if (!actions_.deliveries.empty()) deliver();
  if (little) tell_controller();
  actions_.clear();
  if (std::exchange(hosts_changed_, false)) tell_walls();
  arm_timer();
  tell_applied();
}

void Agent::tell_controller() {
  session_.forget(actions_.forget);
  session_.ask(actions_.ask, actions_.asker);
}

void Agent::apply_changes() {
  const auto all_refused = datapath_->apply(actions_.kernel);
  auto next = all_refused.begin();
  for (std::size_t i = 0; i < actions_.kernel.size(); ++i) {
    if (next == all_refused.end() || next->index != i) {
      if (watcher_ != nullptr) watcher_->on_kernel_change(actions_.kernel[i]);
      resolver_.on_taken(actions_.kernel[i]);
      continue;
    }
    resolver_.on_refused(actions_.kernel[i], next->error, Clock::now());
    progress_.failed(fmt::format("the kernel refuses an entry: {}", next->error.message()));
    say_refused(actions_.kernel[i], next->error);
    ++next;
  }
}

// Of a network once in a while, however many are refused for one reason.
void Agent::say_refused(const KernelChange& change, const std::error_code& error) {
  const auto vni = std::visit([](const auto& one) { return one.key.vni; }, change);
  journal_.complain(fmt::format("entry {} {}", vni.value(), error.value()),
                    fmt::format("the kernel refuses an entry of network {}: {}: {}",
                                network_text(ports_.network_name(vni), vni), change_text(change),
                                error.message()));
}

// After the handlers that are ready now, so that all of them share a batch.
void Agent::end_turn_soon() {
  if (std::exchange(turn_posted_, true)) return;
  asio::post(loop_, [this] {
    turn_posted_ = false;
    end_turn();
  });
}

void Agent::arm_timer() {
  const auto next = resolver_.next_deadline();
  if (!next || (armed_ && *armed_ <= *next)) return;
  armed_ = next;
  timer_.expires_at(*next);
  timer_.async_wait([this](const std::error_code& error) {
    if (error) return;
    armed_.reset();
    resolver_.on_time(Clock::now(), actions_);
    end_turn();
  });
}

// Ports that could not be made when their devices came, devices of which the word was lost, and
// revisions worth saving.
void Agent::every_second() {
  std::set<std::string> known;
  for (const auto& port : datapath_->ports()) known.insert(port.device);
  for (const auto& port : ports_.list())
    if (port.state == Port::State::kAbsent && !known.contains(port.dev) && check_device(port.dev))
      ports_.on_device_back(port.dev, false);
  if (!unsaved_.empty() || session_.info().store != saved_point_) {
    saved_point_ = session_.info().store;
    save([this](const Status& status) {
      if (!status) on_trouble(status.error().message);
    });
  }
  journal_.tick();
  if (Clock::now() >= next_reminder_) {
    next_reminder_ = Clock::now() + kReminder;
    ports_.remind();
    if (session_.connected())
      for (const auto& word : announcements_.remind()) announce(word, {});
  }
  retry_routers();
  watch_learned();
  if (knows_all()) known_at_ = Clock::now();
  audit_beliefs();
  if (const auto vni = replica_store_.due(Clock::now())) save_replica(*vni);
  second_timer_.expires_after(kSecond);
  second_timer_.async_wait([this](const std::error_code& error) {
    if (!error) every_second();
  });
}

// --- what the kernel says

void Agent::on_mac_miss(const MacMiss& miss) { resolver_.on_event(miss, Clock::now(), actions_); }

void Agent::on_ip_miss(const IpMiss& miss) { resolver_.on_event(miss, Clock::now(), actions_); }

void Agent::on_query(const AddressQuery& query) {
  sought_.asked(query, Clock::now());
  resolver_.on_event(query, Clock::now(), actions_);
}

// The others hear at once what a guest may say, whatever becomes of the word to the controller; of
// an address that is not known to be its own, once the controller agrees.
void Agent::on_seen(const AddressSeen& seen) {
  if (!is_guest(seen.port, {seen.address.vni, seen.mac})) return;
  const auto whose = standing(seen.address, seen.mac);
  const bool may = whose != Announcements::Standing::kForeign || seen.address.ip.is_link_local();
  const auto now = Clock::now();
  if (may && !seen.eaten.empty() && announcements_.is_to_be_carried(seen, whose, now))
    resolver_.carry(seen.address.vni, seen.eaten, actions_);
  if (const auto word = announcements_.heard(seen, whose, now))
    announce(*word, may ? std::vector<std::byte>{} : seen.eaten);
}

void Agent::on_punted(PuntedFrame&& frame) {
  const auto router = routers_.find(frame.destination.vni);
  if (router != routers_.end() && frame.destination.mac == router->second.mac && frame.ip &&
      router->second.has(*frame.ip))
    return answer_echo(frame);
  resolver_.on_event(std::move(frame), Clock::now(), actions_);
}

void Agent::on_fdb_gone(const MacKey& key) {
  if (watcher_ != nullptr) watcher_->on_kernel_change(DeleteFdb{key});
  resolver_.on_fdb_gone(key, Clock::now(), actions_);
}

void Agent::on_neighbour_gone(const IpKey& key) {
  if (watcher_ != nullptr) watcher_->on_kernel_change(DeleteNeighbour{key});
  resolver_.on_neighbour_gone(key, Clock::now(), actions_);
}

void Agent::on_group(const Memberships::Change& change) {
  session_.group({change.vni, change.group}, change.listened);
}

void Agent::on_port_gone(const std::string& device) {
  guests_.remove(device);
  if (learning_.has_port(device)) forget_learned(device);
  ports_.on_device_gone(device);
}

void Agent::on_port_back(const std::string& device, IfIndex index) {
  if (const auto* port = ports_.find(device)) {
    if (!port->endpoint.empty()) guests_.add(port->guest(), device, index);
    hear_at(*port);
    if (learning_.has_port(device)) learning_ports_.insert_or_assign(index, device);
  }
  ports_.on_device_back(device, true);
}

// The datapath does not know a port whose device was away when doved started. One that could not be
// made is tried every second, lest what is tried and undone brings the next word of its device.
void Agent::on_other_device(const std::string& device) {
  const auto* port = ports_.find(device);
  if (port != nullptr && port->state == Port::State::kAbsent && port->problem.empty())
    ports_.on_device_back(device, false);
}

void Agent::on_trouble(const std::string& what) { journal_.complain(what); }

void Agent::on_guest_mtu(unsigned mtu) {
  journal_.info(fmt::format("the guests' MTU is now {}", mtu));
  if (watcher_ == nullptr) return;
  for (const auto& port : ports_.list()) watcher_->on_port(port, false);
}

// The log hears what a guest sends before its port drops what has another's MAC.
bool Agent::is_guest(IfIndex port, const MacKey& guest) const {
  const auto* const place = guests_.find(guest);
  if (place != nullptr && place->port == port) return true;
  const auto* here = learning_port(port);
  const auto* there = here == nullptr ? nullptr : learning_.port_of(guest);
  return there != nullptr && *there == *here;
}

const Port* Agent::find_port(const MacKey& guest) const {
  const auto* const place = guests_.find(guest);
  const Port* const port = place != nullptr ? ports_.find(place->device) : nullptr;
  return port != nullptr && port->guest() == guest ? port : nullptr;
}

Announcements::Standing Agent::standing(const IpKey& address, const MacAddress& mac) const {
  using Standing = Announcements::Standing;
  const auto has = [&](const std::vector<IpAddress>& ips) {
    return std::find(ips.begin(), ips.end(), address.ip) != ips.end();
  };
  if (const auto* learned = learning_.find({address.vni, mac}))
    return has(learned->ips) ? Standing::kOwn : Standing::kForeign;
  const Port* const port = find_port({address.vni, mac});
  if (port == nullptr || !has(port->ips)) return Standing::kForeign;
  return has(port->shared_ips) ? Standing::kShared : Standing::kOwn;
}

void Agent::announce(const Announcements::Word& word, std::vector<std::byte> eaten) {
  const auto done = [this, word, eaten = std::move(eaten)](const Status& status) {
    if (status && !eaten.empty()) {
      resolver_.carry(word.guest.vni, eaten, actions_);
      end_turn_soon();
    }
    if (!status && status.error().code != ErrorCode::kUnavailable)
      journal_.complain(
          fmt::format("announcement {} {}", word.guest.vni.value(), word.guest.mac.to_string()),
          fmt::format("the controller refuses {} of MAC {} in network {}: {}",
                      word.address.to_string(), word.guest.mac.to_string(),
                      network_text(ports_.network_name(word.guest.vni), word.guest.vni),
                      status.error().message));
    if (const auto next = announcements_.told(word, status, Clock::now())) announce(*next, {});
  };
  session_.announce({word.guest.vni, word.address}, word.guest.mac, word.router, done);
}

// --- what the controller says

void Agent::on_session_ready(bool new_store, HostId self) {
  const bool first = session_.counters().sessions == 1 && saved_.store.store_id.empty();
  self_ = self;
  router_mac_ = session_.info().router_mac;
  applied_ = 0;
  sync_.reset();
  progress_.forget_points();
  know_session(new_store);
  resolver_.set_self(self);
  resolver_.on_session_ready(new_store, Clock::now(), actions_);
  await_answers();
  confirm_ports();
  learning_.on_session_ready(!incomplete_);
  for (const auto& settings : ports_.networks()) use_settings(settings);
  const auto info = session_.info();
  const auto text =
      fmt::format("session of host {} (number {}) with controller {}, {}known up to revision {}",
                  options_.host, static_cast<std::uint32_t>(self), info.controller,
                  first       ? "the first one, "
                  : new_store ? "which has another store than before, "
                              : "",
                  info.store.revision);
  // Ports whose endpoints it does not know are lost.
  if (new_store && !first)
    journal_.complain("session", text);
  else
    journal_.notice("session", text);
  if (watcher_ != nullptr) watcher_->on_session();
  end_turn_soon();
}

void Agent::on_session_lost(const Error& reason, bool refused) {
  resolver_.on_session_lost();
  doubt_knowledge();
  journal_.complain("session " + reason.message,
                    fmt::format("no session of host {}, after revision {}: {}{}", options_.host,
                                session_.revision(), refused ? "refused by " : "", reason.message));
  if (watcher_ != nullptr) watcher_->on_session();
}

void Agent::on_hosts(std::span<const HostRecord> hosts, bool full) {
  if (full) hosts_.clear();
  std::vector<Resolver::HostChange> changes;
  for (const auto& host : hosts) {
    changes.push_back({.id = host.id, .vtep = host.vtep});
    if (host.vtep)
      hosts_.insert_or_assign(host.id, host);
    else
      hosts_.erase(host.id);
  }
  use_hosts();
  resolver_.on_hosts(changes, full, actions_);
  hosts_changed_ = true;
  end_turn_soon();
}

void Agent::use_hosts() {
  vteps_.clear();
  std::vector<IpAddress> peers;
  for (const auto& [id, host] : hosts_) {
    vteps_.insert_or_assign(*host.vtep, id);
    peers.push_back(host.vtep->address);
  }
  datapath_->set_peers(std::move(peers));
}

void Agent::on_bindings(std::span<const BindingRecord> bindings) {
  const auto now = Clock::now();
  for (const auto& binding : bindings) {
    std::visit([&](const auto& record) { resolver_.on_binding(record, now, actions_); }, binding);
    if (const auto* ip = std::get_if<IpBinding>(&binding)) seek_unheard(*ip);
    // Introduced, though it could be answered here.
    const auto key = std::visit([](const auto& record) { return Key{record.key}; }, binding);
    if (is_replicated(key) && knowledge_.answer(key, true)) actions_.forget.push_back(key);
  }
  end_turn_soon();
}

void Agent::on_flood_list(Vni vni, std::span<const HostId> add, std::span<const HostId> remove,
                          bool full) {
  resolver_.on_flood_list(vni, add, remove, full, actions_);
  if (full) {  // it has just been joined
    session_.all_groups(vni, datapath_->groups(vni));
    request_replica(vni);
  }
  end_turn_soon();
}

void Agent::on_group_list(Vni vni, const std::optional<MacAddress>& group,
                          std::span<const HostId> add, std::span<const HostId> remove, bool full) {
  resolver_.on_group_list(vni, group, add, remove, full, actions_);
  end_turn_soon();
}

void Agent::on_network(const NetworkSettings& settings) { ports_.on_network(settings); }

void Agent::on_lost(const Attachment& attachment) {
  const bool moved = attachment.state == Attachment::State::kActive && attachment.host != self_;
  if (moved)
    journal_.notice(
        "endpoint " + attachment.endpoint,
        fmt::format("endpoint {} of network {}, MAC {}, is at host {} now, "
                    "generation {}",
                    attachment.endpoint,
                    network_text(ports_.network_name(attachment.vni), attachment.vni),
                    attachment.mac.to_string(), host_name(attachment.host), attachment.generation));
  if (!learning_.on_lost(attachment, Clock::now()))
    ports_.on_lost(attachment, [hold = progress_.hold()] {});
}

void Agent::on_network_gone(Vni vni) {
  ports_.on_network_gone(vni, [hold = progress_.hold()] {});
}

void Agent::on_readdressed(const Attachment& attachment) {
  if (!learning_.on_readdressed(attachment))
    ports_.on_readdressed(attachment, [hold = progress_.hold()] {});
}

// --- what ports need

Status Agent::check_device(const std::string& dev) const {
  if (!dev.empty() && dev.size() < IF_NAMESIZE && ::if_nametoindex(dev.c_str()) != 0) return {};
  return Error{ErrorCode::kNotFound, fmt::format("there is no device \"{}\"", dev)};
}

Status Agent::add_network(Vni vni) {
  if (auto status = datapath_->add_network(vni); !status) return status;
  if (!networks_.insert(vni).second) return {};
  if (starting_) return adopt(vni);
  resolver_.add_network(vni, actions_);
  end_turn();
  return {};
}

Status Agent::adopt(Vni vni) {
  const auto adopted = datapath_->adopt(vni);
  if (!adopted) return adopted.error();
  if (adopted->groups.empty()) restore_members(vni);
  std::vector<Resolver::GroupRow> groups;
  for (const auto& group : adopted->groups) groups.push_back({group.key, group.vteps});
  resolver_.adopt_network(vni, groups, actions_);
  routers_.insert_or_assign(vni, adopted->router);
  resolver_.set_router(vni, adopted->router);
  for (const auto& entry : adopted->fdb) resolver_.adopt_fdb(entry.key, entry.vtep, entry.target);
  for (const auto& entry : adopted->neighbours) resolver_.adopt_neighbour(entry.key, entry.mac);
  end_turn();
  return {};
}

void Agent::remove_network(Vni vni) {
  networks_.erase(vni);
  routers_.erase(vni);
  refused_routers_.erase(vni);
  resolver_.remove_network(vni, actions_);
  forget_network(vni);
  end_turn();
  datapath_->remove_network(vni);
}

void Agent::on_settings(const NetworkSettings& settings) { use_settings(settings); }

void Agent::add_port(const Port& port, Completion<void> done) {
  hear_at(port);
  if (port.endpoint.empty()) return add_learning_port(port, std::move(done));
  const auto guest = port.guest();
  set_local(guest, true);
  for (const auto& learned : learned_at(port.dev)) set_local({port.vni, learned.mac}, true);
  const auto take = [this, dev = port.dev, guest, done = std::move(done)](const auto& added) {
    if (added) guests_.add(guest, dev, added->index);
    if (added && learning_.has_port(dev)) learning_ports_.insert_or_assign(added->index, dev);
    if (added) return done({});
    learning_.remove_port(dev);
    set_local(guest, false);
    done(added.error());
  };
  datapath_->add_port(port.dev, guest, own_addresses(port), take);
}

void Agent::set_addresses(const Port& port) {
  if (port.security) change_walls([&](auto done) { datapath_->set_own(port.dev, port.ips, done); });
}

void Agent::remove_port(const std::string& dev, const MacKey& guest, Completion<void> done) {
  // Also when its walls could not be taken away: it is no port any more.
  datapath_->remove_port(dev, [this, dev, guest, done = std::move(done)](const Status& status) {
    guests_.remove(dev);
    if (learning_.has_port(dev)) forget_learned(dev);
    set_local(guest, false);
    const bool gone = status || status.error().code == ErrorCode::kNotFound;
    done(gone ? Status{} : status);
  });
}

void Agent::set_local(const MacKey& guest, bool here) {
  if (guest.mac.is_zero()) return;  // of a port without an endpoint
  if (here)
    resolver_.add_local(guest, actions_);
  else
    resolver_.remove_local(guest, actions_);
  if (!here) announcements_.remove(guest);
  end_turn();
}

// What could not be saved is tried again every second.
void Agent::save(Completion<void> done) {
  writer_.save(state(), [this, done = std::move(done)](const Status& status) {
    unsaved_ = status ? std::string{} : status.error().message;
    if (done) done(status);
  });
}

void Agent::on_port(const Port& port, bool deleted) {
  const bool here = port.state == Port::State::kActive || port.state == Port::State::kPending;
  if (here && !deleted)
    knowledge_.set_guest(port.guest(), port.ips);
  else
    knowledge_.remove_guest(port.guest());
  journal_.notice("port " + port.dev, port_text(port, deleted));
  if (watcher_ != nullptr) watcher_->on_port(port, deleted);
}

// --- to show

std::string Agent::problem() const {
  auto here = datapath_->problem();
  if (here.empty()) here = refusals();
  if (here.empty())
    if (const auto unmade = unmade_ports(); !unmade.empty())
      here = fmt::format("port \"{}\": {}", unmade[0].dev, unmade[0].problem);
  if (here.empty()) here = unsaved_;
  if (here.empty()) here = session_.info().problem;
  return here.empty() && incomplete_ ? describe_damage() : here;
}

// Their devices are there, and what they need is not.
std::vector<Port> Agent::unmade_ports() const {
  auto ports = ports_.list();
  std::erase_if(ports, [this](const Port& port) {
    return port.state != Port::State::kAbsent || port.problem.empty() || !check_device(port.dev);
  });
  return ports;
}

const std::string& Agent::host_name(HostId host) const {
  static const std::string kNone;
  const auto found = hosts_.find(host);
  return found == hosts_.end() ? kNone : found->second.name;
}

const std::string& Agent::host_name(const Vtep& vtep) const {
  const auto found = vteps_.find(vtep);
  return host_name(found == vteps_.end() ? HostId{} : found->second);
}

}  // namespace dove::agent
