// Between the session's messages and the agent's values. A wrong length or range is an error that
// names the field; nothing wrong passes.
#pragma once

#include "agent/directory.h"
#include "dove/v1/agent.pb.h"

namespace dove::agent {

Result<NetworkSettings> parse_network(const v1::NetworkSettings& message);
Result<ReplicaWord> parse_replica(const v1::Replica& message);
Result<Attachment> parse_attachment(const v1::Attachment& message);
Lag parse_lag(const v1::Lag& message);
v1::Lag to_message(const Lag& lag);

}  // namespace dove::agent
