// That nothing guests do makes the resolver grow, and that one guest's flood leaves room for
// others.
#include "tests/catch.h"
#include "tests/unit/agent/resolver_world.h"

namespace dove::agent {
namespace {

TEST_CASE("resolver: one guest's frames to one key are bounded, another's still wait there") {
  World w;
  for (int n = 0; n < 1000; ++n) w.frame(m(2), 1, 7);
  CHECK(w.r.usage().waiting == Limits{}.waiting_per_key_and_guest);
  CHECK(w.drops(DropReason::kWaitersLimit) == 1000 - Limits{}.waiting_per_key_and_guest);
  w.frame(m(2), 9, 8);
  w.found(m(2), 2);
  CHECK(w.resends().back() == "9 to h2");
}

TEST_CASE("resolver: one guest's frames to many keys are bounded, another's still wait") {
  World w;
  for (std::uint32_t n = 0; n < 4000; ++n) w.frame(m(100 + n), 1, 7);
  CHECK(w.r.usage().waiting == Limits{}.waiting_per_guest);
  CHECK(w.r.usage().guests == 1);
  CHECK(w.drops(DropReason::kGuestLimit) == 4000 - Limits{}.waiting_per_guest);
  w.frame(m(2), 9, 8);
  CHECK(w.r.usage().waiting == Limits{}.waiting_per_guest + 1);
}

TEST_CASE("resolver: one port's queries are bounded") {
  World w;
  for (std::uint32_t n = 0; n < 4000; ++n) w.query(i(100 + n), 7);
  CHECK(w.r.usage().waiting == Limits{}.waiting_per_guest);
  w.query(i(2), 8);
  CHECK(w.r.usage().waiting == Limits{}.waiting_per_guest + 1);
}

TEST_CASE("resolver: one guest's bytes are bounded, and the host's") {
  Limits limits;
  limits.waiting_bytes_per_guest = 10'000;
  limits.waiting_bytes = 25'000;
  World w{limits};
  for (int n = 0; n < 20; ++n) w.frame(m(2), 1, 7, 1000);
  CHECK(w.r.usage().waiting_bytes == 10'000);
  CHECK(w.drops(DropReason::kGuestLimit) == 10);
  for (std::uint32_t guest = 8; guest < 12; ++guest)
    for (int n = 0; n < 10; ++n) w.frame(m(2), 1, guest, 1000);
  CHECK(w.r.usage().waiting_bytes == 25'000);
  CHECK(w.drops(DropReason::kBytesLimit) == 25);
}

TEST_CASE("resolver: a key's waiters and a network's are bounded") {
  Limits limits;
  limits.waiting_per_key = 20;
  limits.waiting_per_network = 50;
  World w{limits};
  for (std::uint32_t guest = 0; guest < 30; ++guest) w.frame(m(2), 1, 100 + guest);
  CHECK(w.r.usage().waiting == 20);
  CHECK(w.drops(DropReason::kWaitersLimit) == 10);
  for (std::uint32_t guest = 0; guest < 60; ++guest) w.frame(m(200 + guest), 1, 100 + guest);
  CHECK(w.r.usage().waiting == 50);
  CHECK(w.drops(DropReason::kNetworkLimit) == 30);
}

TEST_CASE("resolver: every room is free again when those who waited are served or gone") {
  World w;
  for (std::uint32_t n = 0; n < 200; ++n) {
    w.frame(m(100 + n % 10), 1, 7);
    w.query(i(100 + n % 10), n);
  }
  for (std::uint32_t n = 0; n < 5; ++n) w.found(m(100 + n), 2);
  w.later(Limits{}.wait);
  CHECK(w.r.usage().waiting == 0);
  CHECK(w.r.usage().waiting_bytes == 0);
  CHECK(w.r.usage().guests == 0);
}

TEST_CASE("resolver: keys are bounded, the oldest makes room and is forgotten") {
  Limits limits;
  limits.keys_per_network = 10;
  World w{limits};
  w.frame(m(1), 1, 7);
  for (std::uint32_t n = 2; n <= 12; ++n) w.miss(m(n));
  CHECK(w.r.usage().unresolved_keys == 10);
  CHECK(w.r.usage().waiting == 0);
  CHECK(w.forgot() == Words{"m1", "m2"});
  CHECK(w.drops(DropReason::kKeyLimit) == 3);  // two keys and a frame
  w.found(m(12), 2);
  CHECK(w.kernel() == Words{"fdb m12 h2"});
}

TEST_CASE("resolver: a scan does not keep others from asking") {
  Limits limits;
  limits.keys_per_network = 1000;
  World w{limits};
  for (std::uint32_t n = 0; n < 5000; ++n) {
    w.frame(m(10'000 + n), 1, 7);
    if (n % 10 == 0) w.not_found(m(10'000 + n));
  }
  w.frame(m(2), 9, 8);
  w.query(i(2), 8);
  w.found(i(2), 2);
  w.found(m(2), 2);
  CHECK(w.resends() == Words{"9 to h2"});
  CHECK(w.answers().size() == 1);
  CHECK(w.r.usage().keys <= 1002);
}

TEST_CASE("resolver: a guest that asks too much is not heard, and takes no memory") {
  Limits limits;
  limits.asks_per_guest = {100, 20};
  World w{limits};
  w.r.add_local(m(7), w.out);
  for (std::uint32_t n = 0; n < 1000; ++n) {
    w.query(i(10'000 + n), 7);
    w.frame(m(10'000 + n), 1, 7);
    w.packet(i(20'000 + n), 1, 7);
    w.miss(i(30'000 + n));
  }
  CHECK(w.asked().size() == 3 * 20);  // by its queries, by its frames, and by what names nobody
  CHECK(w.r.usage().keys == 3 * 20 + 1);
  CHECK(w.r.usage().waiting == 2 * 20);
  CHECK(w.drops(DropReason::kAskLimit) == 4 * 1000 - 3 * 20);
  w.query(i(10'000), 7);  // asked already
  CHECK(w.drops(DropReason::kAskLimit) == 4 * 1000 - 3 * 20);
  w.query(i(2), 8);
  CHECK(w.asked() == Words{"i2"});
  w.later(1s);
  w.out.clear();
  w.query(i(3), 7);
  CHECK(w.asked() == Words{"i3"});
}

TEST_CASE("resolver: a MAC that IPs lead to does not make room") {
  Limits limits;
  limits.keys_per_network = 2;
  World w{limits};
  w.miss(i(2));
  w.found(i(2), 2);  // m2 is expected
  for (std::uint32_t n = 10; n < 20; ++n) w.miss(m(n));
  w.found(m(2), 2);
  CHECK(w.kernel() == Words{"fdb m2 h2", "neighbour i2 m2"});
}

TEST_CASE("resolver: what is found does not count against the bound on questions") {
  Limits limits;
  limits.keys_per_network = 10;
  World w{limits};
  for (std::uint32_t n = 1; n <= 100; ++n) w.install(n, 2);
  CHECK(w.r.fdb().size() == 100);
  CHECK(w.r.usage().unresolved_keys == 0);
  CHECK(w.drops(DropReason::kKeyLimit) == 0);
}

TEST_CASE("resolver: repairs are bounded") {
  Limits limits;
  limits.repairs = 10;
  World w{limits};
  for (std::uint32_t n = 1; n <= 20; ++n)
    w.r.on_refused(DeleteFdb{m(n)}, std::make_error_code(std::errc::io_error), w.now);
  CHECK(w.drops(DropReason::kRepairLimit) == 10);
  w.later(1000ms);
  CHECK(w.kernel().size() == 10);
}

}  // namespace
}  // namespace dove::agent
