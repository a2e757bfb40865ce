// The agent's state as messages of local.proto.
#pragma once

#include <string>
#include <vector>

#include "agent/action.h"
#include "agent/agent.h"
#include "dove/v1/local.pb.h"

namespace dove::agent {

v1::Port show(const Port& port, unsigned mtu);
v1::Counter show(const Agent::Counter& counter);
v1::StatusReply show_status(const Agent& agent);

// Of one network, or of all when the name is empty; kNotFound when this host does not have it.
Result<std::vector<v1::FdbEntry>> show_fdb(const Agent& agent, const std::string& network);
Result<std::vector<v1::Neighbour>> show_neighbours(const Agent& agent, const std::string& network);

// What watchers are told of a change; a list is one event for each destination.
std::vector<v1::Event> show_change(const Agent& agent, const KernelChange& change);

}  // namespace dove::agent
