// The protocol's messages out of the state: what people and agents are shown.
#pragma once

#include "controller/state.h"
#include "controller/topology.h"
#include "dove/v1/agent.pb.h"
#include "dove/v1/management.pb.h"

namespace dove::controller {

void render(const Kept<Tenant>& tenant, v1::Tenant* message);
void render(const Kept<Network>& network, v1::Network* message);
void render(const Kept<Policy>& policy, v1::Policy* message);
void render(const Kept<Endpoint>& endpoint, const State& state, v1::Endpoint* message);
// Whether it is connected and by which version only the sessions know.
void render(const Kept<Host>& host, const State& state, v1::Host* message);

// Those of a network that is there.
void render(Vni vni, const Topology& topology, v1::NetworkSettings* message);
void render(const Endpoint& endpoint, v1::Attachment* message);  // without its addresses
void render(const Endpoint& endpoint, const State& state, v1::Attachment* message);

}  // namespace dove::controller
