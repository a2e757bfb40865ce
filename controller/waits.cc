#include "controller/waits.h"

#include <algorithm>
#include <utility>

namespace dove::controller {

// Of one host's points the last. A session is younger than those before it.
void Told::add(HostId host, const Point& point) {
  const auto [at, fresh] = points.try_emplace(host, point);
  auto& known = at->second;
  if (fresh || point.reader < known.reader) return;
  if (point.reader > known.reader || point.number > known.number) known = point;
}

void Told::add(const Told& other) {
  for (const auto& [host, point] : other.points) add(host, point);
}

void Waits::add(Told told, TimePoint deadline, Done done) {
  Wait wait{{}, {}, deadline, std::move(done)};
  const bool is_full = waits_.size() >= kMost;
  for (const auto& [host, point] : told.points) {
    if (point.reader == 0)
      wait.lagging.emplace(host, Lag{host, Lag::Why::kNotConnected, {}});
    else if (is_full)
      wait.lagging.emplace(host, Lag{host, Lag::Why::kTrouble, "too many wait for hosts already"});
    else
      wait.pending.emplace(host, point);
  }
  if (wait.pending.empty())
    end(std::move(wait));
  else
    waits_.push_back(std::move(wait));
}

template <class Change>
void Waits::for_each(Change change) {
  for (auto at = waits_.begin(); at != waits_.end();) {
    change(*at);
    if (!at->pending.empty()) {
      ++at;
      continue;
    }
    end(std::move(*at));
    at = waits_.erase(at);
  }
}

void Waits::end(Wait&& wait) {
  std::vector<Lag> lagging;
  for (const auto& [host, lag] : wait.lagging) lagging.push_back(lag);
  over_.emplace_back(
      [done = std::move(wait.done), lagging = std::move(lagging)] { done(lagging); });
}

void Waits::applied(HostId host, const Told::Point& up_to, const std::string& problem) {
  for_each([&](Wait& wait) {
    const auto at = wait.pending.find(host);
    if (at == wait.pending.end() || at->second.reader != up_to.reader ||
        at->second.number > up_to.number)
      return;
    wait.pending.erase(at);
    if (!problem.empty())
      wait.lagging.insert_or_assign(host, Lag{host, Lag::Why::kTrouble, problem});
  });
}

void Waits::gone(HostId host) {
  for_each([&](Wait& wait) {
    if (wait.pending.erase(host) != 0)
      wait.lagging.insert_or_assign(host, Lag{host, Lag::Why::kNotConnected, {}});
  });
}

void Waits::back(HostId host, const Told::Point& all) {
  for (auto& wait : waits_) {
    const auto lag = wait.lagging.find(host);
    const bool was_away = lag != wait.lagging.end() && lag->second.why == Lag::Why::kNotConnected;
    if (was_away) wait.lagging.erase(lag);
    if (was_away || wait.pending.contains(host)) wait.pending.insert_or_assign(host, all);
  }
}

void Waits::removed(HostId host) {
  for_each([&](Wait& wait) {
    wait.pending.erase(host);
    wait.lagging.erase(host);
  });
}

void Waits::expire(TimePoint now) {
  for_each([&](Wait& wait) {
    if (now < wait.deadline) return;
    for (const auto& [host, point] : std::exchange(wait.pending, {}))
      wait.lagging.insert_or_assign(host, Lag{host, Lag::Why::kSilent, {}});
  });
}

std::optional<TimePoint> Waits::next_deadline() const {
  std::optional<TimePoint> next;
  for (const auto& wait : waits_)
    if (!next || wait.deadline < *next) next = wait.deadline;
  return next;
}

std::vector<std::function<void()>> Waits::take_over() { return std::exchange(over_, {}); }

}  // namespace dove::controller
