#include "agent/agent.h"

#include <fmt/format.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <asio/post.hpp>
#include <fstream>
#include <random>

namespace dove::agent {
namespace {

using Clock = std::chrono::steady_clock;

// A revision is said to be applied when this has passed without another.
constexpr std::chrono::milliseconds kAppliedDelay{20};
constexpr std::chrono::seconds kSecond{1};
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

Limits resolver_limits() {
  std::random_device random;
  Limits limits;
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
          .known_vteps = {saved.vteps.begin(), saved.vteps.end()},
          .limits = options.limits,
          .query_interval = options.query_interval};
}

OwnAddresses own_addresses(const Port& port) {
  return port.security ? OwnAddresses{port.ips} : std::nullopt;
}

std::string describe(const Port& port, bool deleted) {
  const auto where =
      fmt::format("port {}: endpoint {} of network {}", port.dev, port.endpoint, port.network);
  if (deleted) return where + " removed";
  switch (port.state) {
    case Port::State::kPending:
      return where + " is here, not yet confirmed by a controller";
    case Port::State::kActive:
      return where + " is active";
    case Port::State::kLost:
      return where + " is lost";
    case Port::State::kAbsent:
      return where + " waits for its device";
  }
  return where;
}

}  // namespace

Result<std::unique_ptr<Agent>> Agent::open(asio::io_context& loop, grpc::CompletionQueue& queue,
                                           const Options& options, Journal& journal) {
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
             Journal& journal, State saved)
    : loop_{loop},
      options_{options},
      journal_{journal},
      saved_{std::move(saved)},
      resolver_{resolver_limits()},
      known_vteps_{saved_.vteps.begin(), saved_.vteps.end()},
      timer_{loop},
      applied_timer_{loop},
      second_timer_{loop},
      saved_point_{saved_.store},
      writer_{options.state_file(), loop.get_executor()},
      session_{loop, queue, session_options(options, saved_), *this},
      ports_{session_, *this} {
  if (options.miss_mode == MissMode::kNotify) resolver_.set_well_known_groups(kWellKnownGroups);
}

Agent::~Agent() = default;

void Agent::start() {
  ports_.restore(saved_, [] {});
  starting_ = false;
  datapath_->forget_unclaimed();
  datapath_->start();
  end_turn();
  session_.start();
  every_second();
}

void Agent::stop() {
  session_.stop();
  session_.wait_until_ended();
  writer_.save(state(), nullptr);
  datapath_->shutdown();
}

// --- the turn

