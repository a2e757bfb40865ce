// The table of figures: complete, unambiguous, and the same as what the manual lists.
#include "agent/figures.h"

#include <algorithm>
#include <set>

#include "tests/catch.h"
#include "tests/unit/manual.h"

namespace dove::agent {
namespace {

FigureSources busy_host() {
  FigureSources sources;
  sources.walls = {
      {"host_input", 1}, {"port tap0 forged_arp_dropped", 3}, {"port tap0 queries_dropped", 4}};
  sources.learning["tap1"].learned = 2;
  sources.ports = {{"tap0", {"active", "red-net"}}, {"tap1", {"pending", "blue-net"}}};
  sources.resolver.drops[static_cast<std::size_t>(DropReason::kNotFound)] = 5;
  sources.resolver.mac_misses = 6;
  sources.sizes.session_age = std::chrono::milliseconds{1500};
  return sources;
}

std::string text_of(const FigureSources& sources) {
  std::vector<api::Sample> samples;
  for (auto& figure : figures(sources)) samples.push_back(std::move(figure.sample));
  return api::exposition(samples);
}

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

}  // namespace

TEST_CASE("figures: each has a name of its own, per port, and a metric with its labels",
          "[figures]") {
  const auto all = figures(busy_host());
  std::set<std::pair<std::string, std::string>> names;
  std::set<std::string> series;
  for (const auto& figure : all) {
    INFO(figure.name);
    CHECK(names.emplace(figure.name, figure.device).second);
    std::string one{figure.sample.metric.name};
    for (const auto& label : figure.sample.labels) one += " " + label.value;
    CHECK(series.insert(one).second);
  }
}

TEST_CASE("figures: names follow the conventions", "[figures]") {
  using Kind = api::Metric::Kind;
  for (const auto& figure : figures(busy_host())) {
    const auto& metric = figure.sample.metric;
    INFO(metric.name);
    CHECK(metric.name.starts_with("dove_agent_"));
    CHECK((metric.kind == Kind::kCounter) == metric.name.ends_with("_total"));
    CHECK((metric.divisor == 1) != metric.name.ends_with("_seconds"));
    CHECK(metric.help.ends_with("."));
  }
}

TEST_CASE("figures: walls of ports are named by device, network and reason", "[figures]") {
  const auto text = text_of(busy_host());
  CHECK(has_line(text, "dove_agent_wall_packets_total{wall=\"host_input\"} 1"));
  CHECK(has_line(text,
                 "dove_agent_port_dropped_total{dev=\"tap0\",network=\"red-net\","
                 "reason=\"forged_arp\"} 3"));
  CHECK(has_line(text, "dove_agent_port_learned_total{dev=\"tap1\",network=\"blue-net\"} 2"));
  CHECK(has_line(text, "dove_agent_dropped_total{reason=\"not_found\"} 5"));
  CHECK(has_line(text, "dove_agent_misses_total{kind=\"mac\"} 6"));
  CHECK(has_line(text, "dove_agent_session_age_seconds 1.5"));
  CHECK(has_line(text, "dove_agent_ports{state=\"active\"} 1"));
  CHECK(has_line(text, "dove_agent_ports{state=\"lost\"} 0"));
}

TEST_CASE("figures: dovectl's names of ports' walls are what they were", "[figures]") {
  const auto all = figures(busy_host());
  const auto found = std::find_if(all.begin(), all.end(), [](const Figure& figure) {
    return figure.name == "wall_port_forged_arp_dropped" && figure.device == "tap0";
  });
  REQUIRE(found != all.end());
  CHECK(std::get<std::uint64_t>(found->sample.value) == 3);
}

TEST_CASE("figures: the manual lists the metrics, all and no others", "[figures]") {
  std::set<std::string> known;
  for (const auto name : metric_names()) known.emplace(name);
  CHECK(known == metrics_in_manual(DOVED_MANUAL, "dove_agent_"));
  for (const auto& figure : figures(busy_host())) {
    INFO(figure.sample.metric.name);
    CHECK(known.contains(std::string{figure.sample.metric.name}));
  }
}

}  // namespace dove::agent
