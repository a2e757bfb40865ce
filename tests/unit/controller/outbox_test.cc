#include "controller/outbox.h"

#include "tests/catch.h"

namespace dove::controller {
namespace {

MacBinding binding(std::uint8_t n) {
  return {.key = {*Vni::from(1), MacAddress{{2, 0, 0, 0, 0, n}}}, .revision = n};
}

v1::FromController reply(std::uint64_t id) {
  v1::FromController message;
  message.mutable_reply()->set_id(id);
  return message;
}

v1::FromController host(std::uint32_t id, bool full = false, bool removed = false) {
  v1::FromController message;
  message.mutable_hosts()->set_revision(100 + id);
  message.mutable_hosts()->set_full(full);
  message.mutable_hosts()->add_hosts()->set_id(id);
  message.mutable_hosts()->mutable_hosts(0)->set_removed(removed);
  return message;
}

TEST_CASE("hosts that come are gathered behind others, in order") {
  Outbox outbox{{}};
  for (auto&& one : {host(1, true), host(2), host(2, false, true), host(2)})
    CHECK(outbox.add(v1::FromController{one}));
  CHECK(outbox.add(reply(1)));
  CHECK(outbox.add(host(3)));
  CHECK(outbox.add(host(4, true)));  // all: nothing before it counts
  for (unsigned i = 0; i < 5000; ++i) CHECK(outbox.add(host(5)));
  const auto* first = outbox.begin_write();
  REQUIRE(first->hosts().hosts_size() == 4);
  CHECK(first->hosts().full());
  CHECK(first->hosts().revision() == 102);
  CHECK(first->hosts().hosts(2).removed());
  CHECK_FALSE(first->hosts().hosts(3).removed());
  outbox.end_write();
  CHECK(outbox.begin_write()->reply().id() == 1);
  outbox.end_write();
  CHECK(outbox.begin_write()->hosts().hosts(0).id() == 3);
  outbox.end_write();
  const auto* all = outbox.begin_write();
  CHECK(all->hosts().full());
  CHECK(all->hosts().hosts_size() == 4096);
  outbox.end_write();
  CHECK(outbox.begin_write()->hosts().hosts_size() == 905);
  outbox.end_write();
}

TEST_CASE("messages leave in order, one at a time, and bindings are gathered") {
  Outbox outbox{{}};
  CHECK(outbox.begin_write() == nullptr);
  CHECK(outbox.add(binding(1), 5));
  const auto* first = outbox.begin_write();
  REQUIRE(first != nullptr);
  CHECK(first->bindings().bindings_size() == 1);
  CHECK(outbox.add(binding(2), 6));
  CHECK(outbox.add(binding(3), 7));
  CHECK(outbox.add(reply(1)));
  CHECK(outbox.add(binding(4), 8));
  CHECK(outbox.begin_write() == nullptr);  // one is being written
  outbox.end_write();
  const auto* second = outbox.begin_write();
  CHECK(second->bindings().bindings_size() == 2);
  CHECK(second->bindings().revision() == 7);
  outbox.end_write();
  CHECK(outbox.begin_write()->reply().id() == 1);
  outbox.end_write();
  const auto* last = outbox.begin_write();  // in reused memory
  REQUIRE(last->bindings().bindings_size() == 1);
  CHECK(last->bindings().bindings(0).revision() == 4);
  outbox.end_write();
  CHECK(outbox.begin_write() == nullptr);
}

TEST_CASE("too many bindings become one resync, and nothing else is lost") {
  Outbox outbox{{.bindings = 3, .messages = 10}};
  CHECK(outbox.add(reply(1)));
  for (std::uint8_t n = 0; n < 3; ++n) CHECK(outbox.add(binding(n), 1));
  CHECK(outbox.add(reply(2)));
  CHECK_FALSE(outbox.add(binding(3), 1));
  CHECK(outbox.begin_write()->reply().id() == 1);
  outbox.end_write();
  CHECK(outbox.begin_write()->reply().id() == 2);
  outbox.end_write();
  CHECK(outbox.begin_write()->has_resync());
  outbox.end_write();
  CHECK(outbox.begin_write() == nullptr);
  CHECK(outbox.add(binding(4), 1));
}

TEST_CASE("too many other messages are refused") {
  Outbox outbox{{.bindings = 3, .messages = 2}};
  CHECK(outbox.add(reply(1)));
  CHECK(outbox.add(reply(2)));
  CHECK_FALSE(outbox.add(reply(3)));
  CHECK(outbox.is_full());
}

TEST_CASE("a closed outbox takes nothing and gives nothing") {
  Outbox outbox{{}};
  CHECK(outbox.add(reply(1)));
  CHECK(outbox.begin_write() != nullptr);
  CHECK(outbox.add(reply(2)));
  CHECK_FALSE(outbox.close());  // one is being written
  outbox.end_write();
  CHECK(outbox.begin_write() == nullptr);
  CHECK(outbox.add(reply(3)));
  CHECK(outbox.begin_write() == nullptr);
  CHECK(outbox.close());
}

}  // namespace
}  // namespace dove::controller
