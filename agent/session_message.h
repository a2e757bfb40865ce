// Between the session's messages and the agent's values. A wrong length or range is an error that
// names the field; nothing wrong passes.
#pragma once

#include <vector>

#include "agent/directory.h"
#include "dove/v1/agent.pb.h"

namespace dove::agent {

Result<NetworkSettings> parse_network(const v1::NetworkSettings& message);
Result<Attachment> parse_attachment(const v1::Attachment& message);

}  // namespace dove::agent
