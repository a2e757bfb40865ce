#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>

#include "cli/object.h"
#include "cli/records.h"
#include "cli/values.h"

namespace dove::cli {
namespace {

// A set of v1::Event::Kind; that events were lost is always told.
using Kinds = std::uint32_t;

constexpr Kinds bit(v1::Event::Kind kind) { return Kinds{1} << static_cast<unsigned>(kind); }
constexpr Kinds kAll = ~Kinds{0};

struct NamedKind {
  std::string_view name;
  Kinds kinds;
};
constexpr std::array<NamedKind, 5> kKinds{{{"all", kAll},
                                           {"port", bit(v1::Event::PORT)},
                                           {"fdb", bit(v1::Event::FDB)},
                                           {"neighbour", bit(v1::Event::NEIGHBOUR)},
                                           {"session", bit(v1::Event::SESSION)}}};

Result<Kinds> parse_kinds(Words& words) {
  if (words.empty()) return kAll;
  Kinds kinds = bit(v1::Event::LOST_EVENTS);
  while (!words.empty()) {
    const auto word = words.take();
    const auto kind = std::find_if(kKinds.begin(), kKinds.end(), [&](const NamedKind& named) {
      return abbreviates(word, named.name);
    });
    if (kind == kKinds.end())
      return wrong_argument(word, "expected all, port, fdb, neighbour or session");
    kinds |= kind->kinds;
  }
  return kinds;
}

Record event_record(const v1::Event& event) {
  switch (event.kind()) {
    case v1::Event::PORT:
      return to_record(event.port());
    case v1::Event::FDB:
      return to_record(event.fdb());
    case v1::Event::NEIGHBOUR:
      return to_record(event.neighbour());
    case v1::Event::SESSION:
      return to_record(event.session());
    case v1::Event::LOST_EVENTS:
      return {{.key = "problem",
               .value = "events were lost, look again",
               .place = Place::kBare,
               .color = Color::kBad,
               .column = 1}};
    default:
      return {};
  }
}

// Local time with its offset from UTC, as ISO 8601 has it.
std::string timestamp() {
  const auto now = std::chrono::system_clock::now();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(now - seconds);
  const std::time_t time = std::chrono::system_clock::to_time_t(seconds);
  std::tm local{};
  ::localtime_r(&time, &local);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}{:%z}", local, micros.count(), local);
}

// In JSON an event is the thing with what happened to it in front.
Record with_heading(Record thing, const v1::Event& event, const std::string& when) {
  Record record;
  if (!when.empty()) record.push_back({.key = "timestamp", .value = when, .place = Place::kHidden});
  record.push_back({.key = "event",
                    .value = event.kind() == v1::Event::LOST_EVENTS
                                 ? "lost"
                                 : lower(v1::Event::Kind_Name(event.kind())),
                    .place = Place::kHidden});
  record.push_back({.key = "deleted", .value = event.deleted(), .place = Place::kHidden});
  record.insert(record.end(), std::make_move_iterator(thing.begin()),
                std::make_move_iterator(thing.end()));
  return record;
}

Status print(const v1::Event& event, Session& session) {
  auto thing = event_record(event);
  if (thing.empty()) return {};  // of a kind that is newer than this program
  const auto when = session.timestamps ? timestamp() : std::string{};
  const auto prefix = fmt::format("{}{}", when.empty() ? "" : fmt::format("[{}] ", when),
                                  event.deleted() ? "Deleted " : "");
  session.printer.begin();
  session.printer.add(with_heading(std::move(thing), event, when), prefix);
  return session.printer.finish();
}

Result<Action> parse(Words& words) {
  const auto kinds = parse_kinds(words);
  if (!kinds) return kinds.error();
  return Action{[wanted = *kinds](Session& session) {
    return session.backend.monitor([&](const v1::Event& event) {
      if ((static_cast<unsigned>(event.kind()) >= 32) || (wanted & bit(event.kind())) == 0)
        return Status{};
      return print(event, session);
    });
  }};
}

}  // namespace

constinit const Object kMonitor{
    .names = "monitor",
    .usage = "dovectl [ -ts ] monitor [ all | { port | fdb | neighbour | session }... ]",
    .commands = {},
    .parse = parse};

}  // namespace dove::cli
