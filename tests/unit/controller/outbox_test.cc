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
