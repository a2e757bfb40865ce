// What happens to ports without a command: a start, a session and what it tells, devices that come
// and go.
#include <fmt/format.h>

#include <utility>

#include "agent/ports.h"

namespace dove::agent {
namespace {

// What was saved of a network; of one that nobody described, its name.
NetworkSettings settings_of(const State& saved, Vni vni, const std::string& name) {
  for (const auto& network : saved.networks)
    if (network.settings.vni == vni) return network.settings;
  return {.vni = vni, .name = name};
}

Port restored(const SavedPort& saved) {
  return {.dev = saved.dev,
          .endpoint = saved.endpoint,
          .network = saved.network,
          .vni = saved.vni,
          .mac = saved.mac,
          .ips = saved.ips,
          .shared_ips = saved.shared_ips,
          .state = Port::State::kAbsent,
          .generation = saved.generation,
          .security = saved.security};
}

Port restored(const SavedLearningPort& saved) {
  return {.dev = saved.dev,
          .endpoint = {},
          .network = saved.network,
          .vni = saved.vni,
          .state = Port::State::kAbsent,
          .security = saved.security};
}

}  // namespace

// --- at start

void Ports::restore(const State& saved, std::function<void()> done) {
  serial_.add([this, saved, done = std::move(done)](const std::function<void()>& over) {
    owed_ = saved.detached;
    for (const auto& network : saved.joined) {
      restore_network(settings_of(saved, network.vni, network.name));
      networks_.at(network.vni).by_command = true;
    }
    // All of them, before anything has what there is saved anew.
    for (const auto& port : saved.ports) ports_.insert_or_assign(port.dev, restored(port));
    for (const auto& port : saved.learning) ports_.insert_or_assign(port.dev, restored(port));
    for (const auto& [dev, port] : ports_) {
      restore_network(settings_of(saved, port.vni, port.network));
      networks_.at(port.vni).devices.insert(dev);
    }
    const auto one = after(ports_.size(), [done, over] {
      done();
      over();
    });
    for (auto& [dev, port] : ports_) bring_back(port, one);
  });
}

// The devices first: settings are put to use where the network is.
void Ports::restore_network(const NetworkSettings& settings) {
  if (const auto status = host_.add_network(settings.vni); !status)
    host_.on_trouble(fmt::format("network \"{}\": {}", settings.name, status.error().message));
  use_network(settings, "");
}

void Ports::bring_back(Port& port, std::function<void()> done) {
  if (host_.check_device(port.dev)) return put_back(port, std::move(done));
  owe_detach(port.endpoint, port.generation);
  host_.on_port(port, false);
  done();
}

// Makes the device the port that it was. When that fails, as when the device goes meanwhile, the
// endpoint is not here.
void Ports::put_back(Port& port, std::function<void()> done) {
  const auto decide = [this, &port, done = std::move(done)](const Status& status) {
    port.problem = status ? std::string{} : status.error().message;
    set_state(port, status ? Port::State::kPending : Port::State::kAbsent);
    if (status) {
      owe_nothing(port.endpoint);
      return done();
    }
    host_.on_trouble(fmt::format("port \"{}\": {}", port.dev, status.error().message));
    detach(port.endpoint, port.generation, done);
  };
  if (const auto status = host_.add_network(port.vni); !status) return decide(status);
  host_.add_port(port, decide);
}

// --- sessions

void Ports::add_job(Serial::Job job, std::function<void()> done) {
  serial_.add([job = std::move(job), done = std::move(done)](std::function<void()> over) {
    job([done, over = std::move(over)] {
      if (done) done();
      over();
    });
  });
}

void Ports::on_session_ready(std::function<void()> done) {
  const auto confirm = [this](const std::function<void()>& over) {
    pay_detaches([this, over] { rejoin_all([this, over] { confirm_all(over); }); });
  };
  add_job(confirm, std::move(done));
}

void Ports::rejoin_all(std::function<void()> done) {
  const auto one = after(networks_.size(), std::move(done));
  // A copy: a reply may take a network away.
  std::vector<Vni> vnis;
  for (const auto& [vni, network] : networks_) vnis.push_back(vni);
  for (const auto vni : vnis) rejoin(vni, one);
}

void Ports::join_again(Vni vni) {
  serial_.add([this, vni](std::function<void()> over) {
    networks_.contains(vni) ? rejoin(vni, std::move(over)) : over();
  });
}

void Ports::confirm_again() {
  serial_.add([this](std::function<void()> over) { confirm_all(std::move(over)); });
}

void Ports::rejoin(Vni vni, std::function<void()> done) {
  directory_.join(vni, [this, vni, done](const Result<NetworkSettings>& joined) {
    const auto found = networks_.find(vni);
    if (found != networks_.end()) found->second.joined = joined.ok();
    if (joined && found != networks_.end()) {
      found->second.gone = false;
      found->second.settings = *joined;
      host_.on_settings(*joined);
    }
    if (!joined && joined.error().code == ErrorCode::kNotFound)
      end_network(vni);
    else if (!joined)
      not_kept(fmt::format("cannot join network {}", vni.value()), joined.error());
    done();
  });
}

void Ports::confirm_all(std::function<void()> done) {
  std::vector<std::string> here;
  for (const auto& [dev, port] : ports_)
    if (port.is_here()) here.push_back(dev);
  const auto one = after(here.size(), std::move(done));
  for (const auto& dev : here) confirm(dev, one);
}

// Within a job of serial_, so the port stays in the list until `done`.
void Ports::confirm(const std::string& dev, std::function<void()> done) {
  auto& port = ports_.at(dev);
  if (port.endpoint.empty()) {  // its network has been asked for again
    const auto& network = networks_.at(port.vni);
    if (network.gone) return lose(port, "its network was deleted", std::move(done));
    if (network.joined && directory_.connected()) set_state(port, Port::State::kActive);
    return done();
  }
  directory_.prepare(port.endpoint, [this, &port, done](const Result<Directory::Prepared>& reply) {
    if (reply) return judge(port, *reply, done);
    if (is_refusal(reply.error())) return lose(port, reply.error().message, done);
    not_kept(fmt::format("port \"{}\" is not confirmed", port.dev), reply.error());
    done();
  });
}

// It is tried again: by the next session, or, where it was the controller that could not keep it,
// by remind().
void Ports::not_kept(const std::string& what, const Error& why) {
  if (why.code == ErrorCode::kUnavailable) return;
  if (!is_refusal(why)) unkept_ = true;
  host_.on_trouble(fmt::format("{}: {}", what, why.message));
}

void Ports::judge(Port& port, const Directory::Prepared& prepared, std::function<void()> done) {
  const auto& now = prepared.attachment;
  if (now.vni != port.vni || now.mac != port.mac)
    return lose(port, "its network or MAC address was changed", std::move(done));
  readdress(port, now);
  port.network = prepared.network.name;
  if (now.state != Attachment::State::kActive)
    return activate_again(port, now.generation, std::move(done));
  if (now.host != host_.self()) return lose_to(now.host, port, std::move(done));
  settle(port, now.generation);
  done();
}

void Ports::activate_again(Port& port, std::uint64_t generation, std::function<void()> done) {
  directory_.activate(port.endpoint, generation, [this, &port, done](const auto& active) {
    if (!active && is_refusal(active.error())) return lose(port, active.error().message, done);
    if (active)
      settle(port, active->generation);
    else
      not_kept(fmt::format("port \"{}\" is not confirmed", port.dev), active.error());
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

void Ports::on_readdressed(const Attachment& attachment, std::function<void()> done) {
  const auto readdress_it = [this, attachment](const std::function<void()>& over) {
    Port* const port = find_endpoint(attachment.endpoint);
    const bool current = port != nullptr && port->is_here() && port->mac == attachment.mac &&
                         attachment.generation >= port->generation;
    if (current) readdress(*port, attachment);
    over();
  };
  add_job(readdress_it, std::move(done));
}

void Ports::on_lost(const Attachment& attachment, std::function<void()> done) {
  const auto lose_it = [this, attachment](const std::function<void()>& over) {
    Port* const port = find_endpoint(attachment.endpoint);
    const bool ours =
        attachment.state == Attachment::State::kActive && attachment.host == host_.self();
    if (port == nullptr || !port->is_here() || ours || attachment.generation < port->generation)
      return over();
    if (attachment.state == Attachment::State::kActive)
      return lose_to(attachment.host, *port, over);
    lose(*port, "it was deleted or detached", over);
  };
  add_job(lose_it, std::move(done));
}

void Ports::lose_to(HostId owner, Port& port, std::function<void()> done) {
  port.owner = host_.host_name(owner);
  lose(port,
       port.owner.empty() ? std::string{"it is active at another host"}
                          : fmt::format("it is active at host \"{}\"", port.owner),
       std::move(done));
}

void Ports::lose(Port& port, const std::string& why, std::function<void()> done) {
  host_.on_trouble(
      port.endpoint.empty()
          ? fmt::format("port \"{}\" lost network \"{}\": {}", port.dev, port.network, why)
          : fmt::format("port \"{}\" lost endpoint \"{}\": {}", port.dev, port.endpoint, why));
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
    if (found == ports_.end() || !found->second.is_here()) return over();
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
    const auto rest = [this, &port, over] { port.is_here() ? confirm(port.dev, over) : over(); };
    if (!is_port) return put_back(port, rest);
    host_.set_local(port.guest(), true);
    set_state(port, Port::State::kPending);
    owe_nothing(port.endpoint);
    rest();
  });
}

}  // namespace dove::agent
