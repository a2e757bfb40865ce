#include "cli/management.h"

#include <fmt/format.h>

#include "cli/records.h"
#include "cli/values.h"

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

}  // namespace

Action change(v1::Operation operation) {
  v1::ChangeRequest request;
  *request.add_operations() = std::move(operation);
  return [request = std::move(request)](Session& session) -> Status {
    const auto reply = session.backend.change(request);
    if (!reply) return reply.error();
    if (!session.echo) return {};
    session.printer.begin();
    for (const auto& object : reply->objects()) session.printer.add(to_record(object));
    return session.printer.finish();
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
    if (!found)
      return Error{ErrorCode::kNotFound, fmt::format("{} \"{}\" does not exist",
                                                     word_of(request.kind()), request.name())};
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
