#include <fmt/format.h>

#include <algorithm>

#include "agent/datapath/datapath_state.h"

namespace dove::agent {
namespace {

std::optional<GuestIdentity> identity(const MacAddress& mac, const OwnAddresses& own) {
  if (!own) return std::nullopt;
  return GuestIdentity{mac, *own};
}

}  // namespace

void Datapath::State::add_port(const std::string& name, const MacKey& guest, const Behind& behind,
                               PortDone done) {
  const auto later = [this, &done](Result<DatapathPort> result) {
    asio::post(io, [done = std::move(done), result = std::move(result)] { done(result); });
  };
  if (const auto known = ports.find(name); known != ports.end()) {
    if (known->second.ready && known->second.shown.guest == guest)
      return later(known->second.shown);
    return later(Error{ErrorCode::kConflict, fmt::format("{} is the port of {} in network {}", name,
                                                         known->second.shown.guest.mac.to_string(),
                                                         known->second.shown.guest.vni.value())});
  }
  const auto* overlay = devices.find(guest.vni);
  if (overlay == nullptr)
    return later(Error{ErrorCode::kNotFound,
                       fmt::format("network {} is not on this host", guest.vni.value())});
  auto device = parts.guest_ports.take(name, *overlay, parts.underlay);
  if (!device) return later(device.error());
  const auto walled =
      parts.walls->number_port(name, guest.vni, identity(guest.mac, behind.own), behind.learned);
  if (!walled) {
    (void)parts.guest_ports.give_back(*device);
    return later(walled.error());
  }
  Port& port = ports[name];
  port.shown = {name, device->index, guest, mark_of(walled->number), false};
  port.device = std::move(*device);
  port.secured = behind.own.has_value() || behind.learned.has_value();
  port.learned = behind.learned;
  wall_port(*walled, [weak = weak_from_this(), name, done = std::move(done)](const Status& status) {
    if (const auto self = weak.lock()) self->walls_stand(name, status, done);
  });
}

void Datapath::State::wall_port(const WalledPort& port, Done done) {
  parts.walls->wall_port(port, or_renew(std::move(done)));
}

// Somebody may just have taken away what stands behind: then all of them are made again.
Datapath::Done Datapath::State::or_renew(Done done) {
  return [weak = weak_from_this(), done = std::move(done)](const Status& status) {
    const auto self = weak.lock();
    if (self && !status)
      self->parts.walls->renew(done);
    else
      done(status);
  };
}

void Datapath::State::set_own(const std::string& name, const std::vector<IpAddress>& own,
                              Done done) {
  const auto found = ports.find(name);
  if (found == ports.end()) return asio::post(io, [done = std::move(done)] { done({}); });
  const auto& guest = found->second.shown.guest;
  const auto walled = parts.walls->number_port(name, guest.vni, identity(guest.mac, own));
  wall_port(*walled, or_when_renewed(std::move(done)));
}

GuestPorts::Guests Datapath::State::guests_of(const Port& port) {
  GuestPorts::Guests guests{.macs = {}, .secured = port.secured, .one = !port.learned};
  if (!port.shown.guest.mac.is_zero()) guests.macs.push_back(port.shown.guest.mac);
  for (const auto& guest : port.learned.value_or(std::vector<GuestIdentity>{}))
    guests.macs.push_back(guest.mac);
  return guests;
}

// Who leaves is out at once, by the bridge; who comes is in when the walls say so.
void Datapath::State::set_learned(const std::string& name, std::vector<GuestIdentity> learned,
                                  Done done) {
  const auto found = ports.find(name);
  if (found == ports.end() || !found->second.learned)
    return asio::post(io, [done = std::move(done)] { done({}); });
  Port& port = found->second;
  auto gone = guests_of(port).macs;
  port.learned = std::move(learned);
  const auto now = guests_of(port).macs;
  std::erase_if(
      gone, [&](const auto& mac) { return std::find(now.begin(), now.end(), mac) != now.end(); });
  std::erase_if(port.sent, [&](const auto& one) {
    return std::find(gone.begin(), gone.end(), one.first.first) != gone.end();
  });
  if (port.shown.present)
    if (auto status = parts.guest_ports.change_guests(port.device, now, gone); !status)
      trouble(status.error().message);
  wall_port(*parts.walls->number_port(name, port.shown.guest.vni, std::nullopt, port.learned),
            or_when_renewed(std::move(done)));
}

// The counts begin anew whenever the walls are made again.
Datapath::Senders Datapath::State::take_activity(const Walls::Activity& activity) {
  Senders senders;
  for (const auto& [name, guests] : activity) {
    const auto found = ports.find(name);
    if (found == ports.end() || !found->second.learned) continue;
    for (const auto& [mac, ip, packets] : guests) {
      auto& before = found->second.sent[{mac, ip}];
      if (std::exchange(before, packets) != packets && packets != 0)
        senders[name].push_back({mac, ip});
    }
  }
  return senders;
}

void Datapath::State::walls_stand(const std::string& name, const Status& walled,
                                  const PortDone& done) {
  const auto found = ports.find(name);
  if (found == ports.end())
    return done(Error{ErrorCode::kConflict, fmt::format("{} was removed meanwhile", name)});
  Port& port = found->second;
  const Status up = walled ? bring_up(port) : walled;
  if (up) {
    port.ready = true;
    return done(port.shown);
  }
  drop_port(name);
  parts.walls->remove_port(name, [](const Status&) {});
  done(up.error());
}

// Precondition: its walls stand.
Status Datapath::State::bring_up(Port& port) {
  const MacKey& guest = port.shown.guest;
  const auto* overlay = devices.find(guest.vni);
  if (overlay == nullptr)
    return Error{ErrorCode::kNotFound,
                 fmt::format("network {} is not on this host", guest.vni.value())};
  const KernelChange local = SetLocalFdb{guest};
  const bool nobody = guest.mac.is_zero();
  if (const auto refused =
          nobody ? std::vector<RefusedChange>{} : parts.programmer.apply({&local, 1});
      !refused.empty())
    return Error{ErrorCode::kSystem,
                 fmt::format("cannot make {} known as a guest of this host: {}",
                             guest.mac.to_string(), refused[0].error.message()),
                 refused[0].error.value()};
  if (auto status = parts.guest_ports.connect(port.device, *overlay, guests_of(port), mtu.largest);
      !status)
    return status;
  port.shown.index = port.device.index;
  port.shown.present = true;
  parts.log.add_port(port.device.index, guest.vni);
  const auto link = links->find(port.device.index);
  port.running = link && link->running;
  query_port(port);
  return {};
}

// Gives the device back, if it is there, and forgets the port; its walls are the caller's.
void Datapath::State::drop_port(const std::string& name) {
  const auto found = ports.find(name);
  const Port port = std::move(found->second);
  ports.erase(found);
  parts.log.remove_port(port.shown.index);
  parts.querier.remove(port.shown.index);
  if (const auto link = links->find(port.device.index); !link || link->name != name) return;
  if (auto status = parts.guest_ports.give_back(port.device); !status)
    trouble(status.error().message);
}

void Datapath::State::remove_port(const std::string& name, Done done) {
  if (ports.count(name) == 0) {
    asio::post(io, [name, done = std::move(done)] {
      done(Error{ErrorCode::kNotFound, fmt::format("{} is not a port", name)});
    });
    return;
  }
  drop_port(name);
  parts.walls->remove_port(name, or_renew(std::move(done)));
}

// A port of an earlier doved that nobody asked for: off the bridge before its walls go.
void Datapath::State::abandon(const std::string& name) {
  const auto link = links->find(name);
  if (link && link->master && devices.network(*link->master)) {
    const GuestDevice device{.name = name, .index = link->index, .was_ours = true};
    if (auto status = parts.guest_ports.give_back(device); !status) trouble(status.error().message);
  }
  parts.walls->remove_port(name, [weak = weak_from_this()](const Status& status) {
    const auto self = weak.lock();
    if (!status && self) self->trouble(status.error().message);
  });
}

Datapath::State::Port* Datapath::State::port_by_index(IfIndex index) {
  for (auto& [name, port] : ports)
    if (port.shown.present && port.device.index == index) return &port;
  return nullptr;
}

std::vector<IfIndex> Datapath::State::ports_of(Vni vni) const {
  std::vector<IfIndex> list;
  for (const auto& [name, port] : ports)
    if (port.shown.present && port.shown.guest.vni == vni) list.push_back(port.device.index);
  return list;
}

void Datapath::State::port_link_changed(const netlink::Link& link) {
  if (Port* const port = port_by_index(link.index)) {
    if (link.name != port->shown.device) {  // renamed: its walls no longer know it
      (void)parts.guest_ports.give_back({.name = link.name, .index = link.index, .was_ours = true});
      port_link_gone(link.index);
    } else {
      put_back(*port);
      carrier_changed(*port, link.running);
    }
    return;
  }
  const auto named = ports.find(link.name);
  if (named == ports.end()) return listener.on_other_device(link.name);
  if (named->second.ready && !named->second.shown.present) port_returned(named->second);
}

// A bridge forgets who listens at a port without a carrier.
void Datapath::State::carrier_changed(Port& port, bool running) {
  if (!std::exchange(port.running, running) && running) query_port(port);
}

void Datapath::State::port_link_gone(IfIndex index) {
  Port* const port = port_by_index(index);
  if (port == nullptr) return;
  port->shown.present = false;
  parts.log.remove_port(index);
  parts.querier.remove(index);
  listener.on_port_gone(port->shown.device);
}

// A device of the port's name is there again; its walls have stood all the time.
void Datapath::State::port_returned(Port& port) {
  if (!has_devices(port.shown.guest.vni)) return;  // remake_network() comes back to it
  const auto* overlay = devices.find(port.shown.guest.vni);
  auto device = parts.guest_ports.take(port.shown.device, *overlay, parts.underlay);
  if (!device) return trouble(device.error().message);
  port.device = std::move(*device);
  if (auto status = bring_up(port); !status) {
    (void)parts.guest_ports.give_back(port.device);
    return trouble(status.error().message);
  }
  listener.on_port_back(port.shown.device, port.shown.index);
}

Result<std::vector<Difference>> Datapath::State::faults_of(const Port& port) {
  const auto* overlay = devices.find(port.shown.guest.vni);
  if (overlay == nullptr || !port.shown.present || !port.ready) return std::vector<Difference>{};
  const auto bridge_fdb = parts.guest_ports.bridge_fdb(*overlay);
  if (!bridge_fdb) return bridge_fdb.error();
  return parts.guest_ports.differences(port.device, *overlay, guests_of(port), mtu.largest,
                                       *bridge_fdb);
}

// What else is done so soon afterwards is found by the audit.
void Datapath::State::put_back(Port& port) {
  if (!has_devices(port.shown.guest.vni)) return;
  const auto faults = faults_of(port);
  if (!faults || faults->empty()) return;
  const auto now = Clock::now();
  if (now - port.put_back < kPutBackPause) return suspect(port.shown.guest.vni);
  port.put_back = now;
  put_right(fmt::format("{} by somebody else's doing: put right", faults->front().what));
  if (auto status = mend(port); !status) trouble(status.error().message);
}

Status Datapath::State::mend(Port& port) {
  if (auto status = bring_up(port); !status) return status;
  return parts.guest_ports.mend(port.device, *devices.find(port.shown.guest.vni), guests_of(port),
                                mtu.largest);
}

}  // namespace dove::agent
