// How often a quantity lay between which bounds, and its sum: what a histogram of Prometheus is
// made of. A fixed array of counts: adding takes no lock and no memory. Whole numbers in a unit
// small enough, so nothing is lost in a sum; what is shown is scaled at the edge.
//
// Not thread-safe.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

namespace dove {

class Histogram {
 public:
  static constexpr std::size_t kMostBounds = 24;

  // `bounds` rise, are at most kMostBounds, and outlive the histogram. Each is the largest value
  // that its bucket counts; one more bucket counts what is beyond the last.
  explicit constexpr Histogram(std::span<const std::uint64_t> bounds) noexcept : bounds_{bounds} {}

  void add(std::uint64_t value) noexcept {
    const auto at = std::lower_bound(bounds_.begin(), bounds_.end(), value);
    ++counts_[static_cast<std::size_t>(at - bounds_.begin())];
    sum_ += value;
  }
  // In nanoseconds; a time that runs backwards is none.
  void add(std::chrono::nanoseconds time) noexcept {
    add(static_cast<std::uint64_t>(std::max<std::int64_t>(time.count(), 0)));
  }

  std::span<const std::uint64_t> bounds() const noexcept { return bounds_; }
  // Of each bucket by itself; the last is that beyond all bounds.
  std::span<const std::uint64_t> counts() const noexcept {
    return std::span{counts_}.first(bounds_.size() + 1);
  }
  std::uint64_t sum() const noexcept { return sum_; }
  std::uint64_t count() const noexcept {
    std::uint64_t all = 0;
    for (const auto count : counts()) all += count;
    return all;
  }

  // About the value below which `percent` of 100 lie, as if the values of a bucket were spread
  // evenly in it; of what is beyond all bounds no more is known than the last bound. 0 when empty.
  std::uint64_t percentile(unsigned percent) const noexcept {
    const double rank = static_cast<double>(count()) * percent / 100;
    double below = 0;
    for (std::size_t i = 0; i < bounds_.size(); ++i) {
      const auto in = static_cast<double>(counts_[i]);
      const std::uint64_t low = i == 0 ? 0 : bounds_[i - 1];
      if (in > 0 && below + in >= rank) {
        const auto width = static_cast<double>(bounds_[i] - low);
        return low + static_cast<std::uint64_t>(std::ceil(width * (rank - below) / in));
      }
      below += in;
    }
    return bounds_.empty() || count() == 0 ? 0 : bounds_.back();
  }

 private:
  std::span<const std::uint64_t> bounds_;
  std::array<std::uint64_t, kMostBounds + 1> counts_{};
  std::uint64_t sum_ = 0;
};

// Nanoseconds: 10 microseconds to 10 seconds, three to a decade.
inline constexpr std::array<std::uint64_t, 19> kTimeBounds{
    10'000,        25'000,        50'000,        100'000,       250'000,
    500'000,       1'000'000,     2'500'000,     5'000'000,     10'000'000,
    25'000'000,    50'000'000,    100'000'000,   250'000'000,   500'000'000,
    1'000'000'000, 2'500'000'000, 5'000'000'000, 10'000'000'000};
// Numbers of things done at once.
inline constexpr std::array<std::uint64_t, 12> kSizeBounds{1,  2,   4,   8,   16,   32,
                                                           64, 128, 256, 512, 1024, 2048};

}  // namespace dove
