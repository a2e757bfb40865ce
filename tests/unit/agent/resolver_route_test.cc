// Frames to the router, destinations in other networks, and what may not be reached.
#include "tests/catch.h"
#include "tests/unit/agent/resolver_world.h"

namespace dove::agent {
namespace {

TEST_CASE("a frame to the router waits for its IP destination and is sent on, routed",
          "[resolver][route]") {
  World w;
  w.packet(i(5), 1);
  w.packet(i(5), 2, 3);
  CHECK(w.asked() == Words{"i5"});
  w.found(i(5), 5);
  CHECK(w.resends().empty());
  w.found(m(5), 2, 1, kOther);
  CHECK(w.kernel() == Words{"fdb m5 h2 in 20", "neighbour i5 m5"});
  CHECK(w.resends() == Words{"1 to h2 in 20, router to m5", "2 to h2 in 20, router to m5"});
  CHECK(w.r.counters().routed == 2);

  w.packet(i(5), 3);  // on its way while the entries were made
  CHECK(w.resends() == Words{"3 to h2 in 20, router to m5"});
  CHECK(w.kernel().empty());
}

TEST_CASE("within a network the router keeps the VNI", "[resolver][route]") {
  World w;
  w.packet(i(5), 1);
  w.found(i(5), 5);
  w.found(m(5), 2);
  CHECK(w.kernel() == Words{"fdb m5 h2", "neighbour i5 m5"});
  CHECK(w.resends() == Words{"1 to h2, router to m5"});
}

TEST_CASE("a destination in another network of this very host", "[resolver][route]") {
  World w;
  w.packet(i(5), 1);
  w.found(i(5), 5);
  w.found(m(5), 1, 1, kOther);
  CHECK(w.kernel() == Words{"fdb m5 h1 in 20", "neighbour i5 m5"});
  CHECK(w.deliveries() == Words{"1 to guest m5@20, router to m5"});
  CHECK(w.resends().empty());
}

TEST_CASE("a destination in the same network of this very host", "[resolver][route]") {
  World w;
  w.r.add_local(m(5), w.out);
  w.out.clear();
  w.packet(i(5), 1);
  w.found(i(5), 5);
  CHECK(w.kernel() == Words{"neighbour i5 m5"});
  CHECK(w.deliveries() == Words{"1 to guest m5, router to m5"});
  w.r.remove_local(m(5), w.out);
  CHECK(w.kernel() == Words{"no neighbour i5", "no fdb m5"});
}

TEST_CASE("a local address that is only asked for gets no neighbour", "[resolver][route]") {
  World w;
  w.r.add_local(m(5), w.out);
  w.out.clear();
  w.miss(i(5));
  w.found(i(5), 5);
  CHECK(w.kernel().empty());
}

TEST_CASE("what the kernel has routed and then not known is sent on as it is",
          "[resolver][route]") {
  World w;
  w.punt({m(5), kRouter, {}, ip(5)}, 1, 100);
  CHECK(w.asked() == Words{"m5"});
  w.found(m(5), 2, 1, kOther);
  CHECK(w.resends() == Words{"1 to h2 in 20"});
}

TEST_CASE("a guest's own frame to a MAC in another network goes nowhere", "[resolver][route]") {
  World w;
  w.frame(m(5), 1);
  w.found(m(5), 2, 1, kOther);
  w.frame(m(5), 2);
  CHECK(w.resends().empty());
  w.found(m(5), 1, 2, kOther);  // nor when it is on this host
  w.frame(m(5), 3);
  CHECK(w.deliveries().empty());
  CHECK(w.resends().empty());
  CHECK(w.drops(DropReason::kUnrouted) == 3);

  w.r.set_router(kNet, Router{});
  w.punt({m(5), kRouter, {}, ip(5)}, 4, 100);
  CHECK(w.resends().empty());
}

TEST_CASE("what cannot be routed is dropped and counted", "[resolver][route]") {
  World w;
  w.punt({{kNet, kRouter}, mac(1), {}, {}}, 1, 100);  // no IP
  w.punt({{kNet, kRouter}, mac(1), {}, IpAddress::parse("224.0.0.5")}, 1, 100);
  w.punt({{kNet, kRouter}, mac(1), {}, IpAddress::parse("fe80::5")}, 1, 100);
  w.packet(IpKey{kNet, kGateway}, 1);  // the gateway: not the resolver's to answer
  w.punt({{kNet, kRouter}, kRouter, {}, ip(5)}, 1, 100);  // routed already: no loops
  CHECK(w.quiet());
  CHECK(w.drops(DropReason::kUnroutable) == 5);
}

TEST_CASE("nobody is asked about the router", "[resolver][route]") {
  World w;
  w.miss(IpKey{kNet, kGateway});
  w.miss(MacKey{kNet, kRouter});
  w.query(IpKey{kNet, kGateway});
  w.query(IpKey{kNet, kGateway}, 1, true);
  CHECK(w.quiet());
}

TEST_CASE("an IPv6 guest that wants the gateway's address is told", "[resolver][route]") {
  World w;
  const auto gateway = *IpAddress::parse("fd00::1");
  w.r.set_router(kNet, Router{kRouter, {gateway}});
  w.r.on_event(AddressQuery{IfIndex{1}, {kNet, gateway}, mac(1), std::nullopt}, w.now, w.out);
  CHECK(w.answers() == Words{"fd00::1 is at router to port 1"});
}

TEST_CASE("who is in another network is not told to who asks on the wire", "[resolver][route]") {
  World w;
  w.query(i(5));
  w.found(i(5), 5);
  w.found(m(5), 2, 1, kOther);
  CHECK(w.answers().empty());
}

TEST_CASE("denied: nothing is installed, what waits is dropped at once", "[resolver][route]") {
  World w;
  w.packet(i(5), 1);
  w.not_found(i(5), 1, Verdict::kDenied);
  CHECK(w.drops(DropReason::kDenied) == 1);
  w.packet(i(5), 2);
  CHECK(w.drops(DropReason::kDenied) == 2);
  CHECK(w.kernel().empty());
  CHECK(w.resends().empty());

  w.frame(m(6), 1);
  w.not_found(m(6), 1, Verdict::kDenied);
  w.frame(m(6), 2);
  CHECK(w.drops(DropReason::kDenied) == 4);
  CHECK(w.r.usage().waiting == 0);
}

TEST_CASE("found, then denied, then found again", "[resolver][route]") {
  World w;
  w.packet(i(5), 1);
  w.found(i(5), 5);
  w.found(m(5), 2, 1, kOther);
  w.out.clear();
  w.not_found(i(5), 2, Verdict::kDenied);
  w.not_found(m(5), 2, Verdict::kDenied);
  CHECK(w.kernel() == Words{"no neighbour i5", "no fdb m5"});
  w.found(i(5), 5, 3);
  w.found(m(5), 2, 3, kOther);
  CHECK(w.kernel() == Words{"fdb m5 h2 in 20", "neighbour i5 m5"});
}

TEST_CASE("a MAC that changes its network moves its entry", "[resolver][route]") {
  World w;
  w.packet(i(5), 1);
  w.found(i(5), 5);
  w.found(m(5), 2, 1, kOther);
  w.out.clear();
  w.found(m(5), 2, 2);
  CHECK(w.kernel() == Words{"fdb m5 h2"});
  w.found(m(5), 1, 3, kOther);
  CHECK(w.kernel() == Words{"fdb m5 h1 in 20"});
}

TEST_CASE("an adopted entry that leads elsewhere than told is corrected", "[resolver][route]") {
  World w;
  w.r.adopt_fdb(m(5), vtep(2), kOther);
  w.r.adopt_neighbour(i(5), mac(5));
  CHECK(w.r.fdb().front().target == kOther);
  w.r.on_session_ready(false, w.now, w.out);
  w.out.clear();
  w.found(i(5), 5);
  w.found(m(5), 2, 1, kOther);
  CHECK(w.kernel().empty());
  w.found(m(5), 2, 2, *Vni::from(30));
  CHECK(w.kernel() == Words{"fdb m5 h2 in 30"});
}

TEST_CASE("a guest's limits hold for what it has routed", "[resolver][route]") {
  Limits limits;
  limits.waiting_per_guest = 2;
  World w{limits};
  w.packet(i(5), 1);
  w.packet(i(6), 2);
  w.packet(i(7), 3);
  CHECK(w.drops(DropReason::kGuestLimit) == 1);
  w.packet(i(7), 4, 2);
  CHECK(w.r.usage().waiting == 3);
}

}  // namespace
}  // namespace dove::agent
