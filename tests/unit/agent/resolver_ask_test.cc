// How often the controller is asked, and what a negative answer does.
#include "tests/catch.h"
#include "tests/unit/agent/resolver_world.h"

namespace dove::agent {
namespace {

TEST_CASE("resolver: one ask per key however many packets") {
  World w;
  for (int n = 0; n < 100; ++n) {
    w.miss(m(2));
    w.miss(i(2));
    w.query(i(2));
    w.frame(m(2), n);
    w.now += 1ms;
  }
  CHECK(w.asked() == Words{"m2", "i2"});
  CHECK(w.r.counters().asks == 2);
}

TEST_CASE("resolver: an unanswered ask is repeated, more and more seldom, while it is needed") {
  World w;
  w.miss(m(2));
  w.out.clear();
  std::vector<int> repeated;
  for (int second = 1; second <= 32; ++second) {
    w.later(1000ms);
    w.miss(m(2));
    if (!w.asked().empty()) repeated.push_back(second);
  }
  CHECK(repeated == std::vector{1, 3, 7, 15, 23, 31});
}

TEST_CASE("resolver: an ask that nobody needs any more is forgotten") {
  World w;
  w.miss(m(2));
  w.query(i(2));
  w.out.clear();
  w.later(1000ms);
  CHECK(w.asked() == Words{"m2", "i2"});
  w.later(1000ms);
  CHECK(w.forgot() == Words{"m2", "i2"});
  CHECK(w.r.usage().keys == 0);
  CHECK(w.drops(DropReason::kWaitTimeout) == 1);
  CHECK(!w.r.next_deadline());
}

TEST_CASE("resolver: who waits and is served is measured, who is given up is not") {
  World w;
  w.query(i(2));
  w.frame(m(3), 1);
  w.now += 3ms;
  w.found(i(2), 2);
  w.found(m(2), 2);
  CHECK(w.r.counters().waits.count() == 1);
  CHECK(w.r.counters().waits.sum() == 3'000'000);
  w.later(10s);
  CHECK(w.drops(DropReason::kWaitTimeout) == 1);
  CHECK(w.r.counters().waits.count() == 1);
}

TEST_CASE("resolver: a negative is not asked again before its ttl is over") {
  World w;
  w.miss(i(2));
  w.not_found(i(2));
  CHECK(w.asked() == Words{"i2"});
  for (int n = 0; n < 49; ++n) {
    w.later(100ms);
    w.miss(i(2));
    w.query(i(2));
  }
  CHECK(w.asked().empty());
  w.later(100ms);
  w.miss(i(2));
  CHECK(w.asked() == Words{"i2"});
  CHECK(w.quiet());
}

TEST_CASE("resolver: a thousand queries in a second cost one question") {
  World w;
  w.query(i(2), 11);
  w.not_found(i(2));
  for (std::uint32_t n = 0; n < 1000; ++n) {
    w.query(i(2), 11 + n % 8);
    w.miss(i(2));
    w.later(1ms);
  }
  CHECK(w.r.counters().asks == 1);
  CHECK(w.answers().empty());

  // Created in the meantime: all who asked are served by the push.
  w.found(i(2), 2, 5);
  w.found(m(2), 2, 5);
  CHECK(w.kernel() == Words{"fdb m2 h2", "neighbour i2 m2"});
  CHECK(w.answers().size() == 8);
}

TEST_CASE("resolver: a push after everyone left changes nothing in the kernel") {
  World w;
  w.query(i(2));
  w.not_found(i(2));
  w.out.clear();
  w.later(Limits{}.wait);
  CHECK(w.r.usage().waiting == 0);
  CHECK(w.drops(DropReason::kNotFound) == 1);
  w.found(i(2), 2, 5);
  w.found(m(2), 2, 5);
  CHECK(w.kernel().empty());
  CHECK(w.answers().empty());
  // Known all the same, so that the next need is served at once.
  w.query(i(2));
  CHECK(w.asked().empty());
  CHECK(w.kernel() == Words{"fdb m2 h2", "neighbour i2 m2"});
  CHECK(w.answers().size() == 1);
}

TEST_CASE("resolver: what is denied is counted as such") {
  World w;
  w.frame(m(2), 1);
  w.not_found(m(2), 1, Verdict::kDenied);
  w.later(Limits{}.wait);
  CHECK(w.drops(DropReason::kDenied) == 1);
  CHECK(w.resends().empty());
}

TEST_CASE("resolver: a negative without a ttl is not asked for with every packet") {
  World w;
  for (int n = 0; n < 1000; ++n) {
    w.miss(m(2));
    w.r.on_binding(MacBinding{.key = m(2), .verdict = Verdict::kNotFound, .revision = 1}, w.now,
                   w.out);
    w.now += 1ms;
  }
  CHECK(w.asked().size() <= 11);
}

TEST_CASE("resolver: a negative nobody asks for is forgotten when its ttl is over") {
  World w;
  w.miss(m(2));
  w.not_found(m(2));
  w.out.clear();
  for (int second = 0; second < 4; ++second) w.later(1000ms);
  CHECK(w.r.usage().keys == 1);
  for (int second = 0; second < 2; ++second) w.later(1000ms);
  CHECK(w.r.usage().keys == 0);
  CHECK(w.forgot() == Words{"m2"});
}

TEST_CASE("resolver: what is found but of no use to anybody is forgotten") {
  World w;
  w.query(i(2));
  w.not_found(i(2));
  for (int second = 0; second < 3; ++second) w.later(1000ms);
  w.found(i(2), 2, 5);
  w.found(m(2), 2, 5);
  w.out.clear();
  for (int second = 0; second < 5; ++second) w.later(1000ms);
  CHECK(w.r.usage().keys == 0);
  const Words forgot = w.forgot();
  CHECK(forgot.size() == 2);
}

TEST_CASE("resolver: a word about a key that is not held is answered by forgetting it") {
  World w;
  w.found(m(2), 2);
  w.found(i(2), 2);
  CHECK(w.forgot() == Words{"m2", "i2"});
  CHECK(w.quiet());
  CHECK(w.drops(DropReason::kForgotten) == 2);
}

TEST_CASE("resolver: an answer that crossed our forget is not believed") {
  World w;
  w.miss(m(2));
  for (int second = 0; second < 3; ++second) w.later(1000ms);
  REQUIRE(w.forgot() == Words{"m2"});
  w.r.add_local(m(2), w.out);  // there is a record again, but no question
  w.r.remove_local(m(2), w.out);
  w.out.clear();
  w.found(m(2), 2);
  CHECK(w.forgot() == Words{"m2"});
  CHECK(w.kernel().empty());
}

TEST_CASE("resolver: a MAC that was forgotten of late is asked for in words too, a little later") {
  World w;
  w.miss(m(2));
  for (int second = 0; second < 3; ++second) w.later(1000ms);
  w.out.clear();
  // The controller may have heard the forget after it answered this.
  w.miss(i(2));
  w.found(i(2), 2);
  CHECK(w.asked() == Words{"i2"});
  w.found(m(2), 2);
  CHECK(w.kernel() == Words{"fdb m2 h2", "neighbour i2 m2"});
  w.later(Limits{}.expect);
  CHECK(w.asked() == Words{"m2"});

  for (int second = 0; second < 65; ++second) w.later(1000ms);
  w.out.clear();
  w.miss(i(3));
  w.found(i(3), 2);
  w.later(1ms);
  CHECK(w.asked() == Words{"i3"});
}

TEST_CASE("resolver: a fresh key is asked for anew after it aged, in the same turn") {
  World w;
  w.install(2, 2);
  w.r.on_fdb_gone(m(2), w.now, w.out);
  w.frame(m(2), 1);
  CHECK(w.kernel() == Words{"no neighbour i2"});
  CHECK(w.forgot() == Words{"i2", "m2"});
  CHECK(w.asked() == Words{"m2"});  // behind the forgets, as action.h says
}

}  // namespace
}  // namespace dove::agent
