#include <array>

#include "cli/table.h"

namespace dove::cli {
namespace {

constexpr std::array kCommands{Command{
    "show list lst", [](Words& words) { return parse_table(words, &Backend::neighbour_show); }}};

}  // namespace

constinit const Object kNeighbour{.names = "neighbour neighbor",
                                  .usage = "dovectl neighbour show [ network NETWORK ]",
                                  .commands = kCommands};

Record to_record(const v1::Neighbour& neighbour) {
  return {
      {.key = "ip",
       .value = ip_value(neighbour.ip()),
       .place = Place::kBare,
       .color = Color::kIp,
       .column = 39},
      {.key = "mac", .value = mac_value(neighbour.mac()), .color = Color::kMac, .column = 17},
      {.key = "dev", .value = neighbour.dev(), .color = Color::kName, .column = 15},
      {.key = "network", .value = neighbour.network(), .column = 16},
      {.key = "vni", .value = neighbour.vni()},
      {.key = "kind",
       .value = lower(v1::Neighbour::Kind_Name(neighbour.kind())),
       .place = Place::kBare,
       .column = 8},
      {.key = "target_vni", .value = or_null(neighbour.target_vni()), .word = "target-vni"},
      {.key = "error", .value = or_null(neighbour.error()), .color = Color::kBad},
  };
}

}  // namespace dove::cli
