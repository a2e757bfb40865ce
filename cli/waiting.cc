#include "cli/waiting.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/quoted.h"

namespace dove::cli {
namespace {

// So many are named.
constexpr int kNamed = 16;

std::uint32_t in_ms(std::chrono::seconds wait) {
  return static_cast<std::uint32_t>(wait.count()) * 1000;
}

std::string reason(const v1::Lag& lag, std::uint32_t wait_ms) {
  switch (lag.why()) {
    case v1::Lag::NOT_CONNECTED:
      return "it is not connected";
    case v1::Lag::TROUBLE:
      return lag.problem();
    default:
      return fmt::format("no word from it within {} s", wait_ms / 1000);
  }
}

Result<Action> parse_sync(Words& words) {
  if (const auto finished = words.finish(); !finished) return finished.error();
  return Action{[](Session& session) -> Status {
    v1::SettleRequest request;
    request.set_wait_ms(in_ms(session.wait.value_or(kDefaultWait)));
    const auto reply = session.backend.settle(request);
    if (!reply) return reply.error();
    return check_applied(reply->lagging(), "not yet applied", request.wait_ms());
  }};
}

}  // namespace

constinit const Object kSync{
    .names = "sync", .usage = "dovectl [ -wait=SECS ] sync", .commands = {}, .parse = parse_sync};

std::uint32_t wait_ms(const Session& session) { return session.wait ? in_ms(*session.wait) : 0; }

Status check_applied(const Lags& lagging, std::string_view what, std::uint32_t wait_ms) {
  if (lagging.empty()) return {};
  std::string hosts;
  for (int i = 0; i < std::min(lagging.size(), kNamed); ++i) {
    const auto& lag = lagging[i];
    hosts += fmt::format("{}host {}: {}", hosts.empty() ? "" : "; ", quoted(lag.host()),
                         reason(lag, wait_ms));
  }
  if (lagging.size() > kNamed) hosts += fmt::format("; and {} more", lagging.size() - kNamed);
  return Error{ErrorCode::kUnavailable, fmt::format("{} by {}", what, hosts)};
}

Status await_others(Session& session) {
  if (!session.wait) return {};
  v1::AwaitRequest request;
  request.set_wait_ms(wait_ms(session));
  const auto reply = session.backend.await(request);
  if (!reply)
    return Error{reply.error().code,
                 "done, but nobody knows whether other hosts have "
                 "applied it: " +
                     reply.error().message};
  return check_applied(reply->lagging(), "done, but not yet applied", request.wait_ms());
}

}  // namespace dove::cli
