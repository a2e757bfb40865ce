#include "core/histogram.h"

#include "tests/catch.h"

namespace dove {
namespace {

constexpr std::array<std::uint64_t, 3> kBounds{10, 20, 40};

TEST_CASE("a bound belongs to the bucket that it ends", "[histogram]") {
  Histogram values{kBounds};
  for (const auto value : {0U, 10U, 11U, 20U, 21U, 40U, 41U, 1000U}) values.add(value);
  const auto counts = values.counts();
  CHECK(std::vector<std::uint64_t>(counts.begin(), counts.end()) ==
        std::vector<std::uint64_t>{2, 2, 2, 2});
  CHECK(values.count() == 8);
  CHECK(values.sum() == 1143);
}

TEST_CASE("percentiles lie in the bucket that has them", "[histogram]") {
  Histogram values{kBounds};
  CHECK(values.percentile(50) == 0);
  for (int i = 0; i < 100; ++i) values.add(15U);
  CHECK(values.percentile(50) == 15);
  CHECK(values.percentile(99) == 20);
  values.add(100'000U);
  CHECK(values.percentile(100) == 40);  // no more is known of it
}

TEST_CASE("times are nanoseconds, and none is negative", "[histogram]") {
  Histogram times{kTimeBounds};
  times.add(std::chrono::microseconds{10});
  times.add(std::chrono::nanoseconds{-5});
  CHECK(times.counts().front() == 2);
  CHECK(times.sum() == 10'000);
  CHECK(std::is_sorted(kTimeBounds.begin(), kTimeBounds.end()));
  CHECK(std::is_sorted(kSizeBounds.begin(), kSizeBounds.end()));
}

}  // namespace
}  // namespace dove
