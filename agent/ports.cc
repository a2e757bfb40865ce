#include "agent/ports.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace dove::agent {
namespace {

// Calls `done` when it was itself called `count` times; at once when that is none.
std::function<void()> after(std::size_t count, std::function<void()> done) {
  if (count == 0) {
    done();
    return [] {};
  }
  return [left = std::make_shared<std::size_t>(count), done = std::move(done)] {
    if (--*left == 0) done();
  };
}

bool is_here(const Port& port) {
  return port.state == Port::State::kActive || port.state == Port::State::kPending;
}

// Whether it counts among the users of its network.
bool needs_network(const Port& port) { return port.state != Port::State::kLost; }

}  // namespace

// What one `port add` has found out so far.
struct Ports::Adding {
  Port port;
  NetworkSettings network;
  bool had_network = false;
};

Ports::Ports(Directory& directory, PortHost& host) : directory_{directory}, host_{host} {}

// --- port add

void Ports::add(const PortRequest& wanted, Completion<Port> done) {
  serial_.add([this, wanted, done = std::move(done)](std::function<void()> over) {
    run_add(wanted, [done, over = std::move(over)](const Result<Port>& result) {
      done(result);
      over();
    });
  });
}

Status Ports::check_add(const PortRequest& wanted) const {
  const auto& [dev, endpoint, security] = wanted;
  const Port* const there = find(dev);
  if (there != nullptr && there->endpoint != endpoint && needs_network(*there))
    return Error{ErrorCode::kExists,
                 fmt::format("device \"{}\" is the port of endpoint \"{}\"", dev, there->endpoint)};
  for (const auto& [name, port] : ports_)
    if (port.endpoint == endpoint && name != dev && is_here(port))
      return Error{ErrorCode::kExists, fmt::format("endpoint \"{}\" is at device \"{}\" of this "
                                                   "host already",
                                                   endpoint, name)};
  return host_.check_device(dev);
}

void Ports::run_add(const PortRequest& wanted, Completion<Port> done) {
  const Port* const there = find(wanted.dev);
  if (there != nullptr && there->endpoint == wanted.endpoint && is_here(*there)) {
    if (wanted.security.value_or(there->security) == there->security) return done(*there);
    return done(Error{ErrorCode::kExists,
                      fmt::format("device \"{}\" is the port of endpoint \"{}\" with security {}",
                                  wanted.dev, wanted.endpoint, there->security ? "on" : "off")});
  }
  if (const auto status = check_add(wanted); !status) return done(status.error());
  const auto adding =
      std::make_shared<Adding>(Adding{.port = {.dev = wanted.dev,
                                               .endpoint = wanted.endpoint,
                                               .network = {},
                                               .vni = *Vni::from(1),
                                               .security = wanted.security.value_or(true)},
                                      .network = {.vni = *Vni::from(1)}});
  run_steps({prepare_step(adding), clear_step(adding), network_step(adding), port_step(adding),
             activate_step(adding), record_step(adding)},
            [adding, done = std::move(done)](const Status& status) {
              status ? done(adding->port) : done(status.error());
            });
}

Step Ports::prepare_step(const std::shared_ptr<Adding>& adding) {
  const auto run = [this, adding](Completion<void> done) {
    directory_.prepare(adding->port.endpoint, [adding, done](const auto& prepared) {
      if (!prepared) return done(prepared.error());
      adding->network = prepared->network;
      auto& port = adding->port;
      port.network = prepared->network.name;
      port.vni = prepared->attachment.vni;
      port.mac = prepared->attachment.mac;
      port.ips = prepared->attachment.ips;
      port.shared_ips = prepared->attachment.shared_ips;
      port.generation = prepared->attachment.generation;
      done({});
    });
  };
  return {.run = run, .undo = nullptr};
}

// What is left of an earlier port of the device goes before there is a new one.
Step Ports::clear_step(const std::shared_ptr<Adding>& adding) {
  const auto run = [this, adding](Completion<void> done) {
    const Port* const there = find(adding->port.dev);
    if (there == nullptr || there->state != Port::State::kAbsent) return done({});
    forget_port(adding->port.dev, std::move(done));
  };
  return {.run = run, .undo = nullptr};
}

Step Ports::network_step(const std::shared_ptr<Adding>& adding) {
  const auto run = [this, adding](const Completion<void>& done) {
    const auto vni = adding->port.vni;
    adding->had_network = networks_.contains(vni);
    if (auto status = host_.add_network(vni); !status) return done(status);
    use_network(adding->network, adding->port.dev);
    if (adding->had_network) return done({});
    directory_.join(vni, [this, adding, vni, done](const auto& joined) {
      if (!joined) release_network(vni, adding->port.dev);
      joined ? done({}) : done(joined.error());
    });
  };
  const auto undo = [this, adding](const std::function<void()>& done) {
    release_network(adding->port.vni, adding->port.dev);
    done();
  };
  return {.run = run, .undo = undo};
}

