// check: whether this host's kernel, its doved and the controller agree.
#include <fmt/format.h>

#include "cli/object.h"
#include "cli/records.h"
#include "cli/values.h"

namespace dove::cli {
namespace {

bool is_fix(std::string_view word) { return word == "-fix" || word == "--fix"; }

Result<v1::CheckRequest> read(Words& words) {
  v1::CheckRequest request;
  while (!words.empty()) {
    if (is_fix(words.peek())) {
      words.take();
      request.set_fix(true);
      continue;
    }
    if (!request.network().empty())
      return wrong_argument(words.peek(), "expected -fix or nothing more");
    auto name = take_name(words);
    if (!name) return name.error();
    request.set_network(*std::move(name));
  }
  return request;
}

// What is left, as the exit status has to say.
Status verdict(const v1::CheckReply& reply) {
  if (!reply.unasked().empty())
    return Error{ErrorCode::kUnavailable,
                 fmt::format("not compared with the controller: {}", reply.unasked())};
  std::uint64_t left = reply.omitted();
  for (const auto& one : reply.differences()) left += one.mended() ? 0 : 1;
  if (left == 0) return {};
  return Error{ErrorCode::kConflict,
               fmt::format("{} difference{} left", left, left == 1 ? "" : "s")};
}

Result<Action> parse(Words& words) {
  auto request = read(words);
  if (!request) return request.error();
  return Action{[request = *std::move(request)](Session& session) -> Status {
    const auto reply = session.backend.check(request);
    if (!reply) return reply.error();
    session.printer.begin();
    for (const auto& one : reply->differences()) session.printer.add(to_record(one));
    if (const auto printed = session.printer.finish(); !printed) return printed;
    return verdict(*reply);
  }};
}

}  // namespace

constinit const Object kCheck{.names = "check",
                              .usage = "dovectl check [ NETWORK ] [ -fix ]",
                              .commands = {},
                              .parse = parse};

Record to_record(const v1::Difference& difference) {
  const auto color = difference.mended() ? Color::kGood : Color::kBad;
  return {
      {.key = "network",
       .value = or_null(difference.network()),
       .color = Color::kName,
       .column = 16},
      {.key = "vni", .value = or_null(difference.vni()), .place = Place::kHidden},
      {.key = "with",
       .value = lower(v1::Difference::With_Name(difference.with())),
       .place = Place::kHidden},
      {.key = "what",
       .value = difference.what(),
       .place = Place::kBare,
       .color = color,
       .column = 60},
      {.key = "mended", .value = difference.mended()},
      {.key = "problem", .value = or_null(difference.problem())},
      {.key = "command", .value = or_null(difference.command()), .column = 1, .word = "by"},
  };
}

}  // namespace dove::cli
