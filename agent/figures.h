// What doved counts, each thing once: under its name in `dovectl counters`, which is a contract and
// only ever added to, and under its name for Prometheus. doved(8) lists both; a test compares.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/belief_audit.h"
#include "agent/datapath/datapath.h"
#include "agent/learning.h"
#include "agent/resolver.h"
#include "agent/session.h"
#include "api/metric.h"

namespace dove::agent {

// What this host can answer without a controller.
struct KnowledgeInfo {
  std::size_t networks = 0;
  std::size_t endpoints = 0;
  std::chrono::milliseconds age{0};  // since it was all, and true, as far as is known
  std::uint64_t answers = 0;
  std::uint64_t gaps = 0;     // in what the controller told of a network: asked for again
  std::uint64_t resyncs = 0;  // the controller saw the interest of this host differently
};

struct RoutingCounters {
  std::uint64_t echo_replies = 0;     // of gateways
  std::uint64_t gateway_ignored = 0;  // other frames to gateways
  std::uint64_t undeliverable = 0;    // routed to a guest that is not here any more
};

// How things are at this moment.
struct AgentSizes {
  std::size_t refused = 0;  // entries that the kernel does not take
  std::size_t hosts = 0;
  std::size_t networks = 0;
  std::size_t learned_guests = 0;
  bool connected = false;
  std::chrono::milliseconds session_age{0};  // since there is a session, or since there is none
  std::uint64_t revision = 0;                // the last heard of
  std::uint64_t applied = 0;                 // the last told to be in the kernel, in this session
};

// Everything that figures are made of, copied at one moment.
struct FigureSources {
  ResolverCounters resolver;
  ResolverUsage usage;
  DatapathCounters datapath;
  TableSizes tables;
  RoutingCounters routing;
  Session::Counters session;
  KnowledgeInfo knowledge;
  BeliefAudit::Counters audits;
  AgentSizes sizes;
  std::map<std::string, Learning::Counters> learning;  // by port
  Datapath::WallCounters walls;
  struct PortPlace {
    std::string_view state;
    std::string network;
  };
  std::map<std::string, PortPlace> ports;
};

struct Figure {
  std::string name;    // in `dovectl counters`
  std::string device;  // of a port's own; else empty
  api::Sample sample;
};

std::vector<Figure> figures(const FigureSources& sources);

// Every metric that figures() can name, for the manual's test.
std::vector<std::string_view> metric_names();

}  // namespace dove::agent
