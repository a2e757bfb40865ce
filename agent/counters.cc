// What the figures are made of, gathered from all parts at one moment.
#include "agent/agent.h"
#include "agent/figures.h"

namespace dove::agent {
namespace {

std::string_view name_of(Port::State state) noexcept {
  switch (state) {
    case Port::State::kPending:
      return "pending";
    case Port::State::kActive:
      return "active";
    case Port::State::kLost:
      return "lost";
    case Port::State::kAbsent:
      break;
  }
  return "absent";
}

}  // namespace

FigureSources Agent::sources() const {
  const auto info = session_.info();
  FigureSources all{.resolver = resolver_.counters(),
                    .usage = resolver_.usage(),
                    .datapath = datapath_->counters(),
                    .tables = datapath_->sizes(),
                    .routing = routing_,
                    .session = session_.counters(),
                    .knowledge = knowledge(),
                    .audits = audit_.counters(),
                    .sizes = {.refused = refused(),
                              .hosts = hosts_.size(),
                              .networks = networks_.size(),
                              .connected = info.connected,
                              .session_age = std::chrono::duration_cast<std::chrono::milliseconds>(
                                  std::chrono::steady_clock::now() - info.since),
                              .revision = info.store.revision,
                              .applied = applied_},
                    .learning = learning_.counters()};
  for (const auto& port : ports_.list()) {
    all.ports.emplace(port.dev, FigureSources::PortPlace{name_of(port.state), port.network});
    all.sizes.learned_guests += learning_.count(port.dev);
  }
  return all;
}

void Agent::figures(std::function<void(FigureSources)> done) {
  datapath_->wall_counters(
      [all = sources(), done = std::move(done)](Result<Datapath::WallCounters> walls) mutable {
        if (walls) all.walls = *std::move(walls);
        done(std::move(all));
      });
}

}  // namespace dove::agent
