// What the agent believes of what the controller told it, and how it is put right where it is not
// so.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "agent/agent.h"
#include "agent/belief_difference.h"
#include "core/belief_digest.h"
#include "core/binding_digest.h"

namespace dove::agent {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::microseconds kAuditPauseOfKey{500};

std::uint64_t digest_of_settings(const NetworkSettings& network) {
  return digest_of(NetworkFacts{.name = network.name,
                                .tenant = network.tenant,
                                .subnets = digest_of_all(network.subnets),
                                .denied = digest_of_all(network.denied),
                                .learn = network.learn});
}

std::uint64_t digest_of_attached(const Attachment& attached) {
  std::uint64_t ips = 0;
  for (const auto& ip : attached.ips) {
    const auto& shared = attached.shared_ips;
    ips += digest_of_own(ip, std::find(shared.begin(), shared.end(), ip) != shared.end());
  }
  return digest_of(AttachedFacts{.endpoint = attached.endpoint,
                                 .guest = {attached.vni, attached.mac},
                                 .generation = attached.generation,
                                 .ips = ips});
}

Key key_of(const BindingRecord& record) {
  return std::visit([](const auto& one) { return Key{one.key}; }, record);
}

std::uint64_t digest(const BindingRecord& record) {
  return std::visit([](const auto& one) { return digest_of(one); }, record);
}

bool is_same(const BindingRecord& one, const BindingRecord& other) {
  return digest(one) == digest(other);
}

// By its place in `all`; both live no longer than that.
std::map<Key, const BindingRecord*> by_key(std::span<const BindingRecord> all) {
  std::map<Key, const BindingRecord*> map;
  for (const auto& record : all) map.insert_or_assign(key_of(record), &record);
  return map;
}

const BindingRecord* find(const std::map<Key, const BindingRecord*>& all, const Key& key) {
  const auto at = all.find(key);
  return at == all.end() ? nullptr : at->second;
}

}  // namespace

// --- what is believed

Beliefs Agent::beliefs(const Scope& scope) const {
  Beliefs all{.vni = scope};
  if (!scope) {
    for (const auto& [id, host] : hosts_) all.hosts += digest_of_host(id, host.name, *host.vtep);
    for (const auto& one : attached()) all.attached += digest_of_attached(one.attachment);
    return all;
  }
  if (const auto* settings = ports_.settings(*scope)) all.settings = digest_of_settings(*settings);
  all.members = digest_of_all(members_of(*scope));
  for (const auto& [group, hosts] : resolver_.group_members(*scope))
    all.groups += digest_of_group(group, digest_of_all(hosts));
  const auto* replica = knowledge_.replica(*scope);
  if (replica != nullptr && replica->is_whole()) all.replica = replica->digest();
  all.interest = interest_in(*scope);
  return all;
}

// Empty while something is being asked: the controller's answer may be on its way.
std::optional<Beliefs::Interest> Agent::interest_in(Vni vni) const {
  Beliefs::Interest interest;
  for (const auto& key : counted(vni)) {
    const auto believed = resolver_.belief(key);
    if (!believed) return std::nullopt;
    ++interest.keys;
    interest.digest += digest(*believed);
  }
  return interest;
}

// What is told as a whole is not asked for key by key.
std::vector<Key> Agent::counted(Vni vni) const { return asked_elsewhere(resolver_.interest(vni)); }

std::vector<Attached> Agent::attached() const {
  std::vector<Attached> all;
  for (const auto& port : ports_.list()) {
    const bool here = port.state == Port::State::kActive || port.state == Port::State::kPending;
    if (!here || port.endpoint.empty()) continue;
    all.push_back({fmt::format("port {}", port.dev),
                   {.endpoint = port.endpoint,
                    .vni = port.vni,
                    .mac = port.mac,
                    .ips = port.ips,
                    .shared_ips = port.shared_ips,
                    .state = Attachment::State::kActive,
                    .host = self_,
                    .generation = port.generation}});
  }
  for (const auto& guest : learning_.state())
    all.push_back({fmt::format("port {}", guest.dev),
                   {.endpoint = guest.endpoint,
                    .vni = guest.vni,
                    .mac = guest.mac,
                    .ips = guest.ips,
                    .shared_ips = {},
                    .state = Attachment::State::kActive,
                    .host = self_,
                    .generation = guest.generation}});
  return all;
}