// A guest that waits for a little goes first; else the controller works while we do.
void Agent::end_turn() {
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

// Who may send to us. Nobody hears that we know of a new host before its packets are let in.
void Agent::tell_walls() {
  std::set<IpAddress> others;
  for (const auto& [vtep, host] : vteps_)
    if (vtep.address != options_.local.address) others.insert(vtep.address);
  if (std::exchange(known_vteps_, others) != others)
    save([this](const Status& status) {
      if (!status) on_trouble(status.error().message);
    });
  change_walls([&](auto done) { datapath_->set_vteps(others, std::move(done)); });
}

void Agent::tell_controller() {
  session_.forget(actions_.forget);
  session_.ask(actions_.ask, actions_.asker);
}

void Agent::apply_changes() {
  const auto refused = datapath_->apply(actions_.kernel);
  auto next = refused.begin();
  for (std::size_t i = 0; i < actions_.kernel.size(); ++i) {
    if (next == refused.end() || next->index != i) {
      if (watcher_ != nullptr) watcher_->on_kernel_change(actions_.kernel[i]);
      continue;
    }
    resolver_.on_refused(actions_.kernel[i], next->error, Clock::now());
    journal_.complain(fmt::format("the kernel refuses an entry: {}", next->error.message()));
    ++next;
  }
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

void Agent::tell_applied() {
  if (session_.revision() <= applied_ || !session_.connected() || walls_changing_ != 0 ||
      std::exchange(applied_armed_, true))
    return;
  applied_timer_.expires_after(kAppliedDelay);
  applied_timer_.async_wait([this](const std::error_code& error) {
    applied_armed_ = false;
    if (!error) say_applied();
  });
}

void Agent::say_applied() {
  if (session_.revision() <= applied_ || !session_.connected() || hosts_changed_ ||
      walls_changing_ != 0)
    return;
  applied_ = session_.revision();
  session_.applied(applied_);
}

// Until the change is in force nothing is said to be applied; then at once, as others wait for it.
void Agent::change_walls(const std::function<void(Datapath::Done)>& change) {
  ++walls_changing_;
  change([this](const Status& status) {
    --walls_changing_;
    if (!status) on_trouble(status.error().message);
    end_turn();
    say_applied();
  });
}

// What nothing reports: devices that the datapath does not know yet, and revisions worth saving.
void Agent::every_second() {
  std::set<std::string> known;
  for (const auto& port : datapath_->ports()) known.insert(port.device);
  for (const auto& port : ports_.list())
    if (port.state == Port::State::kAbsent && !known.contains(port.dev) && check_device(port.dev))
      ports_.on_device_back(port.dev, false);
  if (session_.info().store != saved_point_) {
    saved_point_ = session_.info().store;
    save([this](const Status& status) {
      if (!status) on_trouble(status.error().message);
    });
  }
  second_timer_.expires_after(kSecond);
  second_timer_.async_wait([this](const std::error_code& error) {
    if (!error) every_second();
  });
}

// --- what the kernel says

void Agent::on_mac_miss(const MacMiss& miss) { resolver_.on_event(miss, Clock::now(), actions_); }

void Agent::on_ip_miss(const IpMiss& miss) { resolver_.on_event(miss, Clock::now(), actions_); }

void Agent::on_query(const AddressQuery& query) {
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
  const std::array group{change.group};
  if (change.listened)
    session_.groups(change.vni, group, {}, false);
  else
    session_.groups(change.vni, {}, group, false);
}

void Agent::on_port_gone(const std::string& device) { ports_.on_device_gone(device); }

void Agent::on_port_back(const std::string& device, IfIndex index) {
  if (const auto* port = ports_.find(device)) guests_.insert_or_assign(index, port->guest());
  ports_.on_device_back(device, true);
}

void Agent::on_trouble(const std::string& what) { journal_.complain(what); }

void Agent::on_guest_mtu(unsigned mtu) {
  journal_.info(fmt::format("the guests' MTU is now {}", mtu));
  if (watcher_ == nullptr) return;
  for (const auto& port : ports_.list()) watcher_->on_port(port, false);
}

// The log hears what a guest sends before its port drops what has another's MAC.
bool Agent::is_guest(IfIndex port, const MacKey& guest) const {
  const auto found = guests_.find(port);
  return found != guests_.end() && found->second == guest;
}

Announcements::Standing Agent::standing(const IpKey& address, const MacAddress& mac) const {
  using Standing = Announcements::Standing;
  const auto has = [&](const std::vector<IpAddress>& ips) {
    return std::find(ips.begin(), ips.end(), address.ip) != ips.end();
  };
  const Port* const port = ports_.find(MacKey{address.vni, mac});
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
      journal_.complain(fmt::format("the controller refuses {} of {} in network {}: {}",
                                    word.address.to_string(), word.guest.mac.to_string(),
                                    word.guest.vni.value(), status.error().message));
    if (const auto next = announcements_.told(word, status, Clock::now())) announce(*next, {});
  };
  session_.announce({word.guest.vni, word.address}, word.guest.mac, word.router, done);
}

// --- what the controller says

void Agent::on_session_ready(bool new_store, HostId self) {
  self_ = self;
  applied_ = 0;
  resolver_.set_self(self);
  resolver_.on_session_ready(new_store, Clock::now(), actions_);
  ports_.on_session_ready();
  for (const auto& settings : ports_.networks()) use_settings(settings);
  for (const auto& word : announcements_.begin_session()) announce(word, {});
  journal_.info(fmt::format("session with controller {}, host {}", session_.info().controller,
                            static_cast<std::uint32_t>(self)));
  if (watcher_ != nullptr) watcher_->on_session();
  end_turn_soon();
}

void Agent::on_session_lost(const Error& reason, bool refused) {
  resolver_.on_session_lost();
  journal_.complain(refused ? "refused by " + reason.message : reason.message);
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
  vteps_.clear();
  std::vector<IpAddress> peers;
  for (const auto& [id, host] : hosts_) {
    vteps_.insert_or_assign(*host.vtep, id);
    peers.push_back(host.vtep->address);
  }
  datapath_->set_peers(std::move(peers));
  resolver_.on_hosts(changes, full, actions_);
  hosts_changed_ = true;
  end_turn_soon();
}

void Agent::on_bindings(std::span<const BindingRecord> bindings) {
  const auto now = Clock::now();
  for (const auto& binding : bindings)
    std::visit([&](const auto& record) { resolver_.on_binding(record, now, actions_); }, binding);
  end_turn_soon();
}

void Agent::on_flood_list(Vni vni, std::span<const HostId> add, std::span<const HostId> remove,
                          bool full) {
  resolver_.on_flood_list(vni, add, remove, full, actions_);
  if (full) session_.groups(vni, datapath_->groups(vni), {}, true);  // it has just been joined
  end_turn_soon();
}

void Agent::on_group_list(Vni vni, const std::optional<MacAddress>& group,
                          std::span<const HostId> add, std::span<const HostId> remove, bool full) {
  resolver_.on_group_list(vni, group, add, remove, full, actions_);
  end_turn_soon();
}

void Agent::on_network(const NetworkSettings& settings) { ports_.on_network(settings); }

void Agent::on_lost(const Attachment& attachment) { ports_.on_lost(attachment); }

void Agent::on_readdressed(const Attachment& attachment) { ports_.on_readdressed(attachment); }

void Agent::on_resync() {
  resolver_.on_session_ready(false, Clock::now(), actions_);
  ports_.on_session_ready();
  end_turn_soon();
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
  resolver_.remove_network(vni, actions_);
  end_turn();
  datapath_->remove_network(vni);
}

void Agent::on_settings(const NetworkSettings& settings) { use_settings(settings); }

void Agent::add_port(const Port& port, Completion<void> done) {
  const auto guest = port.guest();
  set_local(guest, true);
  const auto take = [this, guest, done = std::move(done)](const auto& added) {
    if (added) guests_.insert_or_assign(added->index, guest);
    if (added) return done({});
    set_local(guest, false);
    done(added.error());
  };
  datapath_->add_port(port.dev, guest, own_addresses(port), take);
}

void Agent::set_addresses(const Port& port) {
  if (port.security) change_walls([&](auto done) { datapath_->set_own(port.dev, port.ips, done); });
}

void Agent::remove_port(const std::string& dev, const MacKey& guest, Completion<void> done) {
  datapath_->remove_port(dev, [this, guest, done = std::move(done)](const Status& status) {
    if (!status && status.error().code != ErrorCode::kNotFound) return done(status);
    set_local(guest, false);
    done({});
  });
}

void Agent::set_local(const MacKey& guest, bool here) {
  if (here)
    resolver_.add_local(guest, actions_);
  else
    resolver_.remove_local(guest, actions_);
  if (!here) announcements_.remove(guest);
  if (!here) std::erase_if(guests_, [&](const auto& port) { return port.second == guest; });
  end_turn();
}

void Agent::save(Completion<void> done) { writer_.save(state(), std::move(done)); }

State Agent::state() const {
  auto all = ports_.state(session_.info().store);
  all.vteps.assign(known_vteps_.begin(), known_vteps_.end());
  return all;
}

void Agent::on_port(const Port& port, bool deleted) {
  journal_.info(describe(port, deleted));
  if (watcher_ != nullptr) watcher_->on_port(port, deleted);
}

// --- to show

std::string Agent::problem() const {
  auto here = datapath_->problem();
  return here.empty() ? session_.info().problem : here;
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
