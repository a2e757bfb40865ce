#include "agent/resolver/guest_limiter.h"

#include "tests/catch.h"

namespace dove::agent {
namespace {

using namespace std::chrono_literals;

const TimePoint kStart{1000s};

// How many of `wanted` the guest gets in a second, evenly spread.
int taken(GuestLimiter& limiter, std::uint64_t guest, TimePoint from, int wanted) {
  int count = 0;
  for (int i = 0; i < wanted; ++i)
    count += limiter.take(guest, from + i * std::chrono::nanoseconds{1s} / wanted) ? 1 : 0;
  return count;
}

TEST_CASE("A guest gets its burst and then its rate", "[agent][limits]") {
  GuestLimiter limiter{{100, 20}, {0, 0}};
  CHECK(taken(limiter, 1, kStart, 10'000) == 119);
  CHECK(taken(limiter, 1, kStart + 1s, 10'000) == 100);
  CHECK(taken(limiter, 1, kStart + 10s, 50) == 50);  // control: who asks little gets all
}

TEST_CASE("Without limits everything is asked", "[agent][limits]") {
  GuestLimiter limiter{{0, 0}, {0, 0}};
  CHECK(taken(limiter, 1, kStart, 10'000) == 10'000);
}

TEST_CASE("Guests that ask much leave room for one that asks little", "[agent][limits]") {
  GuestLimiter limiter{{100, 20}, {150, 40}};
  int much = 0;
  int little = 0;
  for (int i = 0; i < 10'000; ++i) {
    const auto now = kStart + i * 1ms;
    for (std::uint64_t guest = 1; guest <= 50; ++guest) much += limiter.take(guest, now) ? 1 : 0;
    // At the very first moment all have asked little.
    if (i % 100 == 50) little += limiter.take(99, now) ? 1 : 0;
  }
  CHECK(little == 100);
  CHECK(much + little <= 10 * 150 + 40);
  CHECK(much + little >= 10 * 150 - 40);  // nothing is left unused
}

TEST_CASE("What nobody's guest asked counts for the host alone", "[agent][limits]") {
  GuestLimiter limiter{{100, 20}, {100, 20}};
  for (int i = 0; i < 1000; ++i) limiter.charge(kStart);
  CHECK_FALSE(limiter.take(1, kStart));
  CHECK(limiter.take(1, kStart + 200ms));  // no debt beyond one bucket
}

TEST_CASE("Guests that are quiet take no memory", "[agent][limits]") {
  GuestLimiter limiter{{100, 20}, {0, 0}};
  for (std::uint64_t guest = 0; guest < 100'000; ++guest)
    limiter.take(guest, kStart + guest * 100us);
  CHECK(limiter.guests() < 1000);
}

}  // namespace
}  // namespace dove::agent
