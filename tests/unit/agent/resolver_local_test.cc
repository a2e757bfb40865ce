// Guests of this host, and endpoints that come and go.
#include "tests/catch.h"
#include "tests/unit/agent/resolver_world.h"

namespace dove::agent {
namespace {

TEST_CASE("resolver: a guest of this host has its entry and no neighbour") {
  World w;
  w.r.add_local(m(1), w.out);
  CHECK(w.kernel() == Words{"local m1"});
  w.miss(i(1));
  CHECK(w.asked() == Words{"i1"});
  w.found(i(1), 1);
  CHECK(w.quiet());
  w.found(m(1), 1);  // comes with the IP's; of no interest
  CHECK(w.forgot() == Words{"m1"});
  CHECK(w.quiet());
  CHECK(w.r.locals() == std::vector{m(1)});
}

TEST_CASE("resolver: one's own address is never answered, another's is, remote or probing") {
  World w;
  w.r.add_local(m(1), w.out);
  w.out.clear();
  w.query(i(1), 1, true);  // the guest's own duplicate address detection
  w.found(i(1), 1);
  w.found(m(1), 1);
  CHECK(w.answers().empty());

  w.query(i(2), 1, true);  // somebody else has it: a conflict to be told
  w.found(i(2), 2);
  w.found(m(2), 2);
  CHECK(w.answers() == Words{"i2 is at m2 to port 1"});
}

TEST_CASE("resolver: one's own address is not answered even when the binding is elsewhere yet") {
  World w;
  w.query(i(1), 1, true);
  w.found(i(1), 1);
  w.found(m(1), 2);
  CHECK(w.answers().empty());
}

TEST_CASE("resolver: who asks for another guest of this host is left to that guest") {
  World w;
  w.r.add_local(m(1), w.out);
  w.r.add_local(m(2), w.out);
  w.query(i(2), 1);
  w.found(i(2), 2);
  w.found(m(2), 1);
  CHECK(w.answers().empty());
  CHECK(w.r.neighbours().empty());
  CHECK(w.r.usage().waiting == 0);
  w.query(i(2), 1);
  CHECK(w.answers().empty());
  CHECK(w.r.usage().waiting == 0);
}

TEST_CASE("resolver: an address of a guest here is asked for once, not with every query") {
  World w;
  w.r.add_local(m(1), w.out);
  w.query(i(1), 2);
  w.found(i(1), 1);
  w.out.clear();
  for (int second = 0; second < 60; ++second) w.later(1000ms);
  w.query(i(1), 2);
  CHECK(w.quiet());
}

TEST_CASE("resolver: an endpoint that comes here loses its neighbours and gets the local entry") {
  World w;
  w.install(2, 2);
  w.r.add_local(m(2), w.out);
  CHECK(w.kernel() == Words{"local m2", "no neighbour i2"});
  w.found(m(2), 1, 7);  // the controller's word follows
  CHECK(w.quiet());
  CHECK(w.r.fdb().empty());
}

TEST_CASE("resolver: late words of the old host do not take the local entry away") {
  World w;
  w.install(2, 2);
  w.r.add_local(m(2), w.out);
  w.out.clear();
  w.found(m(2), 3, 7);
  w.not_found(m(2), 8);
  CHECK(w.kernel().empty());
}

TEST_CASE("resolver: an endpoint that leaves is looked for like any other") {
  World w;
  w.r.add_local(m(2), w.out);
  w.miss(i(2));
  w.found(i(2), 2);
  w.found(m(2), 1);
  w.out.clear();
  w.r.remove_local(m(2), w.out);
  CHECK(w.kernel() == Words{"no fdb m2"});
  w.frame(m(2), 1);
  w.query(i(2));
  CHECK(w.asked() == Words{"m2"});
  w.found(m(2), 3, 7);
  CHECK(w.kernel() == Words{"fdb m2 h3", "neighbour i2 m2"});
  CHECK(w.resends() == Words{"1 to h3"});
  CHECK(w.answers().size() == 1);
}

TEST_CASE("resolver: a guest nobody asked about leaves nothing behind") {
  World w;
  w.r.add_local(m(2), w.out);
  w.r.remove_local(m(2), w.out);
  CHECK(w.kernel() == Words{"local m2", "no fdb m2"});
  w.later(1000ms);
  CHECK(w.r.usage().keys == 0);
  CHECK(w.quiet());
}

TEST_CASE("resolver: adding and removing twice changes nothing") {
  World w;
  w.r.add_local(m(2), w.out);
  w.r.add_local(m(2), w.out);
  CHECK(w.kernel() == Words{"local m2"});
  w.r.remove_local(m(2), w.out);
  w.r.remove_local(m(2), w.out);
  CHECK(w.kernel() == Words{"no fdb m2"});
}

TEST_CASE("resolver: frames that waited for what is now here are dropped and counted") {
  World w;
  w.frame(m(2), 1);
  w.query(i(2), 5);
  w.found(i(2), 2);
  w.r.add_local(m(2), w.out);
  CHECK(w.resends().empty());
  CHECK(w.answers().empty());
  CHECK(w.drops(DropReason::kLocal) == 1);
  CHECK(w.r.usage().waiting == 0);
}

TEST_CASE("resolver: a local entry that the kernel lost is set again") {
  World w;
  w.r.add_local(m(2), w.out);
  w.out.clear();
  w.r.on_fdb_gone(m(2), w.now, w.out);
  CHECK(w.kernel() == Words{"local m2"});
  w.now += Limits{}.answer_late + 1ms;
  w.miss(m(2));
  CHECK(w.kernel() == Words{"local m2"});
  w.r.on_refused(SetLocalFdb{m(2)}, std::make_error_code(std::errc::not_enough_memory), w.now);
  w.later(1000ms);
  CHECK(w.kernel() == Words{"local m2"});
}

TEST_CASE("resolver: an adopted neighbour of a guest here goes") {
  World w;
  w.r.adopt_fdb(m(2), vtep(2));
  w.r.adopt_neighbour(i(2), mac(2));
  w.r.add_local(m(2), w.out);
  CHECK(w.kernel() == Words{"local m2", "no neighbour i2"});
}

}  // namespace
}  // namespace dove::agent
