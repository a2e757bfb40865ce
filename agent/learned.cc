// What the agent does for guests that nobody registered: who was heard goes to Learning, who is let
// in to the walls, and what they say first is heard again.
#include <fmt/format.h>

#include <algorithm>

#include "agent/agent.h"
#include "agent/frames/arp.h"
#include "agent/frames/guest_frame.h"
#include "agent/frames/nd.h"
#include "agent/frames/sender.h"
#include "core/link_local.h"

namespace dove::agent {
namespace {

// Refusals at one port are written no sooner again.
constexpr std::chrono::seconds kSameRefusalPause{60};

std::chrono::seconds activity_interval(std::chrono::seconds ageing) {
  return std::clamp(ageing / 4, std::chrono::seconds{1}, std::chrono::seconds{30});
}

bool is_for_many(std::span<const std::byte> frame) {
  return (std::to_integer<unsigned>(frame.front()) & 1U) != 0;
}

}  // namespace

std::vector<GuestIdentity> Agent::learned_at(const std::string& dev) const {
  std::vector<GuestIdentity> all;
  for (const auto& [mac, ips] : learning_.let_in(dev)) all.push_back({mac, ips});
  return all;
}

void Agent::add_learning_port(const Port& port, Completion<void> done) {
  const auto learned = learned_at(port.dev);
  for (const auto& guest : learned) set_local({port.vni, guest.mac}, true);
  const auto take = [this, dev = port.dev, done = std::move(done)](const auto& added) {
    if (added) learning_ports_.insert_or_assign(added->index, dev);
    if (!added) learning_.remove_port(dev);
    done(added ? Status{} : Status{added.error()});
  };
  if (port.security)
    datapath_->add_learning_port(port.dev, port.vni, learned, take);
  else
    datapath_->add_port(port.dev, {port.vni, {}}, std::nullopt, take);
}

// A port that learns, or one whose network may do so.
void Agent::hear_at(const Port& port) {
  if (!port.endpoint.empty() && port.security) return;
  learning_.add_port(port.dev, port.vni,
                     port.endpoint.empty() ? std::nullopt : std::optional{port.mac});
}

void Agent::forget_learned(const std::string& dev) {
  learning_.remove_port(dev);
  refusals_.erase(dev);
  std::erase_if(learning_ports_, [&](const auto& port) { return port.second == dev; });
  datapath_->set_learned(dev, {}, [](const Status&) {});
}

// Of an earlier doved, where the port is there no more.
void Agent::drop_lost_ports() {
  for (const auto& guest : saved_.learned)
    if (ports_.find(guest.dev) == nullptr || !check_device(guest.dev))
      learning_.remove_port(guest.dev);
}

const std::string* Agent::learning_port(IfIndex port) const {
  const auto found = learning_ports_.find(port);
  return found == learning_ports_.end() ? nullptr : &found->second;
}

void Agent::on_heard(const GuestHeard& heard) {
  if (const auto* dev = learning_port(heard.port))
    learning_.heard(*dev, heard, std::chrono::steady_clock::now());
}

void Agent::set_learned_local(const std::string& dev, const MacKey& guest, bool here) {
  set_local(guest, here);
  if (!here) datapath_->forget_learned(dev, guest.mac);
}

// One change of a port's walls at a time: those that come meanwhile are made by one more.
void Agent::let_in(const std::string& dev, std::function<void()> done) {
  auto& letting = letting_in_[dev];
  letting.waiting.push_back([hold = progress_.hold(), done = std::move(done)] { done(); });
  if (!std::exchange(letting.under_way, true)) let_in_next(dev);
}

void Agent::let_in_next(const std::string& dev) {
  auto waiting = std::exchange(letting_in_[dev].waiting, {});
  datapath_->set_learned(dev, learned_at(dev),
                         [this, dev, waiting = std::move(waiting)](const Status& status) {
                           if (!status) on_trouble(status.error().message);
                           if (!status) progress_.failed(status.error().message);
                           for (const auto& done : waiting) done();
                           end_turn();
                           if (!letting_in_[dev].waiting.empty()) return let_in_next(dev);
                           letting_in_.erase(dev);
                         });
}

// The frame that was kept back is answered, and goes to whom it was meant for. What is said of
// addresses in ARP and neighbour discovery other hosts hear of by the controller.
void Agent::say_again(const GuestHeard& heard) {
  auto events = read_guest_frame(heard.held, heard.port, heard.guest.vni);
  if (events.query) events.query->kept_back = true;
  if (events.seen) on_seen(*events.seen);
  if (events.query) on_query(*events.query);
  end_turn_soon();
  const bool discovery = events.query || events.seen;
  // As its port lets it pass from now on; of link-local addresses only the MAC's own.
  const bool from_own = heard.ip && (!heard.ip->is_link_local() ||
                                     (!discovery && heard.ip == link_local_of(heard.guest.mac)));
  if (!(heard.ip ? from_own && discovery == heard.claimed : needs_no_address(heard.held))) return;
  std::vector<Datapath::GuestFrame> copies;
  for (const auto port : ports_for(heard)) copies.push_back({port, heard.held});
  datapath_->deliver(copies);
  const bool elsewhere = copies.empty() || is_for_many(heard.held);
  if (elsewhere && !discovery) datapath_->send_out(heard.port, heard.held);
}

std::vector<IfIndex> Agent::ports_for(const GuestHeard& heard) const {
  std::vector<IfIndex> all;
  if (!is_for_many(heard.held)) {
    const auto to = MacAddress::from_wire(std::span{heard.held}.first(6));
    if (const auto port = port_of({heard.guest.vni, *to})) all.push_back(*port);
    return all;
  }
  for (const auto& port : datapath_->ports())
    if (port.present && port.guest.vni == heard.guest.vni && port.index != heard.port)
      all.push_back(port.index);
  return all;
}

// In the name of the network's gateway, whom every guest knows.
void Agent::probe(const std::string& dev, const MacKey& guest, const IpAddress& ip) {
  const auto port = std::find_if(learning_ports_.begin(), learning_ports_.end(),
                                 [&](const auto& one) { return one.second == dev; });
  const auto router = routers_.find(guest.vni);
  if (port == learning_ports_.end() || router == routers_.end()) return;
  Datapath::GuestFrame frame{port->first, {}};
  if (ip.is_v6()) {
    const auto question = build_neighbour_solicitation(router->second.mac, guest.mac, ip);
    frame.frame.assign(question.begin(), question.end());
  } else {
    const auto gateways = gateways_near(guest.vni, ip);
    const auto asker_ip = gateways.empty() ? IpAddress::v4(0) : gateways.front();
    const auto question = build_arp_request({guest.mac, ip, router->second.mac, asker_ip});
    frame.frame.assign(question.begin(), question.end());
  }
  datapath_->deliver({&frame, 1});
}

// Of the subnet that the address is in.
std::vector<IpAddress> Agent::gateways_near(Vni vni, const IpAddress& ip) const {
  std::vector<IpAddress> all;
  for (const auto& settings : ports_.networks())
    for (const auto& subnet : settings.vni == vni ? settings.subnets : std::vector<Subnet>{})
      if (subnet.gateway && subnet.prefix.contains(ip)) all.push_back(*subnet.gateway);
  return all;
}

// Somebody may have the address who has not been heard: the question goes to all hosts. Guests of
// this one have had it, unless their port kept it back.
void Agent::seek_unheard(const IpBinding& binding) {
  if (binding.verdict != Verdict::kNotFound || !learning_.may_learn(binding.key)) return;
  const auto query = sought_.not_found(binding.key, std::chrono::steady_clock::now());
  if (!query) return;
  if (binding.key.ip.is_v4()) {
    const auto frame =
        build_arp_request({MacAddress::broadcast(), binding.key.ip, query->asker, *query->source});
    resolver_.carry(binding.key.vni, frame, actions_);
  } else {
    const auto frame = build_neighbour_question(query->asker, *query->source, binding.key.ip);
    resolver_.carry(binding.key.vni, frame, actions_);
  }
}

void Agent::on_learned(const std::string& dev) {
  save([this](const Status& status) {
    if (!status) on_trouble(status.error().message);
  });
  if (const auto* port = ports_.find(dev); port != nullptr && watcher_ != nullptr)
    watcher_->on_port(*port, false);
}

void Agent::on_refused(const std::string& dev, const std::string& why) {
  const auto now = std::chrono::steady_clock::now();
  auto& refusals = refusals_[dev];
  ++refusals.count;
  if (now < refusals.next) return;
  journal_.error(fmt::format("port {}: a guest is not learned: {} ({} refused since the last word)",
                             dev, why, refusals.count));
  refusals = {.count = 0, .next = now + kSameRefusalPause};
}

// Who is silent is asked whether it is there; who has sent something is not silent.
void Agent::watch_learned() {
  const auto now = std::chrono::steady_clock::now();
  learning_.on_time(now);
  if (now < activity_due_ || learning_ports_.empty()) return;
  activity_due_ = now + activity_interval(options_.learn_ageing);
  datapath_->senders([this](const Datapath::Senders& senders) {
    const auto then = std::chrono::steady_clock::now();
    for (const auto& [dev, all] : senders)
      for (const auto& sender : all) learning_.active(dev, sender.mac, sender.ip, then);
  });
}

}  // namespace dove::agent
