#include <fmt/format.h>

#include <array>

#include "cli/object.h"
#include "cli/records.h"
#include "core/hex.h"

namespace dove::cli {
namespace {

Result<Action> parse_show(Words& words) {
  if (const auto finished = words.finish(); !finished) return finished.error();
  return Action{[](Session& session) -> Status {
    const auto status = session.backend.status();
    if (!status) return status.error();
    session.printer.begin();
    session.printer.add(to_record(*status));
    return session.printer.finish();
  }};
}

constexpr std::array kCommands{Command{"show list lst", parse_show}};

Value::List notes(const v1::StatusReply& status) {
  return {status.notes().begin(), status.notes().end()};
}

}  // namespace

constinit const Object kStatus{
    .names = "status", .usage = "dovectl status [ show ]", .commands = kCommands};

Record to_record(const v1::StatusReply& status) {
  const auto color = status.connected() ? Color::kGood : Color::kBad;
  return {
      {.key = "host",
       .value = status.host(),
       .place = Place::kTitle,
       .color = Color::kName,
       .column = 24},
      {.key = "version", .value = or_null(status.version()), .level = Level::kDetails},
      {.key = "vtep",
       .value = vtep_value(status.vtep(), status.vtep_port()),
       .color = Color::kIp,
       .column = 20},
      {.key = "mtu", .value = status.mtu()},
      {.key = "miss_mode", .value = or_null(status.miss_mode()), .word = "miss-mode"},
      {.key = "controller", .value = or_null(status.controller()), .column = 32},
      {.key = "connected", .value = status.connected(), .color = color, .column = 3},
      {.key = "session_age_ms", .value = status.session_age_ms(), .word = "session-age-ms"},
      {.key = "store_id",
       .value = or_null(to_hex(status.store_id())),
       .word = "store-id",
       .level = Level::kDetails},
      {.key = "revision", .value = status.revision(), .level = Level::kDetails},
      {.key = "applied", .value = status.applied(), .level = Level::kDetails},
      {.key = "problem", .value = or_null(status.problem()), .column = 1},
      {.key = "notes", .value = notes(status), .place = Place::kLines, .word = "note"},
      {.key = "ports", .value = status.ports(), .level = Level::kStatistics},
      {.key = "lost_ports", .value = status.lost_ports(), .word = "lost-ports"},
      {.key = "networks", .value = status.networks(), .level = Level::kStatistics},
      {.key = "replicated", .value = status.replicated()},
      {.key = "knowledge_age_ms", .value = status.knowledge_age_ms(), .word = "knowledge-age-ms"},
      {.key = "hosts", .value = status.hosts(), .level = Level::kStatistics},
      {.key = "fdb_entries",
       .value = status.fdb_entries(),
       .word = "fdb-entries",
       .level = Level::kStatistics},
      {.key = "neighbours", .value = status.neighbours(), .level = Level::kStatistics},
      {.key = "put_back",
       .value = status.put_back(),
       .word = "put-back",
       .level = Level::kStatistics},
      {.key = "differences", .value = status.differences(), .level = Level::kStatistics},
      {.key = "mended", .value = status.mended(), .level = Level::kStatistics},
      {.key = "refused", .value = status.refused(), .level = Level::kStatistics},
  };
}

}  // namespace dove::cli
