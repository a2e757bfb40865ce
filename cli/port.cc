#include <fmt/format.h>

#include <array>

#include "cli/object.h"
#include "cli/records.h"
#include "cli/values.h"
#include "cli/waiting.h"
#include "core/quoted.h"

namespace dove::cli {
namespace {

Action add(v1::PortAddRequest request) {
  return [request = std::move(request)](Session& session) -> Status {
    const auto port = session.backend.port_add(request);
    if (!port) return port.error();
    if (session.echo) {
      session.printer.begin();
      session.printer.add(to_record(*port));
      if (const auto printed = session.printer.finish(); !printed) return printed;
    }
    return await_others(session);
  };
}

Action del(v1::PortDelRequest request) {
  return [request = std::move(request)](Session& session) -> Status {
    const auto done = session.backend.port_del(request);
    if (!done) return done;
    if (session.echo) {
      session.printer.begin();
      if (const auto printed = session.printer.finish(); !printed) return printed;
    }
    return await_others(session);
  };
}

// What the port's walls have dropped and who was learned behind it. The names are the reply's.
Record counters_of(const v1::Port& port, const v1::CountersReply& reply) {
  constexpr std::array<std::string_view, 2> kPrefixes{"wall_port_", "port_"};
  Record record;
  for (const auto& counter : reply.counters())
    for (const auto prefix : kPrefixes) {
      std::string_view name = counter.name();
      if (counter.dev() != port.dev() || name.substr(0, prefix.size()) != prefix) continue;
      record.push_back({.key = name.substr(prefix.size()), .value = counter.value()});
    }
  return record;
}

Action show(v1::PortShowRequest request) {
  return [request = std::move(request)](Session& session) -> Status {
    bool found = request.dev().empty();
    const auto counters =
        session.statistics ? session.backend.counters() : Result{v1::CountersReply{}};
    if (!counters) return counters.error();
    session.printer.begin();
    const auto shown = session.backend.port_show(request, [&](const v1::Port& port) {
      found = true;
      auto record = to_record(port);
      if (session.statistics)
        record.push_back(
            {.key = "counters", .value = counters_of(port, *counters), .place = Place::kLines});
      session.printer.add(record);
    });
    if (!shown) return shown;
    if (!found)
      return Error{ErrorCode::kNotFound,
                   fmt::format("device {} is no port", quoted(request.dev()))};
    return session.printer.finish();
  };
}

Result<std::string> take_dev(Words& words) {
  const auto word = words.require("a device's name");
  if (!word) return word.error();
  return parse_dev(*word);
}

Result<Action> parse_add(Words& words) {
  auto dev = take_dev(words);
  if (!dev) return dev.error();
  v1::PortAddRequest request;
  request.set_dev(*std::move(dev));
  const std::array keywords{name_keyword("endpoint", request.mutable_endpoint()),
                            name_keyword("network", request.mutable_network()),
                            Keyword{"security", [&](std::string_view word) -> Status {
                                      const auto on = parse_on_off(word);
                                      if (!on) return on.error();
                                      request.set_security(*on);
                                      return {};
                                    }}};
  if (const auto parsed = parse_keywords(words, keywords); !parsed) return parsed.error();
  if (!request.endpoint().empty() && !request.network().empty())
    return wrong_argument("network", "the endpoint says which: expected one of the two");
  if (request.endpoint().empty() && request.network().empty())
    return missing("endpoint or network");
  return add(std::move(request));
}

Result<Action> parse_del(Words& words) {
  auto dev = take_dev(words);
  if (!dev) return dev.error();
  if (const auto finished = words.finish(); !finished) return finished.error();
  v1::PortDelRequest request;
  request.set_dev(*std::move(dev));
  return del(std::move(request));
}

Result<Action> parse_show(Words& words) {
  v1::PortShowRequest request;
  if (!words.empty()) {
    auto dev = take_dev(words);
    if (!dev) return dev.error();
    request.set_dev(*std::move(dev));
  }
  if (const auto finished = words.finish(); !finished) return finished.error();
  return show(std::move(request));
}

constexpr std::array kCommands{Command{"add", parse_add}, Command{"delete", parse_del},
                               Command{"show list lst", parse_show}};

}  // namespace

constinit const Object kPort{.names = "port",
                             .usage =
                                 "dovectl port add DEV { endpoint NAME | network NETWORK }\n"
                                 "               [ security { on | off } ]\n"
                                 "       dovectl port del DEV\n"
                                 "       dovectl port show [ DEV ]",
                             .commands = kCommands};

Record to_record(const v1::Port& port) {
  const bool active = port.state() == v1::Port::ACTIVE;
  return {
      {.key = "dev",
       .value = port.dev(),
       .place = Place::kTitle,
       .color = Color::kName,
       .column = 15},
      {.key = "endpoint", .value = or_null(port.endpoint()), .column = 24},
      {.key = "network", .value = port.network(), .column = 16},
      {.key = "vni", .value = port.vni()},
      {.key = "mac", .value = mac_value(port.mac()), .color = Color::kMac, .column = 17},
      {.key = "mtu", .value = port.mtu()},
      {.key = "state",
       .value = lower(v1::Port::State_Name(port.state())),
       .color = active ? Color::kGood : Color::kBad,
       .column = 7},
      {.key = "owner",
       .value = or_null(port.owner()),
       .level = port.owner().empty() ? Level::kDetails : Level::kAlways},
      {.key = "security", .value = port.security()},
      {.key = "learned",
       .value = port.learned(),
       .level = port.endpoint().empty() || port.learned() != 0 ? Level::kAlways : Level::kDetails},
      {.key = "ips",
       .value = ip_list(port.ips()),
       .place = Place::kLines,
       .color = Color::kIp,
       .column = 1,
       .word = "ip"},
      {.key = "generation", .value = port.generation(), .level = Level::kDetails},
  };
}

}  // namespace dove::cli
