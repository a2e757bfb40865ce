// The agent's state as messages of local.proto.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/action.h"
#include "agent/agent.h"
#include "dove/v1/local.pb.h"

namespace dove::agent {

v1::Port show(const Agent& agent, const Port& port);
v1::Counter show(const Figure& figure);
v1::CheckReply show(const Agent& agent, const Agent::Checked& checked);
v1::StatusReply show_status(const Agent& agent);

// Of one network, or of all when the name is empty; kNotFound when this host does not have it.
Result<std::vector<v1::FdbEntry>> show_fdb(const Agent& agent, const std::string& network);
Result<std::vector<v1::Neighbour>> show_neighbours(const Agent& agent, const std::string& network);

// The lists of groups as they were shown last.
using GroupLists = std::map<MacKey, std::vector<Vtep>>;
GroupLists group_lists(const Agent& agent);

// What watchers are told of a change; of a list, an event for each destination that came or went
// since `shown`, which is brought up to date.
std::vector<v1::Event> show_change(const Agent& agent, const KernelChange& change,
                                   GroupLists& shown);

}  // namespace dove::agent