Step Ports::port_step(const std::shared_ptr<Adding>& adding) {
  const auto run = [this, adding](Completion<void> done) {
    host_.add_port(adding->port, std::move(done));
  };
  const auto undo = [this, adding](const std::function<void()>& done) {
    host_.remove_port(adding->port.dev, adding->port.guest(), [this, done](const Status& status) {
      if (!status) host_.on_trouble(status.error().message);
      done();
    });
  };
  return {.run = run, .undo = undo};
}

Step Ports::activate_step(const std::shared_ptr<Adding>& adding) {
  const auto run = [this, adding](Completion<void> done) {
    auto& port = adding->port;
    directory_.activate(port.endpoint, port.generation, [this, adding, done](const auto& active) {
      auto& added = adding->port;
      if (active) take_active(added, *active);
      // It may have been done though nobody could tell us.
      if (!active && active.error().code == ErrorCode::kUnavailable)
        owe_detach(added.endpoint, added.generation + 1);
      active ? done({}) : done(active.error());
    });
  };
  const auto undo = [this, adding](std::function<void()> done) {
    detach(adding->port.endpoint, adding->port.generation, std::move(done));
  };
  return {.run = run, .undo = undo};
}

// Its addresses may have changed since it was prepared.
void Ports::take_active(Port& port, const Attachment& active) {
  port.generation = active.generation;
  if (std::exchange(port.ips, active.ips) != active.ips) host_.set_addresses(port);
}

Step Ports::record_step(const std::shared_ptr<Adding>& adding) {
  const auto run = [this, adding](Completion<void> done) {
    adding->port.state = Port::State::kActive;
    record(adding->port);
    host_.save([this, adding, done](const Status& status) {
      if (!status) erase(adding->port.dev);
      done(status);
    });
  };
  return {.run = run, .undo = nullptr};
}

void Ports::record(const Port& port) {
  // What remains of the endpoint at a device that has gone.
  if (Port* const other = find_endpoint(port.endpoint); other != nullptr && other->dev != port.dev)
    forget_port(other->dev, [](const Status&) {});
  std::erase_if(owed_, [&](const auto& owed) { return owed.endpoint == port.endpoint; });
  ports_.insert_or_assign(port.dev, port);
  host_.on_port(port, false);
}

void Ports::erase(const std::string& dev) {
  const auto found = ports_.find(dev);
  if (found == ports_.end()) return;
  const Port port = std::move(found->second);
  ports_.erase(found);
  host_.on_port(port, true);
}

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
  forget_port(dev, [this, done = std::move(done)](const Status& status) {
    if (!status) return done(status);
    host_.save(done);
  });
}

// Takes the port away from the host, the list and the controller, in this order: what is off the
// list is not confirmed again.
void Ports::forget_port(const std::string& dev, Completion<void> done) {
  const Port port = ports_.at(dev);
  const auto rest = [this, port, done](const Status& status) {
    if (!status) return done(status);
    erase(port.dev);
    const auto last = [this, port, done] {
      release_network(port.vni, port.dev);
      done({});
    };
    is_here(port) ? detach(port.endpoint, port.generation, last) : last();
  };
  if (port.state == Port::State::kLost) return rest({});
  host_.remove_port(dev, port.guest(), rest);
}

void Ports::detach(const std::string& endpoint, std::uint64_t generation,
                   std::function<void()> done) {
  directory_.detach(endpoint, generation, [=, this](const Status& status) {
    // Any other refusal means that it is not ours any more: what we want.
    if (!status && status.error().code == ErrorCode::kUnavailable) owe_detach(endpoint, generation);
    done();
  });
}

void Ports::owe_detach(const std::string& endpoint, std::uint64_t generation) {
  owed_.push_back({.endpoint = endpoint, .generation = generation});
  save_soon();
}

void Ports::pay_detaches() {
  for (const auto& owed : std::exchange(owed_, {})) detach(owed.endpoint, owed.generation, [] {});
  save_soon();
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
  if (const auto* there = find_network(network); there != nullptr && there->by_command)
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
    host_.save([done, vni](const Status& saved) { saved ? done(vni) : done(saved.error()); });
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
  auto* const there = find_network(network);
  if (there == nullptr || !there->by_command)
    return done(Error{ErrorCode::kNotFound,
                      fmt::format("this host has not joined network \"{}\"", network)});
  const auto vni = there->settings.vni;
  there->by_command = false;
  drop_if_unused(vni);
  host_.save([done = std::move(done), vni](const Status& saved) {
    saved ? done(vni) : done(saved.error());
  });
}

