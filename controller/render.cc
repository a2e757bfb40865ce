#include "controller/render.h"

#include "api/convert.h"

namespace dove::controller {
namespace {

void render(const Vtep& vtep, std::string* address, auto set_port) {
  api::set_bytes(address, vtep.address);
  set_port(vtep.port);
}

}  // namespace

void render(const Kept<Tenant>& tenant, v1::Tenant* message) {
  message->set_name(tenant.name);
  message->set_routing(tenant.routing_denied ? v1::Tenant::DENY : v1::Tenant::ALLOW);
  message->set_revision(tenant.revision);
}

void render(const Kept<Policy>& policy, v1::Policy* message) {
  message->set_tenant(policy.tenant);
  message->set_network(policy.network);
  message->set_other(policy.other);
  message->set_routing(policy.denied ? v1::Tenant::DENY : v1::Tenant::ALLOW);
  message->set_revision(policy.revision);
}

void render(const Kept<Network>& network, v1::Network* message) {
  message->set_name(network.name);
  message->set_tenant(network.tenant);
  message->set_vni(network.vni.value());
  for (const auto& subnet : network.subnets) api::write(subnet, message->add_subnets());
  message->set_learn(network.learn);
  message->set_revision(network.revision);
}

void render(const Kept<Endpoint>& endpoint, const State& state, v1::Endpoint* message) {
  message->set_name(endpoint.name);
  message->set_network(endpoint.network);
  if (const auto* network = state.network(endpoint.network)) message->set_tenant(network->tenant);
  message->set_vni(endpoint.vni.value());
  api::set_bytes(message->mutable_mac(), endpoint.mac);
  for (const auto& ip : state.ips_of(endpoint.name)) {
    const auto& address = *state.address({endpoint.vni, ip});
    const bool shared = address.kind == Address::Kind::kShared;
    if (shared) api::set_bytes(message->add_shared_ips(), ip);
    const auto* speaker = shared ? state.speaker_of(address) : nullptr;
    if (speaker != nullptr && speaker->name == endpoint.name)
      api::set_bytes(message->add_held_ips(), ip);
    if (address.kind == Address::Kind::kOwned) api::set_bytes(message->add_ips(), ip);
  }
  message->set_state(endpoint.active ? v1::Attachment::ACTIVE : v1::Attachment::GONE);
  message->set_generation(endpoint.generation);
  message->set_revision(endpoint.revision);
  message->set_dynamic(endpoint.dynamic);
  const auto* host = endpoint.active ? state.host(endpoint.host) : nullptr;
  if (host == nullptr) return;
  message->set_host(host->name);
  render(host->vtep, message->mutable_vtep(), [&](auto port) { message->set_vtep_port(port); });
}

void render(const Kept<Host>& host, const State& state, v1::Host* message) {
  message->set_name(host.name);
  render(host.vtep, message->mutable_vtep(), [&](auto port) { message->set_vtep_port(port); });
  message->set_endpoints(static_cast<std::uint32_t>(state.endpoints_at(host.id).size()));
  message->set_revision(host.revision);
}

void render(Vni vni, const Topology& topology, v1::NetworkSettings* message) {
  const auto& network = *topology.network(vni);
  message->set_vni(network.vni.value());
  message->set_name(network.name);
  message->set_tenant(network.tenant);
  for (const auto& subnet : network.subnets) api::write(subnet, message->add_subnets());
  message->set_learn(network.learn);
  message->set_revision(topology.revision_of(vni));
  for (const auto& subnet : topology.denied_to(vni)) api::write(subnet, message->add_denied());
}

void render(const Endpoint& endpoint, v1::Attachment* message) {
  message->set_endpoint(endpoint.name);
  message->set_vni(endpoint.vni.value());
  api::set_bytes(message->mutable_mac(), endpoint.mac);
  message->set_state(endpoint.active ? v1::Attachment::ACTIVE : v1::Attachment::GONE);
  if (endpoint.active) message->set_host_id(static_cast<std::uint32_t>(endpoint.host));
  message->set_generation(endpoint.generation);
}

void render(const Endpoint& endpoint, const State& state, v1::Attachment* message) {
  render(endpoint, message);
  for (const auto& ip : state.ips_of(endpoint.name)) {
    api::set_bytes(message->add_ips(), ip);
    if (state.address({endpoint.vni, ip})->kind == Address::Kind::kShared)
      api::set_bytes(message->add_shared_ips(), ip);
  }
}

}  // namespace dove::controller
