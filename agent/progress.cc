#include "agent/progress.h"

#include <utility>

namespace dove::agent {
namespace {

// What follows from what was under way may have something follow in turn. Where something always
// is, by other causes, no more than this is waited for.
constexpr int kRounds = 8;
// Points that wait; the last stands for those beyond.
constexpr std::size_t kPoints = 16;

}  // namespace

Progress::Progress(std::function<void()> released) : open_{std::make_shared<Open>()} {
  open_->released = std::move(released);
}

Progress::~Progress() { open_->released = nullptr; }

Progress::Hold Progress::hold() {
  const auto number = next_++;
  open_->numbers.insert(number);
  return {&open_->numbers, [open = open_, number](const void*) {
            open->numbers.erase(number);
            if (open->released) open->released();
          }};
}

void Progress::failed(const std::string& why) {
  if (problem_.empty()) problem_ = why;
}

void Progress::reach_for(const Point& point) {
  if (wanted_.size() >= kPoints) wanted_.pop_back();
  wanted_.push_back({point, next_});
}

bool Progress::is_reached(Wanted& wanted) const {
  const auto& open = open_->numbers;
  if (open.empty()) return true;
  if (*open.begin() < wanted.before) return false;
  wanted.before = next_;
  return ++wanted.rounds > kRounds;
}

std::optional<Progress::Reached> Progress::reached() {
  std::optional<Point> last;
  while (!wanted_.empty() && is_reached(wanted_.front())) {
    last = wanted_.front().point;
    wanted_.pop_front();
  }
  if (!last) return std::nullopt;
  return Reached{*last, std::exchange(problem_, {})};
}

void Progress::forget_points() { wanted_.clear(); }

bool Progress::is_idle() const { return open_->numbers.empty() && wanted_.empty(); }

}  // namespace dove::agent
