#include "agent/metrics.h"

#include <asio/post.hpp>
#include <utility>

#include "agent/figures.h"
#include "api/process_figures.h"

namespace dove::agent {
namespace {

std::string page(const FigureSources& sources) {
  std::vector<api::Sample> samples;
  for (auto& figure : figures(sources)) samples.push_back(std::move(figure.sample));
  for (auto& sample : api::process_figures("doved")) samples.push_back(std::move(sample));
  return api::exposition(samples);
}

}  // namespace

Result<std::unique_ptr<api::MetricsServer>> serve_metrics(asio::io_context& loop, Agent& agent,
                                                          const Options& options) {
  if (!options.metrics) return std::unique_ptr<api::MetricsServer>{};
  using Done = std::function<void(api::MetricsServer::Render)>;
  const auto collect = [&loop, &agent](Done done) {
    asio::post(loop, [&agent, done = std::move(done)] {
      agent.figures([done](FigureSources sources) {
        done([sources = std::move(sources)] { return page(sources); });
      });
    });
  };
  return api::MetricsServer::open(*options.metrics, options.insecure, collect);
}

}  // namespace dove::agent
