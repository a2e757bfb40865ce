#include "netlink/ack.h"

#include <cerrno>

#include "tests/unit/netlink/golden.h"

namespace dove::netlink::test {
namespace {

// bridge fdb replace 01:00:5e:00:00:01 dev vx dst 192.0.2.2, refused, NETLINK_CAP_ACK and EXT_ACK
constexpr std::string_view kRefused =
    "500000000200000308000000035d0000a1ffffff300000001c00050508000000000000002b00010043616e6e6f7420"
    "72"
    "65706c616365206e6f6e2d756e69636173742066646220656e74726965730000";
// The same without NETLINK_CAP_ACK: the whole request follows.
constexpr std::string_view kRefusedWhole =
    "44000000020000000a000000b0fe11f4a1ffffff300000001c0005050a0000000000000007000000020000008200"
    "02000a00020001005e000001000008000100c0000202";
constexpr std::string_view kDone =
    "240000000200000109000000035d000000000000300000001c00050c0900000000000000";
constexpr std::string_view kEndOfDump = "14000000030002000b000000035d000000000000";

TEST_CASE("refusals carry sequence, errno and the kernel's words") {
  const Golden golden{kRefused};
  const auto ack = decode_ack(golden.message());
  REQUIRE(ack);
  CHECK(ack->sequence == 8);
  CHECK(ack->error == EOPNOTSUPP);
  CHECK(ack->text == "Cannot replace non-unicast fdb entries");
}

TEST_CASE("without words there are none") {
  const Golden whole{kRefusedWhole};
  auto ack = decode_ack(whole.message());
  REQUIRE(ack);
  CHECK(ack->error == EOPNOTSUPP);
  CHECK(ack->text.empty());
  const Golden done{kDone};
  ack = decode_ack(done.message());
  REQUIRE(ack);
  CHECK(ack->sequence == 9);
  CHECK(ack->error == 0);
  const Golden end{kEndOfDump};
  ack = decode_ack(end.message());
  REQUIRE(ack);
  CHECK(ack->sequence == 11);
  CHECK(ack->error == 0);
}

TEST_CASE("a truncated refusal loses its words, then is none") {
  const Golden golden{kRefused};
  for (std::size_t cut = 4; cut <= 64; cut += 4) {
    const Golden shorter = golden.shortened(cut);
    const auto ack = decode_ack(shorter.message());
    CHECK(ack.has_value() == (cut <= 44));
    if (ack) CHECK(ack->text.empty());
  }
}

TEST_CASE("an embedded length that lies loses the words, nothing else") {
  Golden golden{kRefusedWhole};
  golden.data()[7] = std::byte{0x02};  // NLM_F_ACK_TLVS
  for (const std::uint32_t length : {0U, 15U, 0x40U, 0xfffffff0U, 0xffffffffU}) {
    std::memcpy(golden.data() + 20, &length, sizeof length);
    const auto ack = decode_ack(golden.message());
    REQUIRE(ack);
    CHECK(ack->error == EOPNOTSUPP);
    CHECK(ack->text.empty());
  }
}

}  // namespace
}  // namespace dove::netlink::test
