#include "api/repeats.h"

#include "tests/catch.h"

namespace dove::api {
namespace {

using namespace std::chrono_literals;

const Repeats::TimePoint kStart{100h};

TEST_CASE("the first line passes, the same within a while is counted", "[journal]") {
  Repeats repeats;
  CHECK(repeats.pass("k", "lost", 1, kStart) == "lost");
  CHECK_FALSE(repeats.pass("k", "lost", 1, kStart + 1s));
  CHECK_FALSE(repeats.pass("k", "lost", 1, kStart + 59s));
  CHECK(repeats.pass("k", "lost", 1, kStart + 60s) == "lost (and 2 more times before)");
  CHECK_FALSE(repeats.pass("k", "lost", 1, kStart + 61s));
}

TEST_CASE("what was held back is told when it does not come again", "[journal]") {
  Repeats repeats;
  repeats.pass("k", "first", 1, kStart);
  repeats.pass("k", "second", 1, kStart + 1s);
  repeats.pass("k", "third", 1, kStart + 2s);
  repeats.pass("other", "alone", 1, kStart);
  CHECK(repeats.due(kStart + 59s).empty());
  CHECK(repeats.due(kStart + 60s) ==
        std::vector<std::string>{"told 2 more times in the last 60 seconds: third"});
  CHECK(repeats.due(kStart + 200s).empty());
  CHECK(repeats.pass("k", "again", 1, kStart + 200s) == "again");
}

TEST_CASE("keys do not hold each other back", "[journal]") {
  Repeats repeats;
  CHECK(repeats.pass("a", "x", 1, kStart));
  CHECK(repeats.pass("b", "x", 1, kStart));
}

TEST_CASE("so many of one key as may pass do", "[journal]") {
  Repeats repeats;
  int passed = 0;
  for (int i = 0; i < 100; ++i) passed += repeats.pass("host kvm1", "x", 10, kStart) ? 1 : 0;
  CHECK(passed == 10);
}

TEST_CASE("many keys are no way around the bound, and take no more memory", "[journal]") {
  Repeats repeats;
  unsigned passed = 0;
  for (int i = 0; i < 100'000; ++i)
    passed += repeats.pass("key " + std::to_string(i), "x", 1, kStart) ? 1U : 0U;
  CHECK(passed == Repeats::kAllAtOnce);
  CHECK(repeats.due(kStart + 60s).size() <= Repeats::kAllAtOnce);
  CHECK(repeats.pass("key", "y", 1, kStart + 120s) == "y");
}

}  // namespace
}  // namespace dove::api
