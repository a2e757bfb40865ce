#include "agent/resolver.h"

#include <algorithm>

#include "agent/multicast.h"
#include "agent/resolver/state.h"

namespace dove::agent {

Resolver::Resolver(const Limits& limits) : state_{std::make_unique<State>(limits)} {}
Resolver::~Resolver() = default;

void Resolver::set_self(HostId self) { state_->flood_lists.set_self(self); }

void Resolver::on_hosts(std::span<const HostChange> hosts, bool full, Actions& out) {
  state_->on_hosts(hosts, full, out);
}

void Resolver::set_well_known_groups(std::span<const MacAddress> groups) {
  state_->well_known_groups.assign(groups.begin(), groups.end());
}

void Resolver::add_network(Vni vni, Actions& out) { state_->open_network(vni, {}, out); }

void Resolver::adopt_network(Vni vni, std::span<const GroupRow> groups, Actions& out) {
  state_->open_network(vni, groups, out);
}

void Resolver::remove_network(Vni vni, Actions& out) {
  state_->flood_lists.erase(vni);
  if (Network* network = state_->records.network(vni)) state_->close_network(*network, out);
}

void Resolver::on_flood_list(Vni vni, std::span<const HostId> add, std::span<const HostId> remove,
                             bool full, Actions& out) {
  if (state_->flood_lists.change(vni, add, remove, full)) state_->set_groups(vni, out);
}

void Resolver::set_router(Vni vni, const std::optional<Router>& router) {
  if (Network* network = state_->records.network(vni)) network->router = router;
}

void Resolver::on_group_list(Vni vni, const std::optional<MacAddress>& group,
                             std::span<const HostId> add, std::span<const HostId> remove, bool full,
                             Actions& out) {
  if (group && reach_of(*group) != Reach::kMembers) return;
  if (group && state_->flood_lists.change({vni, *group}, add, remove, full))
    state_->on_group_changed({vni, *group}, out);
  if (!group && full)
    for (const auto& mac : state_->flood_lists.end_telling(vni))
      state_->on_group_changed({vni, mac}, out);
}

void Resolver::add_local(const MacKey& key, Actions& out) {
  if (Network* network = state_->network_of(key.vni)) state_->add_local(*network, key.mac, out);
}

void Resolver::remove_local(const MacKey& key, Actions& out) {
  MacRecord* record = state_->records.find(key);
  if (record != nullptr && record->local) state_->remove_local(*record, out);
}

void Resolver::on_event(const MacMiss& miss, TimePoint now, Actions& out) {
  State& state = *state_;
  state.now = now;
  ++state.counters.mac_misses;
  Network* const network = state.network_of(miss.key.vni);
  if (network == nullptr || miss.key.mac.is_zero()) return;
  if (network->router && miss.key.mac == network->router->mac) return;
  if (miss.key.mac.is_multicast()) return state.want_group(*network, miss.key.mac, out);
  const auto who = state.who(*network);
  MacRecord* const record = state.want(*network, miss.key.mac, who, out);
  if (record == nullptr) return;
  state.set_again(*record, out);
  state.settle(*record, out);
}

void Resolver::on_event(const IpMiss& miss, TimePoint now, Actions& out) {
  State& state = *state_;
  state.now = now;
  ++state.counters.ip_misses;
  Network* const network = state.network_of(miss.key.vni);
  if (network == nullptr || !miss.key.ip.is_assignable()) return;
  if (network->router && network->router->has(miss.key.ip)) return;
  const auto who = state.who(*network);
  IpRecord* const record = state.want(*network, miss.key.ip, who, out);
  if (record == nullptr) return;
  state.set_again(*record, out);
  state.settle(*record, out);
}

void Resolver::on_event(const AddressQuery& query, TimePoint now, Actions& out) {
  State& state = *state_;
  state.now = now;
  ++state.counters.queries;
  Network* const network = state.network_of(query.target.vni);
  if (network == nullptr || !query.target.ip.is_assignable()) return;
  if (network->router && network->router->has(query.target.ip))
    return State::answer_for_router(query, network->router->mac, out);
  const bool first = out.ask.empty();
  const auto who = state.who(query.port);
  IpRecord* const record = state.want(*network, query.target.ip, who, out);
  if (first && !out.ask.empty() && query.source) out.asker = query.source;
  if (record != nullptr) state.on_wanted_query(*record, query, out);
}

void Resolver::on_event(PuntedFrame&& frame, TimePoint now, Actions& out) {
  State& state = *state_;
  state.now = now;
  ++state.counters.punted;
  Network* const network = state.network_of(frame.destination.vni);
  const MacAddress& mac = frame.destination.mac;
  if (network == nullptr || mac.is_zero()) return;
  if (network->router && mac == network->router->mac)
    return state.route(*network, std::move(frame), out);
  if (mac.is_multicast()) return state.flood(*network, frame, out);
  MacRecord* const record = state.want(*network, mac, state.who(*network, frame.source), out);
  if (record != nullptr) state.on_wanted_frame(*record, std::move(frame), out);
}

void Resolver::carry(Vni vni, std::span<const std::byte> frame, Actions& out) const {
  const auto& vteps = state_->flood_lists.vteps(vni);
  if (!vteps.empty()) out.carried.push_back({vni, {frame.begin(), frame.end()}, vteps});
}

void Resolver::on_binding(const MacBinding& binding, TimePoint now, Actions& out) {
  state_->now = now;
  state_->on_binding(binding, out);
}

void Resolver::on_binding(const IpBinding& binding, TimePoint now, Actions& out) {
  state_->now = now;
  state_->on_binding(binding, out);
}

void Resolver::on_fdb_gone(const MacKey& key, TimePoint now, Actions& out) {
  State& state = *state_;
  state.now = now;
  Network* const network = state.records.network(key.vni);
  if (network == nullptr) return;
  if (Group* group = state.find_group(*network, key.mac))
    return state.set_group(*network, *group, out);
  MacRecord* const record = network->macs.find(key.mac);
  if (record == nullptr || !is_installed(*record)) return;
  if (record->local)
    out.kernel.emplace_back(SetLocalFdb{key});
  else
    state.on_gone(*record, out);
}

void Resolver::on_neighbour_gone(const IpKey& key, TimePoint now, Actions&) {
  state_->now = now;
  IpRecord* const record = state_->records.find(key);
  if (record == nullptr || !record->neighbour) return;
  record->neighbour.reset();
  RecordStore::count(*record);
  state_->review_later(*record);
}

void Resolver::on_refused(const KernelChange& change, std::error_code error, TimePoint now) {
  State& state = *state_;
  state.now = now;
  const bool deletes = State::is_deletion(change);
  if (deletes && error == std::errc::no_such_file_or_directory) return;
  ++state.counters.refused;
  std::visit([&](const auto& refused) { state.note_refusal(refused.key, error, deletes); }, change);
  if (const auto* fdb = std::get_if<SetFdb>(&change)) state.on_refused(*fdb);
  if (const auto* neighbour = std::get_if<SetNeighbour>(&change)) state.on_refused(*neighbour);
  std::visit([&](const auto& refused) { state.repair_later(refused.key); }, change);
}

void Resolver::on_session_lost() { state_->online = false; }

void Resolver::on_session_ready(bool new_store, TimePoint now, Actions& out) {
  state_->now = now;
  state_->online = true;
  ++state_->session;
  if (new_store) state_->forget_store();
  state_->ask_everything(out);
}

void Resolver::set_answered_here() noexcept { state_->answered_here = true; }

bool Resolver::is_of_interest(const Key& key) const {
  return std::visit(
      [&](const auto& k) {
        const auto* record = state_->records.find(k);
        return record != nullptr && record->session == state_->session;
      },
      key);
}

std::vector<Key> Resolver::interest(Vni vni) const { return state_->interest(vni); }

std::optional<Believed> Resolver::belief(const Key& key) const { return state_->belief(key); }

void Resolver::ask_again(const Key& key, TimePoint now, Actions& out) {
  state_->now = now;
  if (!is_of_interest(key)) return;
  std::visit([&](const auto& k) { state_->ask(*state_->records.find(k), out); }, key);
}

void Resolver::adopt_fdb(const MacKey& key, const Vtep& vtep, std::optional<Vni> target) {
  Network* const network = state_->network_of(key.vni);
  if (network == nullptr || !key.mac.is_unicast()) return;
  MacRecord& record = state_->records.find_or_add(*network, key.mac);
  if (!record.local) {
    record.vtep = vtep;
    record.vtep_vni = target;
  }
  RecordStore::count(record);
}

void Resolver::adopt_neighbour(const IpKey& key, const MacAddress& mac) {
  Network* const network = state_->network_of(key.vni);
  if (network == nullptr || !mac.is_unicast()) return;
  IpRecord& record = state_->records.find_or_add(*network, key.ip);
  record.neighbour = mac;
  if (record.known != Known::kFound)
    RecordStore::lead(record, state_->records.find_or_add(*network, mac));
  RecordStore::count(record);
}

void Resolver::on_time(TimePoint now, Actions& out) {
  State& state = *state_;
  state.now = now;
  state.waiting.expire(now, [&](const Record& record) { state.count_drop(state.why(record)); });
  state.run_expected(out);
  state.run_confirmations(out);
  state.run_reviews(out);
  state.run_repairs(out);
}

std::optional<TimePoint> Resolver::next_deadline() const {
  const State& state = *state_;
  std::optional<TimePoint> first = state.waiting.next_due();
  const auto consider = [&](TimePoint at) { first = first ? std::min(*first, at) : at; };
  if (!state.reviews.empty()) consider(state.reviews.front().review_at);
  if (!state.expected.empty()) consider(state.expected.front().expected_at);
  if (!state.confirmations.empty()) consider(state.confirmations.front().at);
  if (!state.repairs.empty()) consider(state.repairs.begin()->first);
  return first;
}

}  // namespace dove::agent