void Ports::on_network(const NetworkSettings& settings) {
  if (networks_.contains(settings.vni)) use_network(settings, "");
}

// --- at start

void Ports::restore(const State& saved, std::function<void()> done) {
  serial_.add([this, saved, done = std::move(done)](const std::function<void()>& over) {
    owed_ = saved.detached;
    for (const auto& network : saved.joined) {
      restore_network(network.name, network.vni);
      networks_.at(network.vni).by_command = true;
    }
    const auto one = after(saved.ports.size(), [done, over] {
      done();
      over();
    });
    for (const auto& port : saved.ports) restore_port(port, one);
  });
}

void Ports::restore_network(const std::string& name, Vni vni) {
  use_network({.vni = vni, .name = name}, "");
  if (const auto status = host_.add_network(vni); !status)
    host_.on_trouble(fmt::format("network \"{}\": {}", name, status.error().message));
}

void Ports::restore_port(const SavedPort& saved, std::function<void()> done) {
  restore_network(saved.network, saved.vni);
  const Port restored{.dev = saved.dev,
                      .endpoint = saved.endpoint,
                      .network = saved.network,
                      .vni = saved.vni,
                      .mac = saved.mac,
                      .ips = saved.ips,
                      .shared_ips = {},
                      .state = Port::State::kAbsent,
                      .generation = saved.generation,
                      .security = saved.security};
  auto& port = ports_.insert_or_assign(saved.dev, restored).first->second;
  networks_.at(saved.vni).devices.insert(saved.dev);
  if (host_.check_device(saved.dev)) return put_back(port, std::move(done));
  owe_detach(port.endpoint, port.generation);
  host_.on_port(port, false);
  done();
}

// Makes the device the port that it was.
void Ports::put_back(Port& port, std::function<void()> done) {
  if (const auto status = host_.add_network(port.vni); !status) {
    host_.on_trouble(fmt::format("port \"{}\": {}", port.dev, status.error().message));
    return done();
  }
  host_.add_port(port, [this, &port, done](const Status& status) {
    if (!status) host_.on_trouble(fmt::format("port \"{}\": {}", port.dev, status.error().message));
    set_state(port, status ? Port::State::kPending : Port::State::kAbsent);
    done();
  });
}

// --- sessions

void Ports::on_session_ready() {
  serial_.add([this](std::function<void()> over) {
    pay_detaches();
    const auto one = after(networks_.size(), [this, over] { confirm_all(over); });
    // A copy: a reply may take a network away.
    std::vector<Vni> vnis;
    for (const auto& [vni, network] : networks_) vnis.push_back(vni);
    for (const auto vni : vnis) rejoin(vni, one);
  });
}

void Ports::rejoin(Vni vni, std::function<void()> done) {
  directory_.join(vni, [this, vni, done](const Result<NetworkSettings>& joined) {
    const auto found = networks_.find(vni);
    if (joined && found != networks_.end()) {
      found->second.settings = *joined;
      host_.on_settings(*joined);
    }
    if (!joined && joined.error().code != ErrorCode::kUnavailable)
      host_.on_trouble(
          fmt::format("cannot join network {}: {}", vni.value(), joined.error().message));
    done();
  });
}

void Ports::confirm_all(std::function<void()> done) {
  std::vector<std::string> here;
  for (const auto& [dev, port] : ports_)
    if (is_here(port)) here.push_back(dev);
  const auto one = after(here.size(), std::move(done));
  for (const auto& dev : here) confirm(dev, one);
}

// Within a job of serial_, so the port stays in the list until `done`.
void Ports::confirm(const std::string& dev, std::function<void()> done) {
  auto& port = ports_.at(dev);
  directory_.prepare(port.endpoint, [this, &port, done](const Result<Directory::Prepared>& reply) {
    if (reply) return judge(port, *reply, done);
    if (reply.error().code == ErrorCode::kUnavailable) return done();
    lose(port, reply.error().message, done);
  });
}

void Ports::judge(Port& port, const Directory::Prepared& prepared, std::function<void()> done) {
  const auto& now = prepared.attachment;
  if (now.vni != port.vni || now.mac != port.mac)
    return lose(port, "its network or MAC address was changed", std::move(done));
  readdress(port, now);
  port.network = prepared.network.name;
  if (now.state != Attachment::State::kActive)
    return activate_again(port, now.generation, std::move(done));
  if (now.host != host_.self()) return lose(port, "it is active at another host", std::move(done));
  settle(port, now.generation);
  done();
}

