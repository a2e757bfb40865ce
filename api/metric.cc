#include "api/metric.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <unordered_map>

namespace dove::api {
namespace {

using Labels = std::vector<Label>;

std::string_view kind_name(Metric::Kind kind) noexcept {
  switch (kind) {
    case Metric::Kind::kCounter:
      return "counter";
    case Metric::Kind::kGauge:
      return "gauge";
    case Metric::Kind::kHistogram:
      break;
  }
  return "histogram";
}

// A label's value may not contain these as they are; in a help text a quote may stand.
std::string escaped(std::string_view text, bool quotes) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c == '\\' || (c == '"' && quotes)) out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out;
}

// A whole number stays one, whatever its size.
std::string divided(std::uint64_t value, double divisor) {
  if (divisor == 1) return fmt::format("{}", value);
  return fmt::format("{}", static_cast<double>(value) / divisor);
}

class Writer {
 public:
  void family(const Metric& metric) {
    append("# HELP {} {}\n", metric.name, escaped(metric.help, false));
    append("# TYPE {} {}\n", metric.name, kind_name(metric.kind));
  }

  void sample(const Sample& sample) {
    if (const auto* value = std::get_if<std::uint64_t>(&sample.value))
      line(sample.metric.name, "", sample.labels, divided(*value, sample.metric.divisor));
    else
      histogram(sample, std::get<Histogram>(sample.value));
  }

  std::string take() { return std::move(out_); }

 private:
  template <class... T>
  void append(fmt::format_string<T...> format, T&&... what) {
    fmt::format_to(std::back_inserter(out_), format, std::forward<T>(what)...);
  }

  // Buckets count all that is not above their bound.
  void histogram(const Sample& sample, const Histogram& values) {
    const auto& [name, kind, help, divisor] = sample.metric;
    auto labels = sample.labels;
    labels.push_back({"le", {}});
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < values.counts().size(); ++i) {
      below += values.counts()[i];
      labels.back().value =
          i < values.bounds().size() ? divided(values.bounds()[i], divisor) : "+Inf";
      line(name, "_bucket", labels, fmt::format("{}", below));
    }
    line(name, "_sum", sample.labels, divided(values.sum(), divisor));
    line(name, "_count", sample.labels, fmt::format("{}", below));
  }

  void line(std::string_view name, std::string_view suffix, const Labels& labels,
            const std::string& value) {
    append("{}{}", name, suffix);
    for (std::size_t i = 0; i < labels.size(); ++i)
      append("{}{}=\"{}\"", i == 0 ? '{' : ',', labels[i].name, escaped(labels[i].value, true));
    append("{} {}\n", labels.empty() ? "" : "}", value);
  }

  std::string out_;
};

}  // namespace

std::string exposition(std::span<const Sample> samples) {
  std::unordered_map<std::string_view, std::size_t> places;
  for (const auto& sample : samples) places.try_emplace(sample.metric.name, places.size());
  std::vector<const Sample*> ordered;
  for (const auto& sample : samples) ordered.push_back(&sample);
  std::stable_sort(ordered.begin(), ordered.end(), [&](const Sample* one, const Sample* other) {
    return places[one->metric.name] < places[other->metric.name];
  });
  Writer writer;
  const Sample* before = nullptr;
  for (const auto* sample : ordered) {
    if (before == nullptr || before->metric.name != sample->metric.name)
      writer.family(sample->metric);
    writer.sample(*sample);
    before = sample;
  }
  return writer.take();
}

}  // namespace dove::api
