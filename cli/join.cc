// join and leave: this host has a network's bridge without a port.
#include "cli/object.h"
#include "cli/values.h"
#include "cli/waiting.h"

namespace dove::cli {
namespace {

using Call = Result<v1::JoinReply> (Backend::*)(const v1::NetworkName&);

Status echo(const v1::NetworkName& request, const v1::JoinReply& reply, Session& session) {
  if (!session.echo) return {};
  session.printer.begin();
  session.printer.add({
      {.key = "network",
       .value = request.network(),
       .place = Place::kTitle,
       .color = Color::kName,
       .column = 24},
      {.key = "vni", .value = reply.vni(), .column = 8},
  });
  return session.printer.finish();
}

Result<Action> parse(Words& words, Call call) {
  auto name = take_name(words);
  if (!name) return name.error();
  if (const auto finished = words.finish(); !finished) return finished.error();
  v1::NetworkName request;
  request.set_network(*std::move(name));
  return Action{[request = std::move(request), call](Session& session) -> Status {
    const auto reply = (session.backend.*call)(request);
    if (!reply) return reply.error();
    if (const auto printed = echo(request, *reply, session); !printed) return printed;
    return await_others(session);
  }};
}

}  // namespace

constinit const Object kJoin{
    .names = "join", .usage = "dovectl join NETWORK", .commands = {}, .parse = [](Words& words) {
      return parse(words, &Backend::join);
    }};

constinit const Object kLeave{
    .names = "leave", .usage = "dovectl leave NETWORK", .commands = {}, .parse = [](Words& words) {
      return parse(words, &Backend::leave);
    }};

}  // namespace dove::cli
