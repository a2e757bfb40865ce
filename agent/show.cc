#include "agent/show.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "api/convert.h"

namespace dove::agent {
namespace {

// What one message can say.
constexpr int kMostDifferences = 10'000;

v1::Port::State state_of(const Port& port) {
  switch (port.state) {
    case Port::State::kPending:
      return v1::Port::PENDING;
    case Port::State::kActive:
      return v1::Port::ACTIVE;
    case Port::State::kLost:
      return v1::Port::LOST;
    case Port::State::kAbsent:
      break;
  }
  return v1::Port::ABSENT;
}

v1::FdbEntry fdb_entry(const Agent& agent, const MacKey& key, v1::FdbEntry::Kind kind) {
  v1::FdbEntry entry;
  entry.set_network(agent.ports().network_name(key.vni));
  entry.set_vni(key.vni.value());
  entry.set_dev(fmt::format("dvx{}", key.vni.value()));
  entry.set_mac(api::to_bytes(key.mac));
  entry.set_kind(kind);
  return entry;
}

v1::FdbEntry fdb_entry(const Agent& agent, const MacKey& key, v1::FdbEntry::Kind kind,
                       const Vtep& vtep) {
  auto entry = fdb_entry(agent, key, kind);
  entry.set_host(agent.host_name(vtep));
  entry.set_vtep(api::to_bytes(vtep.address));
  return entry;
}

v1::FdbEntry remote_entry(const Agent& agent, const MacKey& key, const Vtep& vtep,
                          const std::optional<Vni>& target) {
  auto entry = fdb_entry(agent, key, v1::FdbEntry::REMOTE, vtep);
  if (target) entry.set_target_vni(target->value());
  return entry;
}

v1::Neighbour neighbour(const Agent& agent, const IpKey& key,
                        const std::optional<MacAddress>& mac) {
  v1::Neighbour entry;
  entry.set_network(agent.ports().network_name(key.vni));
  entry.set_vni(key.vni.value());
  entry.set_dev(fmt::format("dvx{}", key.vni.value()));
  entry.set_ip(api::to_bytes(key.ip));
  if (mac) entry.set_mac(api::to_bytes(*mac));
  return entry;
}

void add_group(const Agent& agent, const MacKey& key, const std::vector<Vtep>& vteps,
               std::vector<v1::FdbEntry>& out) {
  if (vteps.empty()) out.push_back(fdb_entry(agent, key, v1::FdbEntry::EMPTY));
  for (const auto& vtep : vteps) out.push_back(fdb_entry(agent, key, v1::FdbEntry::FLOOD, vtep));
}

// Which networks are meant: a predicate over VNIs.
class Selection {
 public:
  static Result<Selection> make(const Agent& agent, const std::string& network) {
    if (network.empty()) return Selection{std::nullopt};
    for (const auto& settings : agent.ports().networks())
      if (settings.name == network) return Selection{settings.vni};
    return Error{ErrorCode::kNotFound, fmt::format("this host has no network \"{}\"", network)};
  }
  bool has(Vni vni) const { return !only_ || *only_ == vni; }

 private:
  explicit Selection(std::optional<Vni> only) : only_{only} {}
  std::optional<Vni> only_;
};

// Those that the kernel does not have, though it should, say why.
void add_refusals(const Agent& agent, const Selection& selection,
                  std::vector<v1::FdbEntry>& entries) {
  std::map<std::pair<std::uint32_t, std::string>, v1::FdbEntry*> known;
  for (auto& entry : entries) known.emplace(std::pair{entry.vni(), entry.mac()}, &entry);
  std::vector<v1::FdbEntry> others;
  for (const auto& [key, refused] : agent.resolver().refused()) {
    const auto* mac = std::get_if<MacKey>(&key);
    if (mac == nullptr || !selection.has(mac->vni)) continue;
    const auto row = known.find({mac->vni.value(), api::to_bytes(mac->mac)});
    if (row == known.end()) others.push_back(fdb_entry(agent, *mac, v1::FdbEntry::REMOTE));
    (row == known.end() ? others.back() : *row->second).set_error(refused.error.message());
  }
  entries.insert(entries.end(), others.begin(), others.end());
}

void add_refusals(const Agent& agent, const Selection& selection,
                  std::vector<v1::Neighbour>& entries) {
  for (const auto& [key, refused] : agent.resolver().refused()) {
    const auto* ip = std::get_if<IpKey>(&key);
    if (ip == nullptr || !selection.has(ip->vni)) continue;
    entries.push_back(neighbour(agent, *ip, std::nullopt));
    entries.back().set_error(refused.error.message());
  }
}

v1::Event fdb_event(v1::FdbEntry entry, bool deleted) {
  v1::Event event;
  event.set_kind(v1::Event::FDB);
  event.set_deleted(deleted);
  *event.mutable_fdb() = std::move(entry);
  return event;
}

v1::Event neighbour_event(v1::Neighbour entry, bool deleted) {
  v1::Event event;
  event.set_kind(v1::Event::NEIGHBOUR);
  event.set_deleted(deleted);
  *event.mutable_neighbour() = std::move(entry);
  return event;
}

// One overload for each kind of change.
class EventsOf {
 public:
  using Events = std::vector<v1::Event>;
  EventsOf(const Agent& the_agent, GroupLists& lists) : agent_{the_agent}, shown_{lists} {}