// --- what differs

Difference Agent::belief(const Scope& scope, std::string what) const {
  auto network = scope ? ports_.network_name(*scope) : std::string{};
  if (!network.empty()) network += ' ';  // empty, too, where it is not here
  return {.with = Difference::With::kController,
          .vni = scope,
          .what = std::move(what),
          .command = fmt::format("dovectl check {}-fix", network)};
}

std::string Agent::shown_host(HostId host) const {
  const auto& name = host_name(host);
  return name.empty() ? fmt::format("number {}", static_cast<std::uint32_t>(host)) : name;
}

std::vector<Difference> Agent::compare(const Scope& scope, const Truth& truth) const {
  if (!scope) return compare_host(truth);
  std::vector<Difference> out;
  const auto add = [&](const Words& words) {
    for (const auto& what : words) out.push_back(belief(scope, what));
  };
  const auto name = [this](HostId host) { return shown_host(host); };
  const auto* settings = ports_.settings(*scope);
  if (settings == nullptr) return out;  // it has just gone
  if (truth.gone) return {deleted_network(*scope)};
  if (!truth.joined) add({"the controller does not count this host among those of the network"});
  if (truth.settings) add(differences(*settings, *truth.settings));
  if (truth.members) add(differences("flood list", members_of(*scope), *truth.members, name));
  if (truth.groups) add(differences(resolver_.group_members(*scope), *truth.groups, name));
  for (const auto& key : resolver_.interest(*scope)) add(unlike_replica(key));
  return out;
}

// What keeps it on this host is the operator's.
Difference Agent::deleted_network(Vni vni) const {
  auto difference = belief(vni, "the controller has no such network any more");
  difference.command = ports_.release_command(vni);
  difference.problem = "what keeps it here is not doved's to end";
  return difference;
}

// What the kernel is told of a key that the network's replica has.
Words Agent::unlike_replica(const Key& key) const {
  const auto known = knowledge_.answer(key, true);
  const auto believed = resolver_.belief(key);
  if (!known || !believed) return {};
  const bool is_mac = std::holds_alternative<MacKey>(key);
  if (is_mac ? !known->mac : !known->ip) return {};
  const auto truth = is_mac ? BindingRecord{*known->mac} : BindingRecord{*known->ip};
  if (is_same(*believed, truth)) return {};
  return {difference(key, &*believed, &truth, [this](HostId host) { return shown_host(host); })};
}

std::vector<Difference> Agent::compare_host(const Truth& truth) const {
  std::vector<Difference> out;
  if (truth.hosts) {
    std::vector<HostRecord> hosts;
    for (const auto& [id, host] : hosts_) hosts.push_back(host);
    for (const auto& what : differences(hosts, *truth.hosts)) out.push_back(belief({}, what));
  }
  if (truth.attached && ports_.is_settled()) compare_attached(*truth.attached, out);
  return out;
}

void Agent::compare_attached(std::span<const Attachment> truth,
                             std::vector<Difference>& out) const {
  std::map<MacKey, const Attachment*> there;
  for (const auto& one : truth) there[{one.vni, one.mac}] = &one;
  for (const auto& here : attached()) {
    const auto at = there.find({here.attachment.vni, here.attachment.mac});
    const auto words = at == there.end() ? Words{is_nowhere(here)} : differences(here, *at->second);
    for (const auto& what : words) out.push_back(belief(here.attachment.vni, what));
    if (at != there.end()) there.erase(at);
  }
  for (const auto& [guest, one] : there)
    if (!learning_.has(guest)) out.push_back(belief(guest.vni, is_elsewhere(*one)));
}

