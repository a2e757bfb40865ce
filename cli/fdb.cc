#include <array>

#include "cli/table.h"

namespace dove::cli {
namespace {

constexpr std::array kCommands{
    Command{"show list lst", [](Words& words) { return parse_table(words, &Backend::fdb_show); }}};

}  // namespace

constinit const Object kFdb{
    .names = "fdb", .usage = "dovectl fdb show [ network NETWORK ]", .commands = kCommands};

Record to_record(const v1::FdbEntry& entry) {
  return {
      {.key = "mac",
       .value = mac_value(entry.mac()),
       .place = Place::kBare,
       .color = Color::kMac,
       .column = 17},
      {.key = "dev", .value = entry.dev(), .color = Color::kName, .column = 15},
      {.key = "network", .value = entry.network(), .column = 16},
      {.key = "vni", .value = entry.vni()},
      {.key = "host", .value = or_null(entry.host()), .column = 16},
      {.key = "vtep", .value = vtep_value(entry.vtep(), 0), .color = Color::kIp, .column = 15},
      {.key = "kind",
       .value = lower(v1::FdbEntry::Kind_Name(entry.kind())),
       .place = Place::kBare,
       .column = 6},
      {.key = "target_vni", .value = or_null(entry.target_vni()), .word = "target-vni"},
      {.key = "error", .value = or_null(entry.error()), .color = Color::kBad},
  };
}

}  // namespace dove::cli
