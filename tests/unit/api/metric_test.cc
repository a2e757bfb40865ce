#include "api/metric.h"

#include <array>
#include <ctime>
#include <limits>

#include "api/process_figures.h"
#include "tests/catch.h"

namespace dove::api {
namespace {

using Kind = Metric::Kind;

constexpr Metric kPackets{"packets_total", Kind::kCounter, "Packets."};
constexpr Metric kAge{"age_seconds", Kind::kGauge, "An age.", kMilliseconds};

TEST_CASE("a figure has its help, its type and its value", "[metrics]") {
  const std::vector<Sample> samples{{kPackets, {}, std::uint64_t{7}}};
  CHECK(exposition(samples) ==
        "# HELP packets_total Packets.\n# TYPE packets_total counter\n"
        "packets_total 7\n");
  CHECK(exposition({}).empty());
}

TEST_CASE("large counters keep their last digit, small units become base units", "[metrics]") {
  const std::vector<Sample> samples{{kPackets, {}, std::numeric_limits<std::uint64_t>::max()},
                                    {kAge, {}, std::uint64_t{1500}}};
  const auto text = exposition(samples);
  CHECK(text.find("packets_total 18446744073709551615\n") != std::string::npos);
  CHECK(text.find("age_seconds 1.5\n") != std::string::npos);
}

TEST_CASE("labels stand in the order in which they were given, escaped", "[metrics]") {
  const std::vector<Sample> samples{
      {kPackets, {{"z", "plain"}, {"a", "back\\slash \"quote\" new\nline"}}, std::uint64_t{1}}};
  CHECK(exposition(samples).find(
            "\npackets_total{z=\"plain\",a=\"back\\\\slash \\\"quote\\\" new\\nline\"} 1\n") !=
        std::string::npos);
}

TEST_CASE("a help text keeps its quotes, on one line", "[metrics]") {
  const Metric metric{"x", Kind::kGauge, "A \"word\",\na \\."};
  const std::vector<Sample> samples{{metric, {}, std::uint64_t{0}}};
  CHECK(exposition(samples).starts_with("# HELP x A \"word\",\\na \\\\.\n# TYPE x gauge\n"));
}

TEST_CASE("samples of one name stand together under one head", "[metrics]") {
  const std::vector<Sample> samples{{kPackets, {{"kind", "a"}}, std::uint64_t{1}},
                                    {kAge, {}, std::uint64_t{2000}},
                                    {kPackets, {{"kind", "b"}}, std::uint64_t{3}}};
  CHECK(exposition(samples) ==
        "# HELP packets_total Packets.\n# TYPE packets_total counter\n"
        "packets_total{kind=\"a\"} 1\npackets_total{kind=\"b\"} 3\n"
        "# HELP age_seconds An age.\n# TYPE age_seconds gauge\nage_seconds 2\n");
}

TEST_CASE("buckets of a histogram count all below, +Inf everything", "[metrics]") {
  constexpr std::array<std::uint64_t, 3> kBounds{10'000, 250'000, 1'000'000'000};
  Histogram times{kBounds};
  for (const auto time : {1'000U, 10'000U, 20'000U, 2'000'000'000U}) times.add(time);
  const Metric metric{"wait_seconds", Kind::kHistogram, "Waits.", kNanoseconds};
  const std::vector<Sample> samples{{metric, {{"dev", "tap0"}}, times}};
  CHECK(exposition(samples) ==
        "# HELP wait_seconds Waits.\n# TYPE wait_seconds histogram\n"
        "wait_seconds_bucket{dev=\"tap0\",le=\"1e-05\"} 2\n"
        "wait_seconds_bucket{dev=\"tap0\",le=\"0.00025\"} 3\n"
        "wait_seconds_bucket{dev=\"tap0\",le=\"1\"} 3\n"
        "wait_seconds_bucket{dev=\"tap0\",le=\"+Inf\"} 4\n"
        "wait_seconds_sum{dev=\"tap0\"} 2.000031\n"
        "wait_seconds_count{dev=\"tap0\"} 4\n");
}

TEST_CASE("a process tells of itself", "[metrics]") {
  const auto samples = process_figures("doved");
  const auto value = [&](std::string_view name) -> std::uint64_t {
    for (const auto& sample : samples)
      if (sample.metric.name == name) return std::get<std::uint64_t>(sample.value);
    return 0;
  };
  CHECK(value("dove_build_info") == 1);
  CHECK(value("process_resident_memory_bytes") > 100'000);
  CHECK(value("process_open_fds") >= 3);
  CHECK(value("process_max_fds") >= value("process_open_fds"));
  CHECK(value("process_threads") >= 1);
  // Ticks of a hundredth of a second: after 2020, and not after now.
  CHECK(value("process_start_time_seconds") > 1'577'836'800ULL * 100);
  CHECK(value("process_start_time_seconds") <=
        static_cast<std::uint64_t>(std::time(nullptr) + 1) * 100);
  CHECK(exposition(samples).find("dove_build_info{program=\"doved\",version=\"" DOVE_VERSION
                                 "\"} 1\n") != std::string::npos);
}

}  // namespace
}  // namespace dove::api