  Events operator()(const SetFdb& change) const {
    return {fdb_event(remote_entry(agent_, change.key, change.vtep, change.target), false)};
  }
  Events operator()(const SetLocalFdb& change) const {
    return {fdb_event(fdb_entry(agent_, change.key, v1::FdbEntry::LOCAL), false)};
  }
  Events operator()(const DeleteFdb& change) const {
    return {fdb_event(fdb_entry(agent_, change.key, v1::FdbEntry::REMOTE), true)};
  }
  Events operator()(const SetNeighbour& change) const {
    return {neighbour_event(neighbour(agent_, change.key, change.mac), false)};
  }
  Events operator()(const DeleteNeighbour& change) const {
    return {neighbour_event(neighbour(agent_, change.key, std::nullopt), true)};
  }
  Events operator()(const SetGroup& change) const {
    const auto before = shown_.find(change.key);
    auto events = difference(before == shown_.end() ? Rows{} : rows(*before),
                             rows({change.key, change.vteps}));
    shown_.insert_or_assign(change.key, change.vteps);
    return events;
  }
  Events operator()(const DeleteGroup& change) const {
    const auto before = shown_.find(change.key);
    if (before == shown_.end()) return {};
    auto events = difference(rows(*before), {});
    shown_.erase(before);
    return events;
  }

 private:
  using Rows = std::map<std::string, v1::FdbEntry>;  // of one list, by destination

  Rows rows(const GroupLists::value_type& list) const {
    std::vector<v1::FdbEntry> entries;
    add_group(agent_, list.first, list.second, entries);
    Rows rows;
    for (auto& entry : entries) rows.emplace(entry.vtep(), std::move(entry));
    return rows;
  }
  static Events difference(const Rows& before, const Rows& now) {
    Events events;
    for (const auto& [destination, entry] : before)
      if (now.count(destination) == 0) events.push_back(fdb_event(entry, true));
    for (const auto& [destination, entry] : now)
      if (before.count(destination) == 0) events.push_back(fdb_event(entry, false));
    return events;
  }

  const Agent& agent_;
  GroupLists& shown_;
};

}  // namespace

v1::Port show(const Agent& agent, const Port& port) {
  v1::Port message;
  message.set_dev(port.dev);
  message.set_endpoint(port.endpoint);
  message.set_network(port.network);
  message.set_vni(port.vni.value());
  if (!port.mac.is_zero()) message.set_mac(api::to_bytes(port.mac));
  for (const auto& ip : port.ips) message.add_ips(api::to_bytes(ip));
  message.set_mtu(agent.guest_mtu());
  message.set_state(state_of(port));
  message.set_generation(port.generation);
  message.set_security(port.security);
  message.set_owner(port.owner);
  message.set_learned(static_cast<std::uint32_t>(agent.learning().count(port.dev)));
  return message;
}

v1::Counter show(const Figure& figure) {
  v1::Counter message;
  message.set_name(figure.name);
  message.set_dev(figure.device);
  if (const auto* value = std::get_if<std::uint64_t>(&figure.sample.value)) {
    message.set_value(*value);
    return message;
  }
  const auto& measured = std::get<Histogram>(figure.sample.value);
  const bool time = figure.sample.metric.divisor == api::kNanoseconds;
  const std::uint64_t unit = time ? 1'000 : 1;
  message.set_value(measured.count());
  auto& spread = *message.mutable_spread();
  spread.set_sum(measured.sum() / unit);
  spread.set_p50(measured.percentile(50) / unit);
  spread.set_p99(measured.percentile(99) / unit);
  if (time) spread.set_unit("us");
  return message;
}

v1::CheckReply show(const Agent& agent, const Agent::Checked& checked) {
  v1::CheckReply reply;
  reply.set_unasked(checked.unasked);
  for (const auto& one : checked.differences) {
    if (reply.differences().size() == kMostDifferences) {
      reply.set_omitted(checked.differences.size() - kMostDifferences);
      break;
    }
    auto& told = *reply.add_differences();
    if (one.vni) told.set_network(agent.ports().network_name(*one.vni));
    if (one.vni) told.set_vni(one.vni->value());
    told.set_with(one.with == Difference::With::kKernel ? v1::Difference::KERNEL
                                                        : v1::Difference::CONTROLLER);
    told.set_what(one.what);
    told.set_command(one.command);
    told.set_mended(one.mended);
    told.set_problem(one.problem);
  }
  return reply;
}

v1::StatusReply show_status(const Agent& agent) {
  const auto session = agent.session();
  const auto age = std::chrono::steady_clock::now() - session.since;
  v1::StatusReply message;
  message.set_host(agent.options().host);
  message.set_version(DOVE_VERSION);
  message.set_vtep(api::to_bytes(agent.options().local.address));
  message.set_vtep_port(agent.options().local.port);
  message.set_miss_mode(agent.options().miss_mode == MissMode::kPunt ? "punt" : "notify");
  if (session.connected) message.set_controller(session.controller);
  message.set_connected(session.connected);
  message.set_session_age_ms(static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(age).count()));
  message.set_store_id(session.store.store_id);
  message.set_revision(session.store.revision);
  message.set_applied(agent.applied());
  const auto ports = agent.ports().list();
  message.set_ports(static_cast<std::uint32_t>(ports.size()));
  message.set_lost_ports(static_cast<std::uint32_t>(std::count_if(
      ports.begin(), ports.end(), [](const Port& p) { return p.state == Port::State::kLost; })));
  message.set_networks(static_cast<std::uint32_t>(agent.ports().networks().size()));
  message.set_hosts(static_cast<std::uint32_t>(agent.hosts()));
  const auto tables = agent.table_sizes();
  message.set_fdb_entries(tables.remotes);
  message.set_neighbours(tables.neighbours);
  message.set_mtu(agent.guest_mtu());
  message.set_problem(agent.problem());
  for (const auto& note : agent.notes()) message.add_notes(note);
  const auto& counters = agent.datapath_counters();
  const auto& audits = agent.audit_counters();
  message.set_put_back(counters.put_back);
  message.set_differences(counters.audit_differences + audits.differences);
  message.set_mended(counters.audit_mended + audits.mended);
  message.set_refused(agent.refused());
  const auto knowledge = agent.knowledge();
  message.set_replicated(static_cast<std::uint32_t>(knowledge.networks));
  message.set_knowledge_age_ms(static_cast<std::uint64_t>(knowledge.age.count()));
  return message;
}

