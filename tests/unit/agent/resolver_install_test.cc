// From a miss to the entries, the answer and the frame sent on.
#include "tests/catch.h"
#include "tests/unit/agent/resolver_world.h"

namespace dove::agent {
namespace {

TEST_CASE("resolver: a MAC miss asks, and its answer installs the entry") {
  World w;
  w.miss(m(2));
  CHECK(w.asked() == Words{"m2"});
  CHECK(w.quiet());
  w.found(m(2), 2);
  CHECK(w.kernel() == Words{"fdb m2 h2"});
  CHECK(w.quiet());
  CHECK(w.r.neighbours().empty());
}

TEST_CASE("resolver: an IP miss installs the FDB entry, then the neighbour that needs it") {
  World w;
  w.miss(i(2));
  CHECK(w.asked() == Words{"i2"});
  w.found(i(2), 2);
  CHECK(w.quiet());  // the MAC's binding is on its way
  w.found(m(2), 3);
  CHECK(w.kernel() == Words{"fdb m2 h3", "neighbour i2 m2"});
  CHECK(w.quiet());
}

TEST_CASE("resolver: a MAC whose binding does not come with the IP's is asked for") {
  World w;
  w.miss(i(2));
  w.found(i(2), 2);
  w.out.clear();
  REQUIRE(w.r.next_deadline() == w.now + Limits{}.expect);
  w.later(Limits{}.expect - 1ms);
  CHECK(w.quiet());
  w.later(1ms);
  CHECK(w.asked() == Words{"m2"});
  w.later(1ms);
  CHECK(w.quiet());
  w.found(m(2), 2);
  CHECK(w.kernel() == Words{"fdb m2 h2", "neighbour i2 m2"});
}

TEST_CASE("resolver: a second IP of a MAC that is installed needs the neighbour only") {
  World w;
  w.install(2, 2);
  w.miss(i(20));
  w.found(i(20), 2);
  CHECK(w.kernel() == Words{"neighbour i20 m2"});
}

TEST_CASE("resolver: a query is answered when its answer comes, at the port that asked") {
  World w;
  w.query(i(2), 7);
  w.query(i(2), 8);
  w.miss(i(2));
  CHECK(w.asked() == Words{"i2"});
  w.found(i(2), 2);
  CHECK(w.answers().empty());
  w.found(m(2), 2);
  CHECK(w.kernel() == Words{"fdb m2 h2", "neighbour i2 m2"});
  CHECK(w.answers() == Words{"i2 is at m2 to port 7", "i2 is at m2 to port 8"});
  CHECK(w.r.usage().waiting == 0);
}

TEST_CASE("resolver: a query after the install is answered only while the kernel may be late") {
  World w;
  w.install(2, 2);
  w.query(i(2));
  CHECK(w.answers() == Words{"i2 is at m2 to port 1"});
  w.now += Limits{}.answer_late + 1ms;
  w.query(i(2));
  CHECK(w.quiet());
  CHECK(w.r.usage().waiting == 0);
}

TEST_CASE("resolver: a miss for what was installed long ago has it installed again") {
  World w;
  w.install(2, 2);
  w.miss(i(2));
  CHECK(w.quiet());  // it was on its way when the kernel missed it
  w.now += Limits{}.answer_late + 1ms;
  w.miss(i(2));
  CHECK(w.kernel() == Words{"neighbour i2 m2"});
  w.miss(m(2));
  CHECK(w.kernel() == Words{"fdb m2 h2"});
  w.miss(i(2));
  CHECK(w.quiet());
}

TEST_CASE("resolver: duplicate address detection of IPv6 is always answered") {
  // The kernel's own answer goes to ::, which Linux takes and others do not.
  World w;
  const IpKey taken{kNet, *IpAddress::parse("fd00::2")};
  w.miss(taken);
  w.found(taken, 2);
  w.found(m(2), 2);
  w.later(60s);
  w.out.clear();
  w.query(taken, 1, true);
  CHECK(w.answers() == Words{"fd00::2 is at m2 to port 1"});
  w.query(taken, 1);
  CHECK(w.quiet());
}

TEST_CASE("resolver: the same query twice is answered once") {
  World w;
  w.query(i(2), 7);
  w.query(i(2), 7);
  CHECK(w.r.usage().waiting == 1);
  w.found(i(2), 2);
  w.found(m(2), 2);
  CHECK(w.answers() == Words{"i2 is at m2 to port 7"});
}

TEST_CASE("resolver: punted frames are sent on in order, after the entry") {
  World w;
  for (int n = 1; n <= 3; ++n) w.frame(m(2), n);
  CHECK(w.asked() == Words{"m2"});
  CHECK(w.resends().empty());
  CHECK(w.r.usage().waiting_bytes == 300);
  w.found(m(2), 2);
  CHECK(w.kernel() == Words{"fdb m2 h2"});
  CHECK(w.resends() == Words{"1 to h2", "2 to h2", "3 to h2"});
  CHECK(w.r.usage().waiting_bytes == 0);
}

TEST_CASE("resolver: a frame that raced its entry is sent on at once") {
  World w;
  w.install(2, 2);
  w.frame(m(2), 9);
  CHECK(w.resends() == Words{"9 to h2"});
  CHECK(w.quiet());
}

TEST_CASE("resolver: a frame for a MAC that only an IP led to installs nothing new") {
  World w;
  w.install(2, 2);
  w.miss(m(2));
  w.miss(i(2));
  CHECK(w.quiet());
}

TEST_CASE("resolver: a miss long after the install means the kernel lost the entry") {
  World w;
  w.install(2, 2);
  w.now += Limits{}.answer_late + 1ms;
  w.frame(m(2), 1);
  w.miss(m(2));
  w.miss(i(2));
  CHECK(w.kernel() == Words{"fdb m2 h2", "neighbour i2 m2"});  // once each
}

TEST_CASE("resolver: networks are apart") {
  World w;
  const Vni other = *Vni::from(20);
  w.r.add_network(other, w.out);
  w.out.clear();
  w.miss(m(2));
  w.miss(m(2, other));
  CHECK(w.asked() == Words{"m2", "m2@20"});
  w.found(m(2, other), 3);
  CHECK(w.kernel() == Words{"fdb m2@20 h3"});
  w.found(m(2), 2);
  CHECK(w.kernel() == Words{"fdb m2 h2"});
}

TEST_CASE("resolver: a host that is not known yet is waited for") {
  World w;
  w.frame(m(2), 1);
  w.query(i(2));
  w.found(i(2), 2);
  w.found(m(2), 4);
  CHECK(w.kernel().empty());
  w.hosts({4}, false);
  CHECK(w.kernel() == Words{"fdb m2 h4", "neighbour i2 m2"});
  CHECK(w.resends() == Words{"1 to h4"});
  CHECK(w.answers().size() == 1);
}

TEST_CASE("resolver: what nobody can have is not asked for") {
  World w;
  w.miss(IpKey{kNet, *IpAddress::parse("224.0.0.1")});
  w.miss(IpKey{kNet, *IpAddress::parse("255.255.255.255")});
  w.miss(IpKey{kNet, *IpAddress::parse("::")});
  w.miss(MacKey{kNet, MacAddress{}});
  CHECK(w.quiet());
}

TEST_CASE("resolver: events of networks that this host does not have are counted") {
  World w;
  const Vni other = *Vni::from(20);
  w.miss(m(2, other));
  w.miss(i(2, other));
  w.query(i(2, other));
  w.frame(m(2, other), 1);
  CHECK(w.quiet());
  CHECK(w.drops(DropReason::kUnknownNetwork) == 4);
}

}  // namespace
}  // namespace dove::agent
