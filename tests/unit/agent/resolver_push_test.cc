// What changes when the controller says that something changed.
#include "tests/catch.h"
#include "tests/unit/agent/resolver_world.h"

namespace dove::agent {
namespace {

TEST_CASE("resolver: a MAC that moved is replaced at once") {
  World w;
  w.install(2, 2);
  w.found(m(2), 3, 7);
  CHECK(w.kernel() == Words{"fdb m2 h3"});
  CHECK(w.quiet());
}

TEST_CASE("resolver: a MAC that is gone takes its neighbours along, these first") {
  World w;
  w.install(2, 2);
  w.miss(i(20));
  w.found(i(20), 2);
  w.out.clear();
  w.not_found(m(2), 7);
  CHECK(w.kernel() == Words{"no neighbour i2", "no neighbour i20", "no fdb m2"});
}

TEST_CASE("resolver: an IP that is gone takes its neighbour along, the MAC stays") {
  World w;
  w.install(2, 2);
  w.not_found(i(2), 7);
  CHECK(w.kernel() == Words{"no neighbour i2"});
  CHECK(w.r.neighbours().empty());
  CHECK(w.r.fdb().size() == 1);
}

TEST_CASE("resolver: an IP that moved to a known MAC is replaced, behind that MAC's entry") {
  World w;
  w.install(2, 2);
  w.install(3, 3);
  w.found(i(2), 3, 7);
  CHECK(w.kernel() == Words{"neighbour i2 m3"});

  w.r.on_fdb_gone(m(3), w.now, w.out);
  CHECK(w.kernel() == Words{"no neighbour i3", "no neighbour i2"});
}

TEST_CASE("resolver: an IP that moved to an unknown MAC leads nowhere until that is known") {
  World w;
  w.install(2, 2);
  w.found(i(2), 3, 7);
  CHECK(w.kernel() == Words{"no neighbour i2"});
  w.found(m(3), 3, 7);
  CHECK(w.kernel() == Words{"fdb m3 h3", "neighbour i2 m3"});
}

TEST_CASE(
    "resolver: an IP that moves long after it was wanted is moved in the kernel all the same") {
  World w;
  w.install(2, 2);
  w.install(3, 3);
  w.later(60s);
  w.found(i(2), 3, 7);
  CHECK(w.kernel() == Words{"neighbour i2 m3"});
}

TEST_CASE("resolver: an older revision changes nothing, by key") {
  World w;
  w.miss(i(2));
  w.found(i(2), 2, 10);
  w.found(m(2), 2, 10);
  w.out.clear();
  w.found(m(2), 3, 9);
  w.found(i(2), 4, 9);
  w.not_found(m(2), 9);
  w.not_found(i(2), 9);
  CHECK(w.quiet());
  CHECK(w.r.counters().stale_answers == 4);
  w.found(m(2), 3, 11);
  CHECK(w.kernel() == Words{"fdb m2 h3"});
}

TEST_CASE("resolver: an older answer does not end the question") {
  World w;
  w.miss(m(2));
  w.not_found(m(2), 10);
  for (int second = 0; second < 6; ++second) {
    w.later(1000ms);
    w.miss(m(2));
  }
  w.out.clear();
  w.found(m(2), 2, 9);
  CHECK(w.quiet());
  w.found(m(2), 2, 10);
  CHECK(w.kernel() == Words{"fdb m2 h2"});
}

TEST_CASE("resolver: the same word again changes nothing") {
  World w;
  w.install(2, 2);
  w.found(i(2), 2);
  w.found(m(2), 2);
  CHECK(w.quiet());
}

TEST_CASE("resolver: what leads to this host without a guest here is not installed") {
  World w;
  w.query(i(2));
  w.found(i(2), 2);
  w.found(m(2), 1);
  CHECK(w.kernel().empty());
  CHECK(w.answers().empty());

  w.install(3, 2);
  w.found(m(3), 1, 7);
  CHECK(w.kernel() == Words{"no neighbour i3", "no fdb m3"});
}

TEST_CASE("resolver: a host that gets another VTEP takes its entries along") {
  World w;
  w.install(2, 2);
  w.install(3, 3);
  w.r.on_hosts(std::vector{Resolver::HostChange{HostId{2}, vtep(22)}}, false, w.out);
  CHECK(w.kernel() == Words{"fdb m2 h22"});
}

TEST_CASE("resolver: what leads to a host that was removed is deleted") {
  World w;
  w.install(2, 2);
  w.hosts({1, 3});
  CHECK(w.kernel() == Words{"no neighbour i2", "no fdb m2"});
  w.hosts({2}, false);
  CHECK(w.kernel() == Words{"fdb m2 h2", "neighbour i2 m2"});  // wanted a moment ago
}

TEST_CASE("resolver: what the kernel aged is forgotten, with what led there") {
  World w;
  w.install(2, 2);
  w.miss(i(20));
  w.found(i(20), 2);
  w.out.clear();
  w.r.on_fdb_gone(m(2), w.now, w.out);
  CHECK(w.kernel() == Words{"no neighbour i2", "no neighbour i20"});
  CHECK(w.forgot() == Words{"i2", "i20", "m2"});
  CHECK(w.r.usage().keys == 0);
  CHECK(w.r.counters().aged == 1);
  // The binding is not believed any more: its changes are not told.
  w.frame(m(2), 1);
  CHECK(w.resends().empty());
  CHECK(w.asked() == Words{"m2"});
}

TEST_CASE("resolver: a neighbour that somebody deleted comes back at the next need") {
  World w;
  w.install(2, 2);
  w.r.on_neighbour_gone(i(2), w.now, w.out);
  CHECK(w.quiet());
  w.miss(i(2));
  CHECK(w.kernel() == Words{"neighbour i2 m2"});
}

TEST_CASE("resolver: a neighbour that somebody deleted and nobody needs is forgotten") {
  World w;
  w.install(2, 2);
  w.later(10s);
  w.r.on_neighbour_gone(i(2), w.now, w.out);
  w.later(1000ms);
  CHECK(w.forgot() == Words{"i2"});
  CHECK(w.r.fdb().size() == 1);
}

TEST_CASE("resolver: an entry the kernel refused is tried again at a later need, not before") {
  const auto why = GENERATE(std::errc::no_space_on_device, std::errc::operation_not_permitted,
                            std::errc::not_enough_memory, std::errc::no_such_device);
  World w;
  w.frame(m(2), 1);
  w.found(m(2), 2);
  REQUIRE(w.kernel() == Words{"fdb m2 h2"});
  w.resends();
  w.r.on_refused(SetFdb{m(2), vtep(2)}, std::make_error_code(why), w.now);
  CHECK(w.r.counters().refused == 1);
  CHECK(w.r.fdb().empty());
  REQUIRE(w.r.refused().contains(m(2)));
  CHECK(w.r.refused().at(m(2)).error == std::make_error_code(why));

  w.frame(m(2), 2);
  CHECK(w.kernel().empty());
  CHECK(w.resends() == Words{"2 to h2"});  // goes on, slowly
  w.now += 1000ms;
  w.frame(m(2), 3);
  CHECK(w.kernel() == Words{"fdb m2 h2"});
  w.r.on_taken(SetFdb{m(2), vtep(2)});
  CHECK(w.r.refused().empty());
  w.r.on_time(w.now, w.out);
  CHECK(w.kernel().empty());  // installed by now, nothing to repair
}

// The repairs in between delete what may stand in its place, and are taken.
TEST_CASE("resolver: the pause grows while the kernel goes on refusing") {
  World w;
  w.frame(m(2), 1);
  w.found(m(2), 2);
  w.kernel();
  std::vector<std::chrono::milliseconds> pauses;
  auto refused_at = w.now;
  w.r.on_refused(SetFdb{m(2), vtep(2)}, std::make_error_code(std::errc::no_space_on_device), w.now);
  while (pauses.size() < 7) {
    w.later(100ms);
    w.frame(m(2), 2);
    for (const auto& change : std::exchange(w.out.kernel, {})) {
      if (!std::holds_alternative<SetFdb>(change)) {
        w.r.on_taken(change);
        continue;
      }
      pauses.push_back(std::chrono::duration_cast<std::chrono::milliseconds>(w.now - refused_at));
      refused_at = w.now;
      w.r.on_refused(change, std::make_error_code(std::errc::no_space_on_device), w.now);
    }
    w.out.clear();
    CHECK(w.r.refused().size() == 1);
  }
  for (std::size_t i = 1; i < 6; ++i) {
    CHECK(pauses[i] >= 2 * pauses[i - 1] - 200ms);
    CHECK(pauses[i] <= 2 * pauses[i - 1] + 200ms);
  }
  CHECK(pauses[6] <= 33s);
  // Nobody wants it any more.
  w.later(120s);
  CHECK(w.r.refused().empty());
}

TEST_CASE("resolver: a replacement the kernel refused leaves nothing wrong behind") {
  World w;
  w.install(2, 2);
  w.later(10s);
  w.found(m(2), 3, 7);
  REQUIRE(w.kernel() == Words{"fdb m2 h3"});
  w.r.on_refused(SetFdb{m(2), vtep(3)}, std::make_error_code(std::errc::io_error), w.now);
  w.later(1000ms);
  // The neighbour is in use, so its MAC is tried again; had it not been, the old entry would go.
  CHECK(w.kernel() == Words{"fdb m2 h3"});
}

TEST_CASE("resolver: a refused change of nothing wanted is deleted later") {
  World w;
  w.miss(m(2));
  w.found(m(2), 2);
  w.out.clear();
  w.later(10s);
  w.r.on_refused(SetFdb{m(2), vtep(2)}, std::make_error_code(std::errc::io_error), w.now);
  w.later(1000ms);
  CHECK(w.kernel() == Words{"no fdb m2"});
  CHECK(w.forgot() == Words{"m2"});
}

TEST_CASE("resolver: a refused deletion is repeated until it is done or beside the point") {
  World w;
  w.install(2, 2);
  w.not_found(m(2), 7);
  REQUIRE(w.kernel() == Words{"no neighbour i2", "no fdb m2"});
  const auto error = std::make_error_code(std::errc::device_or_resource_busy);
  w.r.on_refused(DeleteNeighbour{i(2)}, error, w.now);
  w.r.on_refused(DeleteFdb{m(2)}, error, w.now);
  w.later(1000ms);
  CHECK(w.kernel() == Words{"no neighbour i2", "no fdb m2"});
  w.r.on_refused(DeleteFdb{m(2)}, std::make_error_code(std::errc::no_such_file_or_directory),
                 w.now);
  w.later(1000ms);
  CHECK(w.kernel().empty());
}

TEST_CASE("resolver: an address that is introduced is installed without a question") {
  World w;
  w.introduced(i(2), 2);
  w.found(m(2), 2);
  CHECK(w.kernel() == Words{"fdb m2 h2", "neighbour i2 m2"});
  w.later(100ms);
  CHECK(w.quiet());
  w.query(i(2));
  CHECK(w.answers() == Words{"i2 is at m2 to port 1"});
  CHECK(w.quiet());
  w.found(m(2), 3, 7);  // and its changes are heard
  CHECK(w.kernel() == Words{"fdb m2 h3"});
}

TEST_CASE("resolver: an introduction that crossed a forget is followed by a question") {
  World w;
  w.install(2, 2);
  w.r.on_fdb_gone(m(2), w.now, w.out);
  CHECK(w.forgot() == Words{"i2", "m2"});
  w.out.clear();
  w.introduced(i(2), 2, 7);
  w.found(m(2), 2, 7);
  CHECK(w.kernel() == Words{"fdb m2 h2", "neighbour i2 m2"});
  CHECK(w.asked().empty());
  w.later(Limits{}.expect);
  CHECK(w.asked() == Words{"i2", "m2"});
}

TEST_CASE(
    "resolver: an introduction answers who was asking, and of what is not here is forgotten") {
  World w;
  w.query(i(2));
  CHECK(w.asked() == Words{"i2"});
  w.introduced(i(2), 2);
  w.found(m(2), 2);
  CHECK(w.answers() == Words{"i2 is at m2 to port 1"});
  w.out.clear();
  const IpKey elsewhere = i(2, *Vni::from(99));
  w.introduced(elsewhere, 2);
  CHECK(w.forgot() == Words{"i2@99"});
  w.r.on_session_lost();
  w.introduced(i(5), 5);
  CHECK(w.kernel().empty());
}

}  // namespace
}  // namespace dove::agent
