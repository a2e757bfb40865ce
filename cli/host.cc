#include <array>

#include "cli/management.h"
#include "cli/object.h"
#include "cli/records.h"

namespace dove::cli {
namespace {

Result<Action> parse_del_host(Words& words) {
  return parse_del(words, [](v1::Operation& operation, std::string name) {
    operation.set_host_del(std::move(name));
  });
}

Result<Action> parse_show_host(Words& words) { return parse_show(v1::ShowRequest::HOST, words); }

constexpr std::array kCommands{Command{"delete", parse_del_host}, Command{"set", nullptr},
                               Command{"show list lst", parse_show_host}};

}  // namespace

constinit const Object kHost{.names = "host",
                             .usage =
                                 "dovectl host show [ NAME ]\n"
                                 "       dovectl host del NAME",
                             .commands = kCommands};

Record to_record(const v1::Host& host) {
  const bool connected = host.state() == v1::Host::CONNECTED;
  return {
      {.key = "name",
       .value = host.name(),
       .place = Place::kTitle,
       .color = Color::kName,
       .column = 24},
      {.key = "vtep",
       .value = vtep_value(host.vtep(), host.vtep_port()),
       .color = Color::kIp,
       .column = 20},
      {.key = "state",
       .value = lower(v1::Host::State_Name(host.state())),
       .color = connected ? Color::kGood : Color::kBad,
       .column = 12},
      {.key = "silent_ms",
       .value = host.has_silent_ms() ? Value{host.silent_ms()} : Value{},
       .level = Level::kStatistics},
      {.key = "version", .value = or_null(host.version()), .level = Level::kDetails},
      {.key = "endpoints", .value = host.endpoints(), .level = Level::kStatistics},
      {.key = "revision", .value = host.revision(), .level = Level::kDetails},
      {.key = "applied",
       .value = host.has_applied() ? Value{host.applied()} : Value{},
       .level = Level::kDetails},
  };
}

}  // namespace dove::cli
