// What a commit means to hosts: computed from the state after it and from what it changed. Pure.
#pragma once

#include <span>
#include <vector>

#include "api/convert.h"
#include "controller/directory.h"
#include "controller/draft.h"

namespace dove::controller {

// A host no longer owns an endpoint that was active there.
struct Loss {
  HostId host;
  Endpoint endpoint;  // as it is now; of a deleted one the last, not active, a generation later
};

// An endpoint that is active at its host has other addresses than before.
struct Readdressed {
  Endpoint endpoint;
  std::vector<IpAddress> ips;         // all that it has now
  std::vector<IpAddress> shared_ips;  // those of `ips` that others may speak for too
};

struct Consequences {
  std::uint64_t revision = 0;
  std::vector<MacBinding> macs;
  std::vector<IpUpdate> ips;
  std::vector<api::HostEntry> hosts;
  std::vector<Routing> tenants;                  // of which networks or policies have changed
  std::vector<Vni> come;                         // networks added
  std::vector<Vni> gone;                         // networks deleted
  std::vector<std::pair<Vni, HostId>> attached;  // hosts that have the network, for its flood list
  std::vector<Loss> losses;
  std::vector<Readdressed> readdressed;
};

Consequences consequences_of(const State& after, std::span<const Change> changes,
                             std::uint64_t revision);
// The same for a state as a whole: what to begin with.
Consequences everything(const State& state, std::uint64_t revision);

}  // namespace dove::controller
