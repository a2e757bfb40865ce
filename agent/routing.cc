// What the agent does for routing: the router of each network, frames for its gateways, and frames
// routed to guests of this host.
#include <algorithm>
#include <chrono>
#include <vector>

#include "agent/agent.h"
#include "agent/frames/echo.h"
#include "agent/frames/routed.h"

namespace dove::agent {
namespace {

std::vector<IpAddress> gateways_of(const NetworkSettings& settings) {
  std::vector<IpAddress> gateways;
  for (const auto& subnet : settings.subnets)
    if (subnet.gateway) gateways.push_back(*subnet.gateway);
  return gateways;
}

}  // namespace

// Settings that no controller has told (of a state file without them) leave what an earlier doved
// made.
void Agent::use_settings(const NetworkSettings& settings) {
  if (networks_.contains(settings.vni)) know_network(settings);
  if (!router_mac_ || settings.revision == 0 || !networks_.contains(settings.vni)) return;
  learning_.set_network(settings, *router_mac_);
  set_router(settings.vni, {*router_mac_, gateways_of(settings)});
  change_walls([&](auto done) {
    datapath_->set_policy(settings.vni, *router_mac_, settings.denied, std::move(done));
  });
}

void Agent::set_router(Vni vni, const Router& router) {
  resolver_.set_router(vni, router);
  const auto known = routers_.find(vni);
  if (known != routers_.end() && known->second == router) return;
  routers_.insert_or_assign(vni, router);
  refused_routers_.erase(vni);
  write_router(vni);
}

// One that the kernel does not take is tried again, less and less often.
void Agent::write_router(Vni vni) {
  constexpr std::chrono::seconds kShortest{1};
  constexpr std::chrono::seconds kLongest{32};
  const auto status = datapath_->set_router(vni, routers_.at(vni));
  if (status) {
    refused_routers_.erase(vni);
    return;
  }
  auto& refused = refused_routers_[vni];
  refused.problem = status.error().message;
  refused.pause = std::clamp(2 * refused.pause, kShortest, kLongest);
  refused.next = std::chrono::steady_clock::now() + refused.pause;
  progress_.failed(refused.problem);
  on_trouble(refused.problem);
}

void Agent::retry_routers() {
  std::vector<Vni> due;
  for (const auto& [vni, refused] : refused_routers_)
    if (std::chrono::steady_clock::now() >= refused.next) due.push_back(vni);
  for (const auto vni : due) write_router(vni);
}

std::string Agent::router_problem(Vni vni) const {
  const auto refused = refused_routers_.find(vni);
  return refused == refused_routers_.end() ? std::string{} : refused->second.problem;
}

std::optional<IfIndex> Agent::port_of(const MacKey& guest) const {
  if (const auto* const place = guests_.find(guest)) return place->port;
  const auto* dev = learning_.port_of(guest);
  for (const auto& [port, name] : learning_ports_)
    if (dev != nullptr && name == *dev) return port;
  return std::nullopt;
}

void Agent::answer_echo(const PuntedFrame& frame) {
  const auto request = inner_frame(frame.packets);
  auto reply = request ? build_echo_reply(*request) : std::nullopt;
  const auto port = port_of({frame.destination.vni, frame.source});
  if (!reply || !port) {
    ++routing_.gateway_ignored;
    return;
  }
  ++routing_.echo_replies;
  const Datapath::GuestFrame answer{*port, *std::move(reply)};
  datapath_->deliver({&answer, 1});
}

void Agent::deliver() {
  std::vector<Datapath::GuestFrame> frames;
  for (const auto& delivery : actions_.deliveries) {
    const auto port = port_of(delivery.guest);
    auto frame = port ? inner_frame(delivery.packets) : std::nullopt;
    if (!frame) {
      ++routing_.undeliverable;
      continue;
    }
    if (delivery.macs) set_macs(*frame, *delivery.macs);
    frames.push_back({*port, *std::move(frame)});
  }
  datapath_->deliver(frames);
}

}  // namespace dove::agent
