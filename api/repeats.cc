#include "api/repeats.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace dove::api {

std::optional<std::string> Repeats::pass(const std::string& key, const std::string& text,
                                         unsigned most, TimePoint now) {
  const bool room = entries_.size() < kKeys || entries_.contains(key);
  auto& entry = entries_[room ? key : std::string{}];
  if (now - entry.since >= kWhile) {
    entry.since = now;
    entry.written = 0;
  }
  if (entry.written >= most || !take_turn(now)) {
    ++entry.held;
    entry.last = text;
    return std::nullopt;
  }
  ++entry.written;
  const auto held = std::exchange(entry.held, 0);
  return held == 0
             ? text
             : fmt::format("{} (and {} more time{} before)", text, held, held == 1 ? "" : "s");
}

std::vector<std::string> Repeats::due(TimePoint now) {
  std::vector<std::string> lines;
  for (auto at = entries_.begin(); at != entries_.end();) {
    auto& entry = at->second;
    if (now - entry.since < kWhile) {
      ++at;
      continue;
    }
    if (entry.held != 0 && take_turn(now))
      lines.push_back(fmt::format("told {} more time{} in the last {} seconds: {}", entry.held,
                                  entry.held == 1 ? "" : "s", std::chrono::seconds{kWhile}.count(),
                                  entry.last));
    at = entries_.erase(at);
  }
  return lines;
}

bool Repeats::take_turn(TimePoint now) {
  const std::chrono::duration<double> passed = now - turns_at_;
  const std::chrono::duration<double> full = kWhile;
  turns_at_ = now;
  turns_ = std::min<double>(kAllAtOnce, turns_ + kAllAtOnce * passed.count() / full.count());
  if (turns_ < 1) return false;
  turns_ -= 1;
  return true;
}

}  // namespace dove::api
