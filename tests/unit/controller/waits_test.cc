#include "controller/waits.h"

#include "tests/catch.h"

namespace dove::controller {
namespace {

using namespace std::chrono_literals;

constexpr HostId kOne{1};
constexpr HostId kTwo{2};
constexpr TimePoint kStart{};

// Hosts and why they lag, in words.
using Outcome = std::vector<std::string>;

struct World {
  Waits waits;
  std::vector<Outcome> outcomes;

  void add(const Told& told, std::chrono::milliseconds patience = 10s) {
    waits.add(told, kStart + patience, [this](const std::vector<Lag>& lagging) {
      Outcome outcome;
      for (const auto& lag : lagging) {
        const std::array words{"silent", "away", "trouble "};
        outcome.push_back(std::to_string(static_cast<unsigned>(lag.host)) + " " +
                          words.at(static_cast<std::size_t>(lag.why)) + lag.problem);
      }
      outcomes.push_back(outcome);
    });
    run();
  }
  void run() {
    for (const auto& done : waits.take_over()) done();
  }
  std::vector<Outcome> applied(HostId host, const Told::Point& up_to,
                               const std::string& problem = {}) {
    waits.applied(host, up_to, problem);
    run();
    return std::exchange(outcomes, {});
  }
  std::vector<Outcome> expired(std::chrono::milliseconds time) {
    waits.expire(kStart + time);
    run();
    return std::exchange(outcomes, {});
  }
};

Told told(std::map<HostId, Told::Point> points) { return {std::move(points)}; }

TEST_CASE("waits: nobody to wait for, and it is over at once") {
  World world;
  world.add({});
  CHECK(world.outcomes == std::vector<Outcome>{{}});
  CHECK(world.waits.size() == 0);
}

TEST_CASE("waits: until all have applied their points, and earlier points are not enough") {
  World world;
  world.add(told({{kOne, {7, 3}}, {kTwo, {8, 5}}}));
  CHECK(world.applied(kOne, {7, 2}).empty());
  CHECK(world.applied(kOne, {7, 4}).empty());
  CHECK(world.applied(kTwo, {8, 4}).empty());
  CHECK(world.applied(kTwo, {8, 5}) == std::vector<Outcome>{{}});
  CHECK(world.waits.size() == 0);
}

TEST_CASE("waits: a word of another session of the host is none") {
  World world;
  world.add(told({{kOne, {7, 3}}}));
  CHECK(world.applied(kOne, {6, 9}).empty());
  CHECK(world.applied(kTwo, {7, 9}).empty());
  CHECK(world.applied(kOne, {7, 3}).size() == 1);
}

TEST_CASE("waits: at the deadline those are named that were silent") {
  World world;
  world.add(told({{kOne, {7, 3}}, {kTwo, {8, 5}}}), 2s);
  world.add(told({{kTwo, {8, 5}}}), 1s);
  CHECK(world.waits.next_deadline() == kStart + 1s);
  world.applied(kOne, {7, 3});
  CHECK(world.expired(999ms).empty());
  CHECK(world.expired(1s) == std::vector<Outcome>{{"2 silent"}});
  CHECK(world.waits.next_deadline() == kStart + 2s);
  CHECK(world.expired(2s) == std::vector<Outcome>{{"2 silent"}});
  CHECK_FALSE(world.waits.next_deadline());
}

TEST_CASE("waits: a host that is away is named when the others are done, not waited for") {
  World world;
  world.add(told({{kOne, {}}}));
  CHECK(world.outcomes == std::vector<Outcome>{{"1 away"}});
  world.outcomes.clear();
  world.add(told({{kOne, {}}, {kTwo, {8, 5}}}));
  CHECK(world.outcomes.empty());
  CHECK(world.applied(kTwo, {8, 5}) == std::vector<Outcome>{{"1 away"}});
}

TEST_CASE("waits: a host that goes is away, and one that is back is waited for again") {
  World world;
  world.add(told({{kOne, {7, 3}}, {kTwo, {8, 5}}}));
  world.waits.gone(kOne);
  world.run();
  CHECK(world.outcomes.empty());
  SECTION("before the others are done") {
    world.waits.back(kOne, {9, 1});
    CHECK(world.applied(kTwo, {8, 5}).empty());
    CHECK(world.applied(kOne, {7, 3}).empty());
    CHECK(world.applied(kOne, {9, 1}) == std::vector<Outcome>{{}});
  }
  SECTION("with a new session in place of the old one") {
    world.waits.back(kTwo, {9, 1});
    CHECK(world.applied(kTwo, {8, 5}).empty());
    CHECK(world.applied(kTwo, {9, 1}) == std::vector<Outcome>{{"1 away"}});
  }
  SECTION("but not after") {
    CHECK(world.applied(kTwo, {8, 5}) == std::vector<Outcome>{{"1 away"}});
    world.waits.back(kOne, {9, 1});
    CHECK(world.waits.size() == 0);
  }
  SECTION("unless it was not concerned") {
    world.waits.back(HostId{3}, {9, 1});
    CHECK(world.applied(kTwo, {8, 5}) == std::vector<Outcome>{{"1 away"}});
  }
}

TEST_CASE("waits: a host that says it could not is named with what it said") {
  World world;
  world.add(told({{kOne, {7, 3}}, {kTwo, {8, 5}}}));
  CHECK(world.applied(kOne, {7, 3}, "no room").empty());
  CHECK(world.applied(kTwo, {8, 6}) == std::vector<Outcome>{{"1 trouble no room"}});
}

TEST_CASE("waits: a host that is removed concerns nobody") {
  World world;
  world.add(told({{kOne, {7, 3}}}));
  world.add(told({{kOne, {}}, {kTwo, {8, 5}}}));
  world.waits.removed(kOne);
  world.run();
  CHECK(std::exchange(world.outcomes, {}) == std::vector<Outcome>{{}});
  CHECK(world.applied(kTwo, {8, 5}) == std::vector<Outcome>{{}});
}

TEST_CASE("waits: beyond the bound nobody waits, and is told so") {
  World world;
  for (std::size_t i = 0; i < Waits::kMost; ++i) world.add(told({{kOne, {7, 3}}}));
  CHECK(world.outcomes.empty());
  world.add(told({{kOne, {7, 3}}}));
  CHECK(world.outcomes == std::vector<Outcome>{{"1 trouble too many wait for hosts already"}});
  world.outcomes.clear();
  CHECK(world.applied(kOne, {7, 3}).size() == Waits::kMost);
}

TEST_CASE("told: of one host the last point, and a later session is behind an earlier one") {
  Told all = told({{kOne, {7, 3}}});
  all.add(kOne, {7, 2});
  CHECK(all.points.at(kOne).number == 3);
  all.add(told({{kOne, {7, 4}}, {kTwo, {8, 1}}}));
  CHECK(all.points.at(kOne).number == 4);
  CHECK(all.points.size() == 2);
  all.add(kOne, {9, 1});
  CHECK(all.points.at(kOne).reader == 9);
  all.add(kOne, {7, 5});
  CHECK(all.points.at(kOne).number == 1);
  all.add(kOne, {});
  CHECK(all.points.at(kOne).reader == 9);
}

}  // namespace
}  // namespace dove::controller