void Ports::activate_again(Port& port, std::uint64_t generation, std::function<void()> done) {
  directory_.activate(port.endpoint, generation, [this, &port, done](const auto& active) {
    if (!active && active.error().code != ErrorCode::kUnavailable)
      return lose(port, active.error().message, done);
    if (active) settle(port, active->generation);
    done();
  });
}

void Ports::settle(Port& port, std::uint64_t generation) {
  if (port.generation != generation) save_soon();
  port.generation = generation;
  set_state(port, Port::State::kActive);
}

void Ports::readdress(Port& port, const Attachment& now) {
  port.shared_ips = now.shared_ips;
  if (std::exchange(port.ips, now.ips) == now.ips) return;
  host_.set_addresses(port);
  host_.on_port(port, false);
  save_soon();
}

void Ports::on_readdressed(const Attachment& attachment) {
  serial_.add([this, attachment](const std::function<void()>& over) {
    Port* const port = find_endpoint(attachment.endpoint);
    const bool current = port != nullptr && is_here(*port) && port->mac == attachment.mac &&
                         attachment.generation >= port->generation;
    if (current) readdress(*port, attachment);
    over();
  });
}

void Ports::on_lost(const Attachment& attachment) {
  serial_.add([this, attachment](const std::function<void()>& over) {
    Port* const port = find_endpoint(attachment.endpoint);
    const bool ours =
        attachment.state == Attachment::State::kActive && attachment.host == host_.self();
    if (port == nullptr || !is_here(*port) || ours || attachment.generation < port->generation)
      return over();
    const bool moved = attachment.state == Attachment::State::kActive;
    lose(*port, moved ? "it is active at another host" : "it was deleted or detached", over);
  });
}

void Ports::lose(Port& port, const std::string& why, std::function<void()> done) {
  host_.on_trouble(
      fmt::format("port \"{}\" lost endpoint \"{}\": {}", port.dev, port.endpoint, why));
  host_.remove_port(port.dev, port.guest(), [this, &port, done](const Status& status) {
    if (!status) host_.on_trouble(status.error().message);
    set_state(port, Port::State::kLost);
    release_network(port.vni, port.dev);
    save_soon();
    done();
  });
}

// --- devices

void Ports::on_device_gone(const std::string& dev) {
  serial_.add([this, dev](std::function<void()> over) {
    const auto found = ports_.find(dev);
    if (found == ports_.end() || !is_here(found->second)) return over();
    auto& port = found->second;
    set_state(port, Port::State::kAbsent);
    host_.set_local(port.guest(), false);
    detach(port.endpoint, port.generation, std::move(over));
  });
}

void Ports::on_device_back(const std::string& dev, bool is_port) {
  serial_.add([this, dev, is_port](const std::function<void()>& over) {
    const auto found = ports_.find(dev);
    if (found == ports_.end() || found->second.state != Port::State::kAbsent) return over();
    auto& port = found->second;
    const auto rest = [this, &port, over] {
      if (!is_here(port)) return over();
      std::erase_if(owed_, [&](const auto& owed) { return owed.endpoint == port.endpoint; });
      confirm(port.dev, over);
    };
    if (!is_port) return put_back(port, rest);
    host_.set_local(port.guest(), true);
    set_state(port, Port::State::kPending);
    rest();
  });
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

const Port* Ports::find(const MacKey& guest) const {
  const auto found = std::find_if(ports_.begin(), ports_.end(), [&](const auto& port) {
    return port.second.guest() == guest && is_here(port.second);
  });
  return found == ports_.end() ? nullptr : &found->second;
}

Port* Ports::find_endpoint(const std::string& endpoint) {
  for (auto& [dev, port] : ports_)
    if (port.endpoint == endpoint) return &port;
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

const std::string& Ports::network_name(Vni vni) const {
  static const std::string kNone;
  const auto found = networks_.find(vni);
  return found == networks_.end() ? kNone : found->second.settings.name;
}

State Ports::state(const StorePoint& store) const {
  State all{.store = store, .ports = {}, .joined = {}, .detached = owed_};
  for (const auto& [dev, port] : ports_)
    if (needs_network(port))
      all.ports.push_back({.dev = dev,
                           .endpoint = port.endpoint,
                           .network = port.network,
                           .vni = port.vni,
                           .mac = port.mac,
                           .ips = port.ips,
                           .generation = port.generation,
                           .security = port.security});
  for (const auto& [vni, network] : networks_)
    if (network.by_command) all.joined.push_back({.name = network.settings.name, .vni = vni});
  return all;
}

}  // namespace dove::agent