std::vector<Difference> Agent::compare(Vni vni, std::span<const Key> keys,
                                       std::span<const BindingRecord> truth) const {
  std::vector<Difference> out;
  const auto told = by_key(truth);
  for (const auto& key : keys) {
    const auto believed = resolver_.belief(key);
    const auto* is = find(told, key);
    if (!believed || is == nullptr || is_same(*believed, *is)) continue;
    out.push_back(belief(
        vni, difference(key, &*believed, is, [this](HostId host) { return shown_host(host); })));
  }
  return out;
}

std::vector<Difference> Agent::compare(Vni vni, std::span<const BindingRecord> truth) const {
  std::vector<Difference> out;
  const auto* replica = knowledge_.replica(vni);
  if (replica == nullptr) return out;
  const auto bindings = replica->bindings();
  const auto here = by_key(bindings);
  const auto there = by_key(truth);
  const auto name = [this](HostId host) { return shown_host(host); };
  for (const auto& [key, is] : there) {
    const auto* believed = find(here, key);
    if (believed == nullptr || !is_same(*believed, *is))
      out.push_back(belief(vni, difference(key, believed, is, name)));
  }
  for (const auto& [key, believed] : here)
    if (!there.contains(key)) out.push_back(belief(vni, difference(key, believed, nullptr, name)));
  return out;
}

// --- what is done

void Agent::mend(const Scope& scope, const Truth& truth) {
  if (truth.gone) return;
  journal_.complain(scope ? fmt::format("network {} is otherwise than the controller says: asked "
                                        "for anew",
                                        ports_.network_name(*scope))
                          : "this host is otherwise than the controller says: asked for anew");
  if (!scope) return mend_host(truth);
  if (!truth.joined || truth.settings || truth.members || truth.groups) ports_.join_again(*scope);
  if (truth.replica_differs) request_replica(*scope);
  if (const auto interest = interest_in(*scope); interest && truth.interest_differs)
    session_.prove_interest(*scope, interest->keys, interest->digest);
  refresh(std::vector<Vni>{*scope}, false);
}

void Agent::mend_host(const Truth& truth) {
  if (truth.hosts) on_hosts(*truth.hosts, true);
  // What is being changed just now is looked at again by and by.
  if (!truth.attached || !ports_.is_settled()) return;
  learning_.on_session_ready(!incomplete_);
  std::set<MacKey> here;
  for (const auto& one : attached()) here.insert({one.attachment.vni, one.attachment.mac});
  for (const auto& one : *truth.attached)
    if (!here.contains({one.vni, one.mac}) && !learning_.has({one.vni, one.mac}))
      session_.detach(one.endpoint, one.generation, [](const Status&) {});
  ports_.confirm_again();
}

// One network after the other and then the host as a whole, so that all have had their turn once in
// the period. The more there is to be looked at, the seldomer it is.
void Agent::audit_beliefs() {
  const auto now = Clock::now();
  const auto period = options_.audit_period;
  if (period.count() == 0 || !session_.connected() || !audit_.idle() || now < next_audit_) return;
  const auto turns = static_cast<std::int64_t>(networks_.size()) + 1;
  std::vector<Scope> scopes;
  for (std::int64_t i = 0; i < (turns + period.count() - 1) / period.count(); ++i) {
    const auto at = last_audited_ ? networks_.upper_bound(*last_audited_) : networks_.begin();
    last_audited_ = at == networks_.end() ? Scope{} : Scope{*at};
    scopes.push_back(last_audited_);
  }
  next_audit_ = now + std::chrono::milliseconds{period} / turns;
  for (const auto& scope : scopes)
    if (scope) next_audit_ += resolver_.interest(*scope).size() * kAuditPauseOfKey;
  audit_.run(std::move(scopes), true, [](const BeliefAudit::Outcome&) {});
}

}  // namespace dove::agent
