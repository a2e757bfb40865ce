// What of the agent survives a restart and a reboot: what is saved, and how it comes back.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "agent/agent.h"

namespace dove::agent {

State Agent::state() const {
  auto all = ports_.state(session_.info().store);
  all.self = self_;
  all.router_mac = router_mac_;
  all.vteps.assign(known_vteps_.begin(), known_vteps_.end());
  for (const auto& [id, host] : hosts_) all.hosts.push_back(host);
  for (auto& network : all.networks) network.members = members_of(network.settings.vni);
  all.incomplete = incomplete_;
  all.learned = learning_.state();
  return all;
}

// What was saved stands in for what nobody has told since; numbers of hosts are a store's own.
std::vector<HostId> Agent::members_of(Vni vni) const {
  if (auto told = resolver_.members(vni)) return *std::move(told);
  if (session_.info().store.store_id != saved_.store.store_id) return {};
  for (const auto& network : saved_.networks)
    if (network.settings.vni == vni) return network.members;
  return {};
}

// After a file that could not be understood whole, what is in the kernel and not in the file may be
// in use: it stays, until a start finds that somebody has asked for all of it again.
void Agent::restore() {
  for (const auto& problem : damage_)
    journal_.error(fmt::format("the state file {}: {}", options_.state_file().string(), problem));
  if (self_ != HostId{}) restore_hosts();
  learning_.restore(saved_.learned, std::chrono::steady_clock::now());
  ports_.restore(saved_, [] {});
  drop_lost_ports();
  restore_replicas();
  starting_ = false;
  if (damage_.empty() && !datapath_->has_unclaimed()) incomplete_ = false;
  if (!incomplete_) datapath_->forget_unclaimed();
}

std::string Agent::describe_damage() const {
  return fmt::format(
      "the state file was damaged (see {}.damaged): ports may be missing here whose devices are "
      "left as they were; add them again, or end doved and remove {} to begin without them",
      options_.state_file().string(), options_.state_file().string());
}

// The walls keep what an earlier doved let in, until a controller names all hosts.
void Agent::restore_hosts() {
  std::vector<Resolver::HostChange> changes;
  for (const auto& host : saved_.hosts) {
    changes.push_back({.id = host.id, .vtep = host.vtep});
    hosts_.insert_or_assign(host.id, host);
  }
  use_hosts();
  resolver_.set_self(self_);
  resolver_.on_hosts(changes, true, actions_);
}

// The kernel knows nothing of the network: its devices have just been made.
void Agent::restore_members(Vni vni) {
  for (const auto& network : saved_.networks)
    if (network.settings.vni == vni)
      resolver_.on_flood_list(vni, network.members, {}, true, actions_);
}

}  // namespace dove::agent
