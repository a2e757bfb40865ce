#include "agent/datapath/walls.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "agent/datapath/ruleset_audit.h"

namespace dove::agent {
namespace {

NftRunner::Done status_only(Walls::Done done) {
  return [done = std::move(done)](Result<std::string> result) {
    done(result ? Status{} : Status{result.error()});
  };
}

// Whose a chain or set is, or its element.
std::string port_of(const std::string& object, const std::string& element,
                    const std::map<std::string, unsigned>& ports) {
  const auto own = [&](const auto& port) {
    const auto name = fmt::format("port-{}", port.second);
    return object == name || object.starts_with(name + "-") ||
           (object == "homes" && element == std::to_string(mark_of(port.second)));
  };
  if (const auto port = std::find_if(ports.begin(), ports.end(), own); port != ports.end())
    return port->first;
  return ports.contains(element) ? element : std::string{};
}

}  // namespace

Result<std::unique_ptr<Walls>> Walls::raise(const WallOptions& options, std::set<IpAddress> vteps,
                                            NftRunner::Executor executor) {
  const auto text = base_ruleset(options) + policy_base() +
                    known_vteps(options, VtepChange{{vteps.begin(), vteps.end()}, {}});
  bool untracked = run_nft(NftCall::transaction(text + untracked_ruleset(options))).ok();
  if (!untracked) {  // by a kernel that tracks no connections, or for a moment
    if (auto raised = run_nft(NftCall::transaction(text)); !raised) return raised.error();
    untracked = run_nft(NftCall::transaction(untracked_ruleset(options))).ok();
  }
  const auto listing = run_nft({{"-j", "list", "map", "bridge", "dove", "walled"}, {}});
  if (!listing) return listing.error();
  auto ports = parse_ports(*listing);
  if (!ports) return ports.error();
  const auto policies = run_nft({{"-j", "list", "map", "bridge", "dove", "denied_to"}, {}});
  if (!policies) return policies.error();
  const auto with_policies = parse_policies(*policies);
  if (!with_policies) return with_policies.error();
  // Behind our own first transaction, which it must not see.
  auto monitor = netlink::RulesetMonitor::open(kWallTable);
  if (!monitor) return monitor.error();
  std::unique_ptr<Walls> walls{new Walls{options, std::move(executor), std::move(*monitor),
                                         std::move(*ports), std::move(vteps)}};
  walls->untracked_ = untracked;
  for (const Vni vni : *with_policies) walls->policies_.emplace(vni, std::nullopt);
  return walls;
}

Walls::Walls(const WallOptions& options, NftRunner::Executor executor,
             netlink::RulesetMonitor monitor, std::map<std::string, unsigned> ports,
             std::set<IpAddress> vteps)
    : options_{options},
      monitor_{std::move(monitor)},
      ports_{std::move(ports)},
      vteps_{std::move(vteps)},
      runner_{std::move(executor)} {
  for (const auto& [device, number] : ports_) used_.insert(number);
}

Result<WalledPort> Walls::number_port(const std::string& device, Vni vni,
                                      std::optional<GuestIdentity> only,
                                      std::optional<std::vector<GuestIdentity>> learned) {
  if (auto status = check_device_name(device); !status) return status.error();
  const auto number = number_of(device);
  if (!number) return number.error();
  const WalledPort port{device, *number, vni, std::move(only), std::move(learned)};
  claimed_.insert_or_assign(device, port);
  return port;
}

Result<unsigned> Walls::number_of(const std::string& device) {
  if (const auto known = ports_.find(device); known != ports_.end()) return known->second;
  unsigned number = 1;
  for (const unsigned used : used_) {
    if (used != number) break;
    ++number;
  }
  if (number > kPortLimit)
    return Error{ErrorCode::kUnavailable,
                 fmt::format("a host can have {} ports, all are in use", kPortLimit)};
  ports_.emplace(device, number);
  used_.insert(number);
  return number;
}

bool Walls::set_too_long(const TooLong& too_long) {
  return std::exchange(options_.too_long, too_long) != too_long;
}

void Walls::wall_port(const WalledPort& port, Done done) {
  runner_.run(NftCall::transaction(port_ruleset(options_, port)), status_only(std::move(done)));
}

std::string Walls::ruleset() const {
  std::string text = base_ruleset(options_) + policy_base();
  if (untracked_) text += untracked_ruleset(options_);
  text += only_these_ ? known_vteps(options_, vteps_)
                      : known_vteps(options_, VtepChange{{vteps_.begin(), vteps_.end()}, {}});
  if (only_these_networks_) text += no_networks();
  text += known_networks("add", networks_);
  if (router_) text += known_router(*router_);
  if (unclaimed().empty()) text += no_ports();  // what stood in the way of a removal has gone, too
  for (const auto& [device, port] : claimed_) text += port_ruleset(options_, port);
  text += policies_.empty() ? policy_hook_removal() : policy_hook();
  for (const auto& [vni, policy] : policies_)
    if (policy) text += policy_ruleset(vni, *policy);
  return text;
}

void Walls::renew(Done done, const std::string& removals) {
  // That they are refused shows when it is looked at again.
  if (!removals.empty()) runner_.run(NftCall::transaction(removals), [](const auto&) {});
  runner_.run(NftCall::transaction(ruleset()), status_only(std::move(done)));
}

// Where an earlier doved's elements are left alone.
std::set<std::string> Walls::open_sets() const {
  std::set<std::string> open;
  if (!only_these_) open.insert({"vteps", "vteps6"});
  if (!only_these_networks_) open.insert("vnis");
  if (!unclaimed().empty()) open.insert({"ports", "walled", "homes"});
  if (!router_) open.insert("routers");
  if (!unclaimed_policies().empty()) open.insert({"denied_to", "denied_from"});
  return open;
}

void Walls::differences(std::function<void(std::vector<WallDifference>)> done) {
  struct Look {
    std::string text;
    std::set<std::string> open;
    std::map<std::string, unsigned> ports;
    std::vector<WallDifference> found;
  };
  write_policies();  // before the look
  const auto look = std::make_shared<Look>(Look{ruleset(), open_sets(), ports_, {}});
  for (const std::string family : {"inet", "arp", "bridge"}) {
    const bool last = family == "bridge";
    runner_.run(
        {{"-j", "list", "table", family, kWallTable}, {}},
        [look, last, done](const auto&) {
          if (last) done(std::move(look->found));
        },
        [look, family](const Result<std::string>& listing) {
          const auto found = listing ? ruleset_differences(look->text, family, *listing, look->open)
                                     : Result<std::vector<RulesetDifference>>{listing.error()};
          if (!found)
            look->found.push_back({fmt::format("nft table {} {} cannot be listed: {}", family,
                                               kWallTable, found.error().message),
                                   {},
                                   {},
                                   {}});
          else
            for (const auto& one : *found)
              look->found.push_back({one.what, port_of(one.object, one.element, look->ports),
                                     policy_network_of(one.object, one.element), one.removal});
        });
  }
}

void Walls::set_vteps(std::set<IpAddress> vteps, Done done) {
  const auto before = std::exchange(vteps_, std::move(vteps));
  if (!std::exchange(only_these_, true))
    return runner_.run(NftCall::transaction(known_vteps(options_, vteps_)),
                       status_only(std::move(done)));
  VtepChange change;
  std::set_difference(vteps_.begin(), vteps_.end(), before.begin(), before.end(),
                      std::back_inserter(change.add));
  std::set_difference(before.begin(), before.end(), vteps_.begin(), vteps_.end(),
                      std::back_inserter(change.remove));
  runner_.run(NftCall::transaction(known_vteps(options_, change)), status_only(std::move(done)));
}

void Walls::add_network(Vni vni, Done done) {
  if (!networks_.insert(vni).second) return;
  runner_.run(NftCall::transaction(known_networks("add", {vni})), status_only(std::move(done)));
}

// What is not there cannot be deleted.
void Walls::remove_network(Vni vni, Done done) {
  if (networks_.erase(vni) == 0) return;
  runner_.run(NftCall::transaction(known_networks("add", {vni}) + known_networks("delete", {vni})),
              status_only(std::move(done)));
}

void Walls::claim_networks(Done done) {
  only_these_networks_ = true;
  runner_.run(NftCall::transaction(no_networks() + known_networks("add", networks_)),
              status_only(std::move(done)));
}

void Walls::set_router(const MacAddress& router, Done done) {
  if (router_ == router) return;
  router_ = router;
  runner_.run(NftCall::transaction(known_router(router)), status_only(std::move(done)));
}

// An nft(8) of ours has its process id as its port, and so has anybody else's.
Result<Walls::Changes> Walls::read_changes() {
  senders_.clear();
  const auto drained = monitor_.drain(senders_);
  if (!drained) return drained.error();
  const bool foreign = std::any_of(senders_.begin(), senders_.end(), [&](std::uint32_t sender) {
    return !runner_.ran(static_cast<pid_t>(sender));
  });
  return Changes{.foreign = foreign || drained->overrun, .more = drained->more};
}

// The number is free at once: the runner works in order, so what is given to its next owner comes
// after this.
void Walls::remove_port(const std::string& device, Done done) {
  claimed_.erase(device);
  const auto known = ports_.find(device);
  std::string text;
  if (known != ports_.end()) {
    text = port_removal(device, known->second);
    used_.erase(known->second);
    ports_.erase(known);
  }
  runner_.run(NftCall::transaction(std::move(text)), status_only(std::move(done)));
}

std::vector<std::string> Walls::unclaimed() const {
  std::vector<std::string> devices;
  for (const auto& [device, number] : ports_)
    if (claimed_.count(device) == 0) devices.push_back(device);
  return devices;
}

void Walls::set_policy(Vni vni, const NetworkPolicy& policy, Done done) {
  if (policy.denied.empty()) return remove_policy(vni, std::move(done));
  auto& known = policies_[vni];
  if (known == policy) return;
  known = policy;
  write_policy(vni, std::move(done));
}

void Walls::remove_policy(Vni vni, Done done) {
  if (policies_.erase(vni) != 0) write_policy(vni, std::move(done));
}

// While nft works, changes gather: of each network only the last counts.
void Walls::write_policy(Vni vni, Done done) {
  due_policies_.networks.insert(vni);
  due_policies_.waiting.push_back(std::move(done));
  if (!writing_policies_) write_policies();
}

void Walls::write_policies() {
  const auto due = std::exchange(due_policies_, {});
  if (due.networks.empty()) return;
  std::string text = policies_.empty() ? policy_hook_removal() : policy_hook();
  for (const Vni vni : due.networks) {
    const auto policy = policies_.find(vni);
    if (policy == policies_.end())
      text += policy_removal(vni);
    else if (policy->second)
      text += policy_ruleset(vni, *policy->second);
  }
  writing_policies_ = true;
  const auto done = [this, alive = std::weak_ptr{alive_}, due](const Status& status) {
    if (!alive.lock()) return;
    writing_policies_ = false;
    write_policies();
    for (const auto& one : due.waiting) one(status);
  };
  runner_.run(NftCall::transaction(std::move(text)), status_only(done));
}

void Walls::drain() {
  write_policies();
  runner_.drain();
}

std::vector<Vni> Walls::unclaimed_policies() const {
  std::vector<Vni> networks;
  for (const auto& [vni, policy] : policies_)
    if (!policy) networks.push_back(vni);
  return networks;
}

void Walls::counters(std::function<void(Result<Counters>)> done) {
  runner_.run({{"-j", "list", "counters"}, {}},
              [done = std::move(done), ports = ports_](Result<std::string> listing) {
                done(listing ? parse_counters(*listing, ports) : Result<Counters>{listing.error()});
              });
}

void Walls::activity(std::function<void(Result<Activity>)> done) {
  runner_.run({{"-j", "list", "sets", "bridge"}, {}},
              [done = std::move(done), ports = ports_](const Result<std::string>& listing) {
                if (!listing) return done(listing.error());
                const auto numbered = parse_activity(*listing);
                if (!numbered) return done(numbered.error());
                Activity all;
                for (const auto& [device, number] : ports)
                  if (const auto found = numbered->find(number); found != numbered->end())
                    all.emplace(device, found->second);
                done(std::move(all));
              });
}

void Walls::firewall_notes(const BridgedFiltering& filtering,
                           std::function<void(Result<Notes>)> done) {
  const auto found = std::make_shared<Result<Notes>>(Notes{});
  runner_.run(
      {{"-j", "list", "chains"}, {}},
      [done = std::move(done), found](const auto&) { done(std::move(*found)); },
      [found, filtering](const Result<std::string>& chains) {
        *found = chains ? agent::firewall_notes(filtering, *chains, legacy_filters())
                        : Result<Notes>{chains.error()};
      });
}

Status Walls::remove() {
  due_policies_ = {};  // they go with the rest
  runner_.drain();
  const auto removed = run_nft(NftCall::transaction(removal()));
  return removed ? Status{} : Status{removed.error()};
}

}  // namespace dove::agent
