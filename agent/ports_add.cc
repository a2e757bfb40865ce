// How a port is added, step by step.
#include <fmt/format.h>

#include <utility>

#include "agent/ports.h"

namespace dove::agent {
namespace {

std::string owner_of(const Port& port) {
  return port.endpoint.empty() ? fmt::format("the port of network \"{}\"", port.network)
                               : fmt::format("the port of endpoint \"{}\"", port.endpoint);
}

bool is_same(const Port& port, const PortRequest& wanted) {
  return port.endpoint == wanted.endpoint &&
         (!port.endpoint.empty() || port.network == wanted.network);
}

}  // namespace

// What one `port add` has found out so far.
struct Ports::Adding {
  Port port;
  NetworkSettings network;
  bool had_network = false;
  bool remembered = false;  // no controller can be reached: it is as it was saved, until confirmed
};

void Ports::add(const PortRequest& wanted, Completion<Port> done) {
  serial_.add([this, wanted, done = std::move(done)](std::function<void()> over) {
    run_add(wanted, [done, over = std::move(over)](const Result<Port>& result) {
      done(result);
      over();
    });
  });
}

Status Ports::check_add(const PortRequest& wanted) const {
  const auto& dev = wanted.dev;
  const auto& endpoint = wanted.endpoint;
  if (endpoint.empty() == wanted.network.empty())
    return Error{ErrorCode::kInvalid, "a port is of an endpoint or of a network: expected one"};
  const Port* const there = find(dev);
  if (there != nullptr && !is_same(*there, wanted) && there->needs_network())
    return Error{ErrorCode::kExists, fmt::format("device \"{}\" is {}", dev, owner_of(*there))};
  for (const auto& [name, port] : ports_)
    if (!endpoint.empty() && port.endpoint == endpoint && name != dev && port.is_here())
      return Error{ErrorCode::kExists, fmt::format("endpoint \"{}\" is at device \"{}\" of this "
                                                   "host already",
                                                   endpoint, name)};
  return host_.check_device(dev);
}

void Ports::run_add(const PortRequest& wanted, Completion<Port> done) {
  const Port* const there = find(wanted.dev);
  if (there != nullptr && is_same(*there, wanted) && there->is_here()) {
    if (wanted.security.value_or(there->security) == there->security) return done(*there);
    return done(
        Error{ErrorCode::kExists, fmt::format("device \"{}\" is {} with security {}", wanted.dev,
                                              owner_of(*there), there->security ? "on" : "off")});
  }
  if (const auto status = check_add(wanted); !status) return done(status.error());
  const auto adding =
      std::make_shared<Adding>(Adding{.port = {.dev = wanted.dev,
                                               .endpoint = wanted.endpoint,
                                               .network = wanted.network,
                                               .vni = *Vni::from(1),
                                               .security = wanted.security.value_or(true)},
                                      .network = {.vni = *Vni::from(1)}});
  run_steps(
      {wanted.endpoint.empty() ? learning_step(adding) : prepare_step(adding), clear_step(adding),
       network_step(adding), port_step(adding), activate_step(adding), record_step(adding)},
      [adding, done = std::move(done)](const Status& status) {
        status ? done(adding->port) : done(status.error());
      });
}

Step Ports::prepare_step(const std::shared_ptr<Adding>& adding) {
  const auto run = [this, adding](Completion<void> done) {
    directory_.prepare(adding->port.endpoint, [this, adding, done](const auto& prepared) {
      if (!prepared && prepared.error().code == ErrorCode::kUnavailable && remember(*adding))
        return done({});
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

// Of a network that does not learn nobody behind the port would ever be heard.
Step Ports::learning_step(const std::shared_ptr<Adding>& adding) {
  const auto run = [this, adding](Completion<void> done) {
    directory_.join(adding->port.network, [this, adding, done](const auto& joined) {
      if (!joined) return done(joined.error());
      adding->network = *joined;
      adding->port.vni = joined->vni;
      if (joined->learn) return done({});
      if (!networks_.contains(joined->vni)) directory_.leave(joined->vni, [](const Status&) {});
      done(Error{ErrorCode::kConflict,
                 fmt::format("network \"{0}\" does not learn who is behind a port: name an "
                             "endpoint, or let it learn (dovectl network set {0} learn on)",
                             joined->name)});
    });
  };
  return {.run = run, .undo = nullptr};
}

// The endpoint's port had a device that has gone: after a reboot a guest's may have another name.
bool Ports::remember(Adding& adding) {
  const Port* before = find_endpoint(adding.port.endpoint);
  const auto deleted = deleted_.find(adding.port.endpoint);
  if (before == nullptr && deleted != deleted_.end()) before = &deleted->second;
  const auto network = before == nullptr ? networks_.end() : networks_.find(before->vni);
  if (network == networks_.end() || before->state != Port::State::kAbsent) return false;
  const Port asked = std::exchange(adding.port, *before);
  adding.port.dev = asked.dev;
  adding.port.security = asked.security;
  adding.network = network->second.settings;
  adding.remembered = true;
  return true;
}

// What is left of an earlier port of the device, and of one of the endpoint whose device has gone,
// goes before there is a new one.
Step Ports::clear_step(const std::shared_ptr<Adding>& adding) {
  const auto run = [this, adding](const Completion<void>& done) {
    const auto forget_absent = [this](const Port* there, const Completion<void>& then) {
      if (there == nullptr || there->state != Port::State::kAbsent) return then({});
      forget_port(there->dev, then);
    };
    forget_absent(find(adding->port.dev), [=, this](const Status& status) {
      status ? forget_absent(find_endpoint(adding->port.endpoint), done) : done(status);
    });
  };
  return {.run = run, .undo = nullptr};
}

Step Ports::network_step(const std::shared_ptr<Adding>& adding) {
  const auto run = [this, adding](const Completion<void>& done) {
    const auto vni = adding->port.vni;
    adding->had_network = networks_.contains(vni);
    if (auto status = host_.add_network(vni); !status) return done(status);
    use_network(adding->network, adding->port.dev);
    if (adding->had_network || adding->remembered) return done({});
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
  const auto run = [this, adding](const Completion<void>& done) {
    auto& port = adding->port;
    if (adding->remembered || port.endpoint.empty()) return done({});
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
    adding->port.state = adding->remembered ? Port::State::kPending : Port::State::kActive;
    record(adding->port);
    host_.save([this, adding, done](const Status& status) {
      if (!status) erase(adding->port.dev);
      done(status);
    });
  };
  return {.run = run, .undo = nullptr};
}

void Ports::record(const Port& port) {
  // What remains of the endpoint at a device where it is lost.
  if (Port* const other = find_endpoint(port.endpoint); other != nullptr && other->dev != port.dev)
    forget_port(other->dev, [](const Status&) {});
  drop_owed(port.endpoint);
  forget_deleted(port.endpoint);
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

}  // namespace dove::agent
