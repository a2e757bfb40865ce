#include "agent/ports.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace dove::agent {

Ports::Ports(Directory& directory, PortHost& host) : directory_{directory}, host_{host} {}

// --- port del

void Ports::del(const std::string& dev, Completion<void> done) {
  serial_.add([this, dev, done = std::move(done)](std::function<void()> over) {
    run_del(dev, [done, over = std::move(over)](const Status& status) {
      done(status);
      over();
    });
  });
}

void Ports::run_del(const std::string& dev, Completion<void> done) {
  if (find(dev) == nullptr)
    return done(Error{ErrorCode::kNotFound, fmt::format("device \"{}\" is no port", dev)});
  leaving_ = dev;
  host_.save([this, dev, done = std::move(done)](const Status& saved) {
    if (!saved) {
      stay(dev);
      return done(saved);
    }
    forget_port(dev, [this, dev, done](const Status& status) {
      stay(dev);
      done(status);
    });
  });
}

// The port is saved as what it is from now on.
void Ports::stay(const std::string& dev) {
  if (leaving_ == dev) leaving_.clear();
  save_soon();
}

// Takes the port away from the host, the list and the controller, in this order: what is off the
// list is not confirmed again.
void Ports::forget_port(const std::string& dev, Completion<void> done) {
  const Port port = ports_.at(dev);
  const auto rest = [this, port, done](const Status& status) {
    if (!status) {
      // In part a port, and in part not: made one again, by and by.
      auto& there = ports_.at(port.dev);
      there.problem = status.error().message;
      set_state(there, Port::State::kAbsent);
      return done(status);
    }
    erase(port.dev);
    const auto last = [this, port, done] {
      keep_deleted(port);
      release_network(port.vni, port.dev);
      done({});
    };
    port.is_here() ? detach(port.endpoint, port.generation, last) : last();
  };
  if (port.state == Port::State::kLost) return rest({});
  host_.remove_port(dev, port.guest(), rest);
}

void Ports::detach(const std::string& endpoint, std::uint64_t generation,
                   std::function<void()> done) {
  if (endpoint.empty()) return done();  // who is behind such a port is Learning's
  directory_.detach(endpoint, generation, [=, this](const Status& status) {
    // Any other refusal means that it is not ours any more: what we want.
    if (!status && !is_refusal(status.error()))
      owe_detach(endpoint, generation);
    else
      forget_deleted(endpoint);
    done();
  });
}

void Ports::owe_detach(const std::string& endpoint, std::uint64_t generation) {
  if (endpoint.empty()) return;
  auto* const known = find_owed(endpoint);
  if (known != nullptr && known->generation >= generation) return;
  if (known != nullptr)
    known->generation = generation;
  else
    owed_.push_back({.endpoint = endpoint, .generation = generation});
  save_soon();
}

SavedDetach* Ports::find_owed(const std::string& endpoint) {
  const auto found = std::find_if(owed_.begin(), owed_.end(),
                                  [&](const auto& one) { return one.endpoint == endpoint; });
  return found == owed_.end() ? nullptr : &*found;
}

bool Ports::drop_owed(const std::string& endpoint) {
  return std::erase_if(owed_, [&](const auto& one) { return one.endpoint == endpoint; }) != 0;
}

// The endpoint is here again: neither now nor after a restart is it to be detached.
void Ports::owe_nothing(const std::string& endpoint) {
  if (drop_owed(endpoint)) save_soon();
}

// Only one of which the detach is owed.
void Ports::keep_deleted(const Port& port) {
  const auto network = networks_.find(port.vni);
  if (find_owed(port.endpoint) == nullptr || network == networks_.end()) return;
  network->second.deleted.insert(port.endpoint);
  deleted_.insert_or_assign(port.endpoint, port).first->second.state = Port::State::kAbsent;
}

void Ports::forget_deleted(const std::string& endpoint) {
  const auto found = deleted_.find(endpoint);
  if (found == deleted_.end()) return;
  const auto vni = found->second.vni;
  deleted_.erase(found);
  const auto network = networks_.find(vni);
  if (network == networks_.end()) return;
  network->second.deleted.erase(endpoint);
  drop_if_unused(vni);
}

