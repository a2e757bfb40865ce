#include "cli/management.h"

#include <fmt/format.h>

#include "cli/records.h"
#include "cli/values.h"
#include "cli/waiting.h"

namespace dove::cli {
namespace {

std::string_view word_of(v1::ShowRequest::Kind kind) {
  switch (kind) {
    case v1::ShowRequest::TENANT:
      return "tenant";
    case v1::ShowRequest::NETWORK:
      return "network";
    case v1::ShowRequest::ENDPOINT:
      return "endpoint";
    case v1::ShowRequest::POLICY:
      return "policy";
    default:
      return "host";
  }
}

Status echo(const v1::ChangeReply& reply, Session& session) {
  if (!session.echo) return {};
  session.printer.begin();
  for (const auto& object : reply.objects()) session.printer.add(to_record(object));
  return session.printer.finish();
}

}  // namespace

Action change(v1::Operation operation) {
  v1::ChangeRequest request;
  *request.add_operations() = std::move(operation);
  return [request = std::move(request)](Session& session) mutable -> Status {
    request.set_wait_ms(wait_ms(session));
    const auto reply = session.backend.change(request);
    if (!reply) return reply.error();
    if (const auto printed = echo(*reply, session); !printed) return printed;
    if (session.wait && !reply->waited())
      return Error{ErrorCode::kUnavailable,
                   "the change is in the store, but dove-controller cannot wait for hosts"};
    return check_applied(reply->lagging(), "the change is in the store, but not yet applied",
                         request.wait_ms());
  };
}

Action show(v1::ShowRequest request) {
  return [request = std::move(request)](Session& session) -> Status {
    bool found = request.name().empty();
    session.printer.begin();
    const auto shown = session.backend.show(request, [&](const v1::Object& object) {
      found = true;
      session.printer.add(to_record(object));
    });
    if (!shown) return shown;
    const auto inside =
        request.network().empty() ? "" : fmt::format(" in network \"{}\"", request.network());
    if (!found)
      return Error{ErrorCode::kNotFound,
                   fmt::format("{} \"{}\" does not exist{}", word_of(request.kind()),
                               request.name(), inside)};
    return session.printer.finish();
  };
}

Result<Action> parse_show(v1::ShowRequest::Kind kind, Words& words) {
  v1::ShowRequest request;
  request.set_kind(kind);
  if (!words.empty()) {
    auto name = take_name(words);
    if (!name) return name.error();
    request.set_name(*std::move(name));
  }
  if (const auto finished = words.finish(); !finished) return finished.error();
  return show(std::move(request));
}

Result<Action> parse_del(Words& words, void (*write)(v1::Operation&, std::string)) {
  auto name = take_name(words);
  if (!name) return name.error();
  if (const auto finished = words.finish(); !finished) return finished.error();
  v1::Operation operation;
  write(operation, *std::move(name));
  return change(std::move(operation));
}

}  // namespace dove::cli
