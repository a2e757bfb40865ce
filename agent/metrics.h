// doved's figures for Prometheus, where --metrics says.
#pragma once

#include <asio/io_context.hpp>
#include <memory>

#include "agent/agent.h"
#include "api/metrics_server.h"

namespace dove::agent {

// The figures are gathered on the loop, and put into words by the server's own thread. Null when
// the options name no address. To be destroyed before agent and loop, which need not run any more
// then.
Result<std::unique_ptr<api::MetricsServer>> serve_metrics(asio::io_context& loop, Agent& agent,
                                                          const Options& options);

}  // namespace dove::agent
