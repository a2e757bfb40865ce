#include "controller/plan_internal.h"

namespace dove::controller {
namespace {

std::string place_of(const Endpoint& endpoint, const State& state) {
  if (!endpoint.active)
    return fmt::format("attached nowhere, with generation {}", endpoint.generation);
  return fmt::format("active at host \"{}\" with generation {}", state.host(endpoint.host)->name,
                     endpoint.generation);
}

// The owner is named to whoever comes with an older word.
Error outdated(const Endpoint& endpoint, std::uint64_t generation, const State& state) {
  return conflict(fmt::format("endpoint \"{}\" is {}, not {}", endpoint.name,
                              place_of(endpoint, state), generation));
}

const char* family_name(const Vtep& vtep) { return vtep.address.is_v4() ? "IPv4" : "IPv6"; }

// A device for tunnels over IPv4 reaches no VTEP of IPv6, nor the reverse; and each host guards the
// port that it knows, also in what its users send to others.
Status check_fabric(const Registration& host, const State& state) {
  for (const auto& [name, other] : state.hosts()) {
    if (name == host.name) continue;
    if (other.vtep.address.family() != host.vtep.address.family())
      return conflict(
          fmt::format("VTEP {} of host \"{}\" is {}, VTEP {} of host \"{}\" is {}: all hosts "
                      "need VTEPs of one family",
                      host.vtep.to_string(), host.name, family_name(host.vtep),
                      other.vtep.to_string(), name, family_name(other.vtep)));
    if (other.vtep.port != host.vtep.port)
      return conflict(
          fmt::format("host \"{}\" has its tunnels at UDP port {}, host \"{}\" at {}: all hosts "
                      "need one port",
                      host.name, host.vtep.port, name, other.vtep.port));
  }
  return {};
}

Status check_vtep(const Registration& host, const State& state) {
  if (auto status = check_fabric(host, state); !status) return status;
  for (const auto& [name, other] : state.hosts())
    if (name != host.name && other.vtep == host.vtep)
      return exists(
          fmt::format("VTEP {} is host \"{}\"'s, not host \"{}\"'s: if that host is no "
                      "more, delete it (dovectl host del {})",
                      host.vtep.to_string(), name, host.name, name));
  return {};
}

}  // namespace

Planned plan_host(const HostDel& del, const Surroundings& around, Draft& draft) {
  const auto* present = draft.state().host(del.name);
  if (present == nullptr) return unknown("host", del.name);
  const Host host = *present;
  if (around.is_connected(host.id))
    return conflict(fmt::format("host \"{}\" is connected: stop its doved first", del.name));
  forget_dynamic(draft.state().dynamic_at(host.id), draft);
  const Names attached = draft.state().endpoints_at(host.id);
  for (const auto& name : attached) {
    Endpoint endpoint = *draft.state().endpoint(name);
    endpoint.active = false;
    endpoint.host = {};
    ++endpoint.generation;  // the deleted host's own word is old from now on
    draft.put(endpoint);
  }
  draft.erase(host);
  return std::optional<Made>{};
}

Result<HostId> plan_registration(const Registration& host, Draft& draft) {
  const auto* present = draft.state().host(host.name);
  if (present != nullptr && present->vtep == host.vtep) return present->id;
  if (auto status = check_vtep(host, draft.state()); !status) return status.error();
  if (present != nullptr) {
    const auto id = present->id;
    draft.put(Host{host.name, id, host.vtep});
    return id;
  }
  const auto id = draft.state().last_host_id() + 1;
  draft.put(HostIdCounter{id});
  draft.put(Host{host.name, HostId{id}, host.vtep});
  return HostId{id};
}

Status plan_activation(HostId host, const std::string& name, std::uint64_t generation,
                       Draft& draft) {
  const auto* present = draft.state().endpoint(name);
  if (present == nullptr) return unknown("endpoint", name);
  if (present->dynamic)
    return conflict(fmt::format("endpoint \"{}\" is dynamic: it comes and goes by itself", name));
  if (present->active && present->host == host) return {};
  if (present->generation != generation) return outdated(*present, generation, draft.state());
  Endpoint endpoint = *present;
  endpoint.active = true;
  endpoint.host = host;
  ++endpoint.generation;
  draft.put(endpoint);
  return {};
}

Status plan_detachment(HostId host, const std::string& name, std::uint64_t generation,
                       Draft& draft) {
  const auto* present = draft.state().endpoint(name);
  if (present == nullptr) return unknown("endpoint", name);
  const bool here = present->active && present->host == host;
  if (present->generation != generation || (present->active && !here))
    return outdated(*present, generation, draft.state());
  if (!here) return {};
  Endpoint endpoint = *present;
  endpoint.active = false;
  endpoint.host = {};
  draft.put(endpoint);
  return {};
}

}  // namespace dove::controller
