// From what is wanted and what is known to what has to be written, or to why it may not be. Pure:
// every function looks at the draft's state and writes into the draft; nothing is committed here.
//
// What is chosen: the lowest free VNI from 4096 on; of a subnet without gateway its first address;
// for `auto` the lowest free address of the first subnet in which the endpoint has none yet; a
// locally administered MAC made from the names, so that the same endpoint gets the same one again.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controller/draft.h"
#include "controller/operation.h"

namespace dove::controller {

// What a plan needs to know besides the state.
struct Surroundings {
  std::string store_id;
  std::uint64_t revision = 0;                // of the last commit
  std::function<bool(HostId)> is_connected;  // has a live session
  MacAddress router_mac;                     // no endpoint may have it
};

// An object that add or set made, or found as wanted.
struct Made {
  enum class Kind : std::uint8_t { kTenant, kNetwork, kEndpoint, kPolicy };
  Kind kind;
  std::string name;  // of a policy: its policy_name()
};

Result<std::optional<Made>> plan(const Operation& operation, const Surroundings& around,
                                 Draft& draft);

// Removes some of the quarantine records whose time is over: for a draft that changes something
// anyway.
void sweep(Draft& draft);

// --- what hosts ask for

struct Registration {
  std::string name;
  Vtep vtep;
};
// The host's record, new or with its new VTEP. A VTEP that another host is registered with is
// refused.
Result<HostId> plan_registration(const Registration& host, Draft& draft);

// See Activate, Detach and Announce in agent.proto for when these are effective.
Status plan_activation(HostId host, const std::string& endpoint, std::uint64_t generation,
                       Draft& draft);
Status plan_detachment(HostId host, const std::string& endpoint, std::uint64_t generation,
                       Draft& draft);
// At most kLinkLocals addresses an endpoint: the one unused for longest makes room.
inline constexpr std::size_t kLinkLocals = 8;
struct Announcement {
  MacKey endpoint;
  IpAddress ip;
  std::optional<bool> router = {};
};
Status plan_announcement(HostId host, const Announcement& said, const Surroundings& around,
                         Draft& draft);

// Endpoints that hosts heard of (plan_learning.cc); see Learn, Unlearn and Keep in agent.proto. The
// bounds are on what is learned, not on what is registered.
inline constexpr std::size_t kDynamicPerNetwork = 4096;
inline constexpr std::size_t kDynamicPerHost = 16384;
inline constexpr std::size_t kAddressesPerDynamic = 16;
struct Learning {
  MacKey endpoint;
  std::vector<IpAddress> ips;
  bool claimed = false;
};
// The name of the endpoint: made of VNI and MAC, so that it is the same again.
Result<std::string> plan_learning(HostId host, const Learning& heard, const Surroundings& around,
                                  Draft& draft);
// Without `ips` the endpoint as a whole. What is not dynamic, or not at this host, stays as it is.
void plan_unlearning(HostId host, const MacKey& endpoint, const std::vector<IpAddress>& ips,
                     Draft& draft);
void plan_keeping(HostId host, const std::set<MacKey>& kept, Draft& draft);

}  // namespace dove::controller