// Not in the midst of a change, whose endpoint may be one of these.
void Ports::remind() {
  if (!directory_.connected() || !serial_.idle()) return;
  if (std::exchange(unkept_, false)) return on_session_ready();
  if (owed_.empty()) return;
  serial_.add([this](std::function<void()> over) { pay_detaches(std::move(over)); });
}

void Ports::pay_detaches(std::function<void()> done) {
  const auto owed = std::exchange(owed_, {});
  save_soon();
  const auto one = after(owed.size(), std::move(done));
  for (const auto& detached : owed) pay_detach(detached, one);
}

// What we have to say may be older than what is, by a word of ours whose answer was lost: then as
// long as the endpoint is said to be here it is not.
void Ports::pay_detach(const SavedDetach& owed, std::function<void()> done) {
  directory_.prepare(owed.endpoint, [this, owed, done = std::move(done)](const auto& now) {
    if (!now && !is_refusal(now.error())) {
      owe_detach(owed.endpoint, owed.generation);
      return done();
    }
    const bool here = now && now->attachment.state == Attachment::State::kActive &&
                      now->attachment.host == host_.self();
    if (here) return detach(owed.endpoint, now->attachment.generation, done);
    forget_deleted(owed.endpoint);
    done();
  });
}

// --- networks

void Ports::use_network(const NetworkSettings& settings, const std::string& dev) {
  auto& network = networks_.try_emplace(settings.vni, Network{.settings = settings}).first->second;
  if (!dev.empty()) network.devices.insert(dev);
  if (settings.revision < network.settings.revision) return;
  network.settings = settings;
  host_.on_settings(settings);
}

void Ports::release_network(Vni vni, const std::string& dev) {
  const auto found = networks_.find(vni);
  if (found == networks_.end()) return;
  found->second.devices.erase(dev);
  drop_if_unused(vni);
}

void Ports::drop_if_unused(Vni vni) {
  if (!networks_.at(vni).unused()) return;
  networks_.erase(vni);
  host_.remove_network(vni);
  directory_.leave(vni, [](const Status&) {});
}

void Ports::join(const std::string& network, Completion<Vni> done) {
  serial_.add([this, network, done = std::move(done)](std::function<void()> over) {
    run_join(network, [done, over = std::move(over)](const Result<Vni>& result) {
      done(result);
      over();
    });
  });
}

void Ports::run_join(const std::string& network, Completion<Vni> done) {
  if (const auto* there = find_network(network);
      there != nullptr && there->by_command && !there->gone)
    return done(there->settings.vni);
  directory_.join(network, [this, done = std::move(done)](const Result<NetworkSettings>& joined) {
    if (!joined) return done(joined.error());
    const auto vni = joined->vni;
    if (const auto status = host_.add_network(vni); !status) {
      if (!networks_.contains(vni)) directory_.leave(vni, [](const Status&) {});
      return done(status.error());
    }
    use_network(*joined, "");
    networks_.at(vni).by_command = true;
    host_.save([this, done, vni](const Status& saved) {
      if (saved) return done(vni);
      networks_.at(vni).by_command = false;
      drop_if_unused(vni);
      save_soon();
      done(saved.error());
    });
  });
}

void Ports::leave(const std::string& network, Completion<Vni> done) {
  serial_.add([this, network, done = std::move(done)](std::function<void()> over) {
    run_leave(network, [done, over = std::move(over)](const Result<Vni>& result) {
      done(result);
      over();
    });
  });
}

void Ports::run_leave(const std::string& network, Completion<Vni> done) {
  const auto found = std::find_if(networks_.begin(), networks_.end(), [&](const auto& one) {
    return one.second.by_command && one.second.settings.name == network;
  });
  auto* const there = found == networks_.end() ? nullptr : &found->second;
  if (there == nullptr)
    return done(Error{ErrorCode::kNotFound,
                      fmt::format("this host has not joined network \"{}\"", network)});
  const auto vni = there->settings.vni;
  there->leaving = true;
  host_.save([this, done = std::move(done), vni](const Status& saved) {
    auto& left = networks_.at(vni);
    left.leaving = false;
    left.by_command = !saved;
    if (!saved) save_soon();
    drop_if_unused(vni);
    saved ? done(vni) : done(saved.error());
  });
}

void Ports::on_network(const NetworkSettings& settings) {
  const auto found = networks_.find(settings.vni);
  if (found == networks_.end()) return;
  found->second.gone = false;
  use_network(settings, "");
}

