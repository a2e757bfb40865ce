#include <array>

#include "cli/object.h"
#include "cli/records.h"

namespace dove::cli {
namespace {

Result<Action> parse_show(Words& words) {
  if (const auto finished = words.finish(); !finished) return finished.error();
  return Action{[](Session& session) -> Status {
    const auto reply = session.backend.counters();
    if (!reply) return reply.error();
    session.printer.begin();
    for (const auto& counter : reply->counters()) session.printer.add(to_record(counter));
    return session.printer.finish();
  }};
}

constexpr std::array kCommands{Command{"show list lst", parse_show}};

}  // namespace

constinit const Object kCounters{
    .names = "counters", .usage = "dovectl counters [ show ]", .commands = kCommands};

Record to_record(const v1::Counter& counter) {
  const auto of_spread = [&](std::uint64_t value) {
    return counter.has_spread() ? Value{value} : Value{};
  };
  const auto& spread = counter.spread();
  return {
      {.key = "name",
       .value = counter.name(),
       .place = Place::kTitle,
       .color = Color::kName,
       .column = 40},
      {.key = "dev", .value = or_null(counter.dev())},
      {.key = "value", .value = counter.value(), .place = Place::kBare, .column = 1},
      {.key = "p50", .value = of_spread(spread.p50())},
      {.key = "p99", .value = of_spread(spread.p99())},
      {.key = "sum", .value = of_spread(spread.sum()), .level = Level::kStatistics},
      {.key = "unit", .value = or_null(spread.unit())},
  };
}

}  // namespace dove::cli
