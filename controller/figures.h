// What the controller counts and measures, for Prometheus; dove-controller(8) lists it, and a test
// compares.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "api/metric.h"
#include "core/histogram.h"
#include "core/result.h"

namespace dove::controller {

// How often something was refused, by ErrorCode.
using Refusals = std::array<std::uint64_t, static_cast<std::size_t>(ErrorCode::kSystem) + 1>;
inline void count(Refusals& refusals, const Error& error) noexcept {
  ++refusals[static_cast<std::size_t>(error.code)];
}

struct RegistryCounters {
  std::uint64_t commits = 0;
  std::uint64_t store_errors = 0;
  std::uint64_t changes = 0;  // asked for by people
  Refusals changes_refused{};
  std::uint64_t requests = 0;  // of hosts
  Refusals requests_refused{};
  Refusals hosts_refused{};
  Histogram commit_time{kTimeBounds};  // of the store alone
};

struct SessionsCounters {
  std::uint64_t sessions = 0;  // begun
  std::uint64_t asks = 0;      // keys
  std::uint64_t answers = 0;   // bindings told to who asked
  std::uint64_t pushes = 0;    // bindings told because they changed
  std::uint64_t replica_messages = 0;
  std::uint64_t resyncs = 0;    // agents told to ask anew
  std::uint64_t overflows = 0;  // of what waits for an agent
  std::uint64_t slow_agents = 0;
  Histogram ask_time{kTimeBounds};      // of one message of questions
  Histogram publish_time{kTimeBounds};  // of telling all agents one commit
  Histogram publish_agents{kSizeBounds};
};

// How much there is at this moment.
struct ControllerSizes {
  std::size_t tenants = 0;
  std::size_t networks = 0;
  std::size_t policies = 0;
  std::size_t attached = 0;
  std::size_t detached = 0;
  std::size_t connected_hosts = 0;
  std::size_t disconnected_hosts = 0;
  std::size_t suspect_hosts = 0;
  std::size_t sessions = 0;
  std::size_t interest = 0;  // keys that agents are told the changes of
  std::uint64_t revision = 0;
  std::size_t store_up = 1;  // it takes commits
};

struct FigureSources {
  RegistryCounters registry;
  SessionsCounters sessions;
  ControllerSizes sizes;
};

std::vector<api::Sample> figures(const FigureSources& sources);

}  // namespace dove::controller