void Ports::on_network_gone(Vni vni, std::function<void()> done) {
  end_network(vni);  // at once: what is said later of one with its VNI is of another
  add_job([this, vni](std::function<void()> over) { lose_ports_of(vni, std::move(over)); },
          std::move(done));
}

// Told once, not with each session.
void Ports::end_network(Vni vni) {
  const auto found = networks_.find(vni);
  if (found == networks_.end() || std::exchange(found->second.gone, true)) return;
  if (found->second.by_command)
    host_.on_trouble(
        fmt::format("network \"{0}\", which this host has joined, was deleted: to give "
                    "it up here, dovectl leave {0}",
                    found->second.settings.name));
}

// Those of endpoints are told with their endpoints.
void Ports::lose_ports_of(Vni vni, std::function<void()> done) {
  std::vector<std::string> lost;
  for (const auto& [dev, port] : ports_)
    if (port.vni == vni && port.endpoint.empty() && port.is_here()) lost.push_back(dev);
  const auto one = after(lost.size(), std::move(done));
  for (const auto& dev : lost) lose(ports_.at(dev), "its network was deleted", one);
}

// --- to show

void Ports::set_state(Port& port, Port::State state) {
  if (std::exchange(port.state, state) != state) host_.on_port(port, false);
}

void Ports::save_soon() {
  host_.save([this](const Status& status) {
    if (!status) host_.on_trouble(status.error().message);
  });
}

std::vector<Port> Ports::list() const {
  std::vector<Port> all;
  for (const auto& [dev, port] : ports_) all.push_back(port);
  return all;
}

const Port* Ports::find(const std::string& dev) const {
  const auto found = ports_.find(dev);
  return found == ports_.end() ? nullptr : &found->second;
}

Port* Ports::find_endpoint(const std::string& endpoint) {
  for (auto& [dev, port] : ports_)
    if (!endpoint.empty() && port.endpoint == endpoint) return &port;
  return nullptr;
}

Ports::Network* Ports::find_network(const std::string& name) {
  for (auto& [vni, network] : networks_)
    if (network.settings.name == name) return &network;
  return nullptr;
}

std::vector<NetworkSettings> Ports::networks() const {
  std::vector<NetworkSettings> all;
  for (const auto& [vni, network] : networks_) all.push_back(network.settings);
  return all;
}

const NetworkSettings* Ports::settings(Vni vni) const {
  const auto found = networks_.find(vni);
  return found == networks_.end() ? nullptr : &found->second.settings;
}

std::string Ports::release_command(Vni vni) const {
  const auto found = networks_.find(vni);
  if (found == networks_.end()) return {};
  const auto& network = found->second;
  if (network.devices.empty()) return "dovectl leave " + network.settings.name;
  return "dovectl port del " + *network.devices.begin();
}

const std::string& Ports::network_name(Vni vni) const {
  static const std::string kNone;
  const auto found = networks_.find(vni);
  return found == networks_.end() ? kNone : found->second.settings.name;
}

State Ports::state(const StorePoint& store) const {
  State all{.store = store, .ports = {}, .joined = {}, .detached = owed_};
  for (const auto& [dev, port] : ports_) {
    if (dev == leaving_ && port.is_here() && !port.endpoint.empty())
      all.detached.push_back({.endpoint = port.endpoint, .generation = port.generation});
    if (dev == leaving_ || !port.needs_network()) continue;
    if (port.endpoint.empty())
      all.learning.push_back(
          {.dev = dev, .network = port.network, .vni = port.vni, .security = port.security});
    else
      all.ports.push_back({.dev = dev,
                           .endpoint = port.endpoint,
                           .network = port.network,
                           .vni = port.vni,
                           .mac = port.mac,
                           .ips = port.ips,
                           .shared_ips = port.shared_ips,
                           .generation = port.generation,
                           .security = port.security});
  }
  for (const auto& [vni, network] : networks_)
    if (network.settings.revision != 0) all.networks.push_back({network.settings, {}});
  for (const auto& [vni, network] : networks_)
    if (network.by_command && !network.leaving)
      all.joined.push_back({.name = network.settings.name, .vni = vni});
  return all;
}

}  // namespace dove::agent
