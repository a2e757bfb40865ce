// The controller's figures: unambiguous, and the same as what the manual lists.
#include "controller/figures.h"

#include <set>

#include "tests/catch.h"
#include "tests/unit/manual.h"

namespace dove::controller {
namespace {

using Kind = api::Metric::Kind;

}  // namespace

TEST_CASE("figures: names follow the conventions, no series is there twice", "[figures]") {
  std::set<std::string> series;
  for (const auto& sample : figures({})) {
    const auto& metric = sample.metric;
    INFO(metric.name);
    CHECK((metric.kind == Kind::kCounter) == metric.name.ends_with("_total"));
    CHECK((metric.divisor == 1) != metric.name.ends_with("_seconds"));
    CHECK(metric.help.ends_with("."));
    std::string one{metric.name};
    for (const auto& label : sample.labels) one += " " + label.value;
    CHECK(series.insert(one).second);
  }
}

TEST_CASE("figures: refusals are told by their code", "[figures]") {
  FigureSources sources;
  count(sources.registry.changes_refused, {ErrorCode::kInvalid, ""});
  count(sources.registry.changes_refused, {ErrorCode::kSystem, ""});
  const auto text = api::exposition(figures(sources));
  for (const auto* line : {"\ndove_controller_changes_refused_total{code=\"invalid\"} 1\n",
                           "\ndove_controller_changes_refused_total{code=\"exists\"} 0\n",
                           "\ndove_controller_changes_refused_total{code=\"system\"} 1\n",
                           "\ndove_controller_requests_refused_total{code=\"invalid\"} 0\n"}) {
    INFO(line);
    CHECK(text.find(line) != std::string::npos);
  }
}

TEST_CASE("figures: the manual lists them, all and no others", "[figures]") {
  std::set<std::string> known;
  for (const auto& sample : figures({})) known.emplace(sample.metric.name);
  CHECK(known == metrics_in_manual(CONTROLLER_MANUAL, "dove_controller_"));
}

}  // namespace dove::controller
