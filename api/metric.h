// Figures to watch, and their text for Prometheus (text format 0.0.4).
//
// Values are whole numbers, as they are counted; divided by their metric's `divisor` they are what
// is shown, in Prometheus' base units. The text is written here and not by a library: those hold
// doubles, which lose the last digits of large counters, and want the figures to live in their
// registry, behind its locks.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/histogram.h"

namespace dove::api {

inline constexpr double kNanoseconds = 1e9;  // divisors to seconds
inline constexpr double kMilliseconds = 1e3;

// What a figure means; views of text that lives as long as the program.
struct Metric {
  enum class Kind : std::uint8_t { kCounter, kGauge, kHistogram };
  std::string_view name;  // "dove_agent_misses_total"
  Kind kind = Kind::kCounter;
  std::string_view help;
  double divisor = 1;
};

struct Label {
  std::string_view name;
  std::string value;  // any text
};

struct Sample {
  Metric metric;
  std::vector<Label> labels;
  std::variant<std::uint64_t, Histogram> value;
};

constexpr Metric total(std::string_view name, std::string_view help) noexcept {
  return {name, Metric::Kind::kCounter, help};
}
constexpr Metric gauge(std::string_view name, std::string_view help, double divisor = 1) noexcept {
  return {name, Metric::Kind::kGauge, help, divisor};
}
// Of a Histogram of nanoseconds, and of one of numbers of things.
constexpr Metric times(std::string_view name, std::string_view help) noexcept {
  return {name, Metric::Kind::kHistogram, help, kNanoseconds};
}
constexpr Metric counts(std::string_view name, std::string_view help) noexcept {
  return {name, Metric::Kind::kHistogram, help};
}

// A row of a program's table of figures: where the value is found in `Sources`, a copy of
// everything that figures are made of. Where several rows have one metric, a label tells them
// apart.
template <class Sources>
struct MetricRow {
  std::string_view name;  // where there is another way to show it
  Metric metric;
  std::uint64_t (*read)(const Sources&);
  std::string_view label = {};
  std::string_view label_value = {};

  Sample sample(const Sources& sources) const {
    std::vector<Label> labels;
    if (!label.empty()) labels.push_back({label, std::string{label_value}});
    return {metric, std::move(labels), read(sources)};
  }
};
// Reads `sources.*Part.*Member`.
template <class Sources, auto Part, auto Member>
std::uint64_t read_part(const Sources& sources) {
  return static_cast<std::uint64_t>(sources.*Part.*Member);
}

// Samples of one name stand together in it, in the place of the first, and have its kind and help.
std::string exposition(std::span<const Sample> samples);

}  // namespace dove::api
