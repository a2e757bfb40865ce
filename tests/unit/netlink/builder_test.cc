#include "netlink/builder.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "tests/unit/netlink/golden.h"

namespace dove::netlink::test {
namespace {

struct Buffer {
  alignas(8) std::array<std::byte, 256> bytes{};
  std::span<std::byte> first(std::size_t n) { return std::span{bytes}.first(n); }
};

TEST_CASE("what is built can be read") {
  Buffer buffer;
  Builder builder{buffer.bytes, RTM_NEWLINK, NLM_F_REQUEST, 7};
  ifinfomsg header{};
  header.ifi_index = 4;
  const auto bytes = builder.family(header)
                         .put(IFLA_IFNAME, "vx")
                         .begin_nest(IFLA_LINKINFO)
                         .put(IFLA_INFO_KIND, "vxlan")
                         .begin_nest(IFLA_INFO_DATA)
                         .put_number(IFLA_VXLAN_ID, std::uint32_t{10})
                         .put_number(IFLA_VXLAN_PROXY, std::uint8_t{1})
                         .end_nest()
                         .end_nest()
                         .put_number(IFLA_MTU, std::uint32_t{1500})
                         .finish();
  REQUIRE(bytes);
  CHECK(bytes->size() % 4 == 0);
  ByteView rest = *bytes;
  const auto message = Message::next(rest);
  REQUIRE(message);
  CHECK(rest.empty());
  CHECK(message->type() == RTM_NEWLINK);
  CHECK(message->sequence() == 7);
  CHECK(message->family<ifinfomsg>()->ifi_index == 4);
  const auto table = Attributes<IFLA_MAX>::of<ifinfomsg>(*message);
  REQUIRE(table);
  CHECK(table->text(IFLA_IFNAME) == "vx");
  CHECK(table->number<std::uint32_t>(IFLA_MTU) == 1500U);
  const auto info = table->nested<IFLA_INFO_MAX>(IFLA_LINKINFO);
  CHECK(info->text(IFLA_INFO_KIND) == "vxlan");
  const auto data = info->nested<IFLA_VXLAN_MAX>(IFLA_INFO_DATA);
  CHECK(data->number<std::uint32_t>(IFLA_VXLAN_ID) == 10U);
  CHECK(data->number<std::uint8_t>(IFLA_VXLAN_PROXY) == 1);
}

TEST_CASE("what does not fit fails at finish, whatever is put afterwards") {
  for (std::size_t room = 0; room < 16 + 16 + 8 + 8; ++room) {
    Buffer buffer;
    Builder builder{buffer.first(room), RTM_NEWLINK, 0, 1};
    builder.family(ifinfomsg{}).put(IFLA_IFNAME, "vx").put_number(IFLA_MTU, 1500);
    CHECK(builder.failed());
    builder.put_number(IFLA_MTU, 1500).begin_nest(1).put(2, "x").end_nest();
    CHECK_FALSE(builder.finish());
    for (std::size_t i = room; i < buffer.bytes.size(); ++i)
      CHECK((buffer.bytes[i] == std::byte{0}));  // nothing is written behind the room
  }
  Buffer buffer;
  Builder builder{buffer.first(48), RTM_NEWLINK, 0, 1};
  CHECK(builder.family(ifinfomsg{}).put(IFLA_IFNAME, "vx").put_number(IFLA_MTU, 1500).finish());
}

TEST_CASE("nests must be closed, and no more than were opened, and not too deep") {
  Buffer buffer;
  CHECK_FALSE(Builder(buffer.bytes, 1, 0, 1).begin_nest(1).finish());
  CHECK_FALSE(Builder(buffer.bytes, 1, 0, 1).begin_nest(1).end_nest().end_nest().finish());
  Builder deep{buffer.bytes, 1, 0, 1};
  for (int i = 0; i < 5; ++i) deep.begin_nest(1);
  CHECK(deep.failed());
}

TEST_CASE("what is longer than an attribute can be fails") {
  std::vector<std::uint64_t> memory(20000);
  const auto room = std::as_writable_bytes(std::span{memory});
  const std::string text(65531, 'x');
  CHECK_FALSE(Builder(room, 1, 0, 1).put(1, text).finish());
  CHECK(Builder(room, 1, 0, 1).put(1, text.substr(1)).finish());
  CHECK(Builder(room, 1, 0, 1).put(1, std::as_bytes(std::span{text})).finish());
  const std::string longer(65532, 'x');
  CHECK_FALSE(Builder(room, 1, 0, 1).put(1, std::as_bytes(std::span{longer})).finish());
}

TEST_CASE("a message made elsewhere keeps our sequence and gets our flags") {
  Buffer buffer;
  nlmsghdr foreign{};
  foreign.nlmsg_len = sizeof foreign;
  foreign.nlmsg_type = RTM_NEWLINK;
  foreign.nlmsg_flags = NLM_F_CREATE;
  foreign.nlmsg_seq = 4711;
  foreign.nlmsg_pid = 4711;
  const auto bytes = Builder(buffer.bytes, 0, 0, 9).replace_with(foreign, NLM_F_REQUEST).finish();
  REQUIRE(bytes);
  const auto header = *load<nlmsghdr>(*bytes);
  CHECK(header.nlmsg_seq == 9);
  CHECK(header.nlmsg_pid == 0);
  CHECK(header.nlmsg_flags == (NLM_F_CREATE | NLM_F_REQUEST));
  foreign.nlmsg_len = 1000;
  CHECK_FALSE(Builder(buffer.bytes, 0, 0, 9).replace_with(foreign, 0).finish());
}

}  // namespace
}  // namespace dove::netlink::test
