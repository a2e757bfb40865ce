#include "netlink/message.h"

#include <linux/rtnetlink.h>

#include "tests/unit/netlink/golden.h"

namespace dove::netlink::test {
namespace {

// 10.1.0.2 dev vx lladdr 02:00:00:00:00:01 PERMANENT
constexpr std::string_view kNeighbour =
    "4c0000001c00000000000000675c0000020000000400000080000001080001000a0100020a00020002000000000100"
    "00"
    "08000400000000001400030000000000000000000000000001000000";

TEST_CASE("a message is taken apart and the next one follows") {
  const Golden two{std::string{kNeighbour} + std::string{kNeighbour}};
  ByteView rest = two.bytes();
  for (int i = 0; i < 2; ++i) {
    const auto message = Message::next(rest);
    REQUIRE(message);
    CHECK(message->type() == RTM_NEWNEIGH);
    CHECK(message->sequence() == 0);
    CHECK(message->port_id() == 0x5c67);
    CHECK_FALSE(message->interrupted());
    CHECK(message->payload().size() == 60);
  }
  CHECK(rest.empty());
  CHECK_FALSE(Message::next(rest));
}

TEST_CASE("a length that lies ends the walk") {
  for (const std::uint32_t length : {0U, 15U, 77U, 0x7fffffffU, 0x80000000U, 0xffffffffU}) {
    Golden golden{kNeighbour};
    std::memcpy(golden.data(), &length, sizeof length);
    ByteView rest = golden.bytes();
    CHECK_FALSE(Message::next(rest));
  }
  for (std::size_t n = 0; n < 76; ++n) {
    const Golden golden{kNeighbour};
    ByteView rest = golden.bytes().first(n);
    CHECK_FALSE(Message::next(rest));
  }
}

TEST_CASE("the last message need not be padded") {
  const Golden golden{"110000001c00000000000000000000000700"};
  ByteView rest = golden.bytes().first(17);
  const auto message = Message::next(rest);
  REQUIRE(message);
  CHECK(message->payload().size() == 1);
  CHECK(rest.empty());
  CHECK_FALSE(message->family<ndmsg>());
  CHECK(message->attributes<ndmsg>().empty());
}

TEST_CASE("attributes are found by type, of exactly their size") {
  const Golden golden{kNeighbour};
  const auto table = Attributes<NDA_MAX>::of<ndmsg>(golden.message());
  REQUIRE(table);
  CHECK(table->has(NDA_DST));
  CHECK_FALSE(table->has(NDA_VNI));
  CHECK((*table)[NDA_LLADDR].size() == 6);
  CHECK((*table)[NDA_VNI].empty());
  CHECK(table->number<std::uint32_t>(NDA_PROBES) == 0U);
  CHECK_FALSE(table->number<std::uint16_t>(NDA_PROBES));
  CHECK_FALSE(table->number<std::uint32_t>(NDA_LLADDR));
  CHECK_FALSE(table->number<std::uint32_t>(NDA_VNI));
}

TEST_CASE("types beyond the table are skipped, the last of a repeated type wins") {
  const Golden golden{
      "06000500ffff0000"
      "0500010011000000"
      "0500010022000000"};
  const auto table = Attributes<1>::parse(golden.bytes());
  REQUIRE(table);
  CHECK(table->number<std::uint8_t>(1) == 0x22);
}

TEST_CASE("an attribute whose length lies gives no table") {
  CHECK(Attributes<1>::parse({}));
  for (const char* hex : {"0500010011000000"
                          "0300010000000000",  // shorter than its header
                          "0500010011000000"
                          "0900010000000000",  // longer than the rest
                          "0500010011000000"
                          "ffff010000000000",  //
                          "0500010011000000"
                          "0000",  // no room for a header
                          "05000100"}) {
    const Golden golden{hex};
    CHECK_FALSE(Attributes<1>::parse(golden.bytes()));
  }
  const Golden unpadded{"0500010011000000"};
  CHECK(Attributes<1>::parse(unpadded.bytes().first(5)));  // the last one need not be padded
}

TEST_CASE("text ends at its zero, which must be there") {
  const auto text = [](const char* hex) {
    const Golden golden{hex};
    const auto table = Attributes<1>::parse(golden.bytes());
    REQUIRE(table);
    const auto found = table->text(1);
    return found ? std::optional<std::string>{*found} : std::nullopt;
  };
  CHECK(text("0700010062720000") == "br");
  CHECK(text("0800010062007200") == "b");
  CHECK_FALSE(text("0600010062720000"));  // br without its zero
  CHECK_FALSE(text("04000100"));
}

TEST_CASE("nests: flags on the type are no part of it, an absent nest is an empty table") {
  const Golden golden{"0c0001800500020011000000"};
  const auto table = Attributes<1>::parse(golden.bytes());
  REQUIRE(table);
  const auto inner = table->nested<2>(1);
  REQUIRE(inner);
  CHECK(inner->number<std::uint8_t>(2) == 0x11);
  const auto absent = table->nested<2>(0);
  REQUIRE(absent);
  CHECK_FALSE(absent->has(2));
  const Golden broken{"0c0001800900020011000000"};
  CHECK_FALSE(Attributes<1>::parse(broken.bytes())->nested<2>(1));
}

}  // namespace
}  // namespace dove::netlink::test