Result<std::vector<v1::FdbEntry>> show_fdb(const Agent& agent, const std::string& network) {
  const auto selection = Selection::make(agent, network);
  if (!selection) return selection.error();
  std::vector<v1::FdbEntry> entries;
  for (const auto& key : agent.resolver().locals())
    if (selection->has(key.vni)) entries.push_back(fdb_entry(agent, key, v1::FdbEntry::LOCAL));
  for (const auto& row : agent.resolver().fdb())
    if (selection->has(row.key.vni))
      entries.push_back(remote_entry(agent, row.key, row.vtep, row.target));
  for (const auto& row : agent.resolver().groups())
    if (selection->has(row.key.vni)) add_group(agent, row.key, row.vteps, entries);
  for (const auto& [vni, router] : agent.routers())
    if (selection->has(vni) && !router.gateways.empty()) {
      entries.push_back(fdb_entry(agent, {vni, router.mac}, v1::FdbEntry::ROUTER));
      entries.back().set_error(agent.router_problem(vni));
    }
  add_refusals(agent, *selection, entries);
  if (agent.options().miss_mode != MissMode::kPunt) return entries;
  for (const auto& settings : agent.ports().networks())
    if (selection->has(settings.vni))
      entries.push_back(fdb_entry(agent, {settings.vni, MacAddress{}}, v1::FdbEntry::PUNT));
  return entries;
}

Result<std::vector<v1::Neighbour>> show_neighbours(const Agent& agent, const std::string& network) {
  const auto selection = Selection::make(agent, network);
  if (!selection) return selection.error();
  std::vector<v1::Neighbour> entries;
  for (const auto& row : agent.resolver().neighbours())
    if (selection->has(row.key.vni)) {
      entries.push_back(neighbour(agent, row.key, row.mac));
      if (row.target) entries.back().set_target_vni(row.target->value());
    }
  for (const auto& [vni, router] : agent.routers())
    for (const auto& ip : selection->has(vni) ? router.gateways : std::vector<IpAddress>{}) {
      entries.push_back(neighbour(agent, {vni, ip}, router.mac));
      entries.back().set_kind(v1::Neighbour::GATEWAY);
      entries.back().set_error(agent.router_problem(vni));
    }
  add_refusals(agent, *selection, entries);
  return entries;
}

GroupLists group_lists(const Agent& agent) {
  GroupLists lists;
  for (const auto& row : agent.resolver().groups()) lists.emplace(row.key, row.vteps);
  return lists;
}

std::vector<v1::Event> show_change(const Agent& agent, const KernelChange& change,
                                   GroupLists& shown) {
  return std::visit(EventsOf{agent, shown}, change);
}

}  // namespace dove::agent
