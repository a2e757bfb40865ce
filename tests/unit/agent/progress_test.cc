#include "agent/progress.h"

#include "tests/catch.h"

namespace dove::agent {
namespace {

struct World {
  int released = 0;
  Progress progress{[this] { ++released; }};

  // The number of the point that has been reached since the last call; 0: none.
  std::uint64_t reached() {
    const auto point = progress.reached();
    return point ? point->point.number : 0;
  }
};

TEST_CASE("progress: with nothing under way a point is reached at once, and told once") {
  World world;
  CHECK(world.progress.is_idle());
  world.progress.reach_for({1, 10});
  CHECK_FALSE(world.progress.is_idle());
  const auto reached = world.progress.reached();
  REQUIRE(reached);
  CHECK(reached->point == Progress::Point{1, 10});
  CHECK(reached->problem.empty());
  CHECK_FALSE(world.progress.reached());
  CHECK(world.progress.is_idle());
}

TEST_CASE("progress: what is under way holds the points behind it back, until its last copy goes") {
  World world;
  auto hold = world.progress.hold();
  world.progress.reach_for({1, 10});
  auto copy = hold;
  hold.reset();
  CHECK(world.released == 0);
  CHECK(world.reached() == 0);
  copy.reset();
  CHECK(world.released == 1);
  CHECK(world.reached() == 1);
}

TEST_CASE("progress: several points may be reached together") {
  World world;
  auto hold = world.progress.hold();
  world.progress.reach_for({1, 10});
  world.progress.reach_for({2, 11});
  hold.reset();
  CHECK(world.reached() == 2);
}

TEST_CASE("progress: a point does not wait for what begins behind it") {
  World world;
  auto first = world.progress.hold();
  world.progress.reach_for({1, 10});
  first.reset();
  CHECK(world.reached() == 1);
  auto second = world.progress.hold();
  world.progress.reach_for({2, 11});
  CHECK(world.reached() == 0);
}

TEST_CASE("progress: a point waits for what follows from what was under way") {
  World world;
  auto hold = world.progress.hold();
  world.progress.reach_for({1, 10});
  for (int i = 0; i < 5; ++i) {
    auto next = world.progress.hold();
    hold.reset();
    CHECK(world.reached() == 0);
    hold = std::move(next);
  }
  hold.reset();
  CHECK(world.reached() == 1);
}

TEST_CASE("progress: where something always is under way a point is reached all the same") {
  World world;
  auto hold = world.progress.hold();
  world.progress.reach_for({1, 10});
  int rounds = 0;
  while (world.reached() == 0 && rounds < 100) {
    auto next = world.progress.hold();
    hold = std::move(next);
    ++rounds;
  }
  CHECK(rounds < 20);
}

TEST_CASE("progress: what failed is told with the next point, once") {
  World world;
  world.progress.failed("no room");
  world.progress.failed("and more");
  world.progress.reach_for({1, 10});
  CHECK(world.progress.reached()->problem == "no room");
  world.progress.reach_for({2, 11});
  CHECK(world.progress.reached()->problem.empty());
}

TEST_CASE("progress: points that wait are bounded; the last is kept") {
  World world;
  auto hold = world.progress.hold();
  for (std::uint64_t i = 1; i <= 1000; ++i) world.progress.reach_for({i, i});
  hold.reset();
  CHECK(world.reached() == 1000);
}

TEST_CASE("progress: points of another session are forgotten") {
  World world;
  auto hold = world.progress.hold();
  world.progress.reach_for({1, 10});
  world.progress.forget_points();
  hold.reset();
  CHECK(world.reached() == 0);
}

TEST_CASE("progress: a hold may outlive it") {
  Progress::Hold hold;
  int released = 0;
  {
    Progress progress{[&] { ++released; }};
    hold = progress.hold();
  }
  hold.reset();
  CHECK(released == 0);
}

}  // namespace
}  // namespace dove::agent
