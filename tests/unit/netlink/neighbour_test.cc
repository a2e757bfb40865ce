#include "netlink/neighbour.h"

#include <linux/rtnetlink.h>

#include "tests/unit/netlink/golden.h"

namespace dove::netlink::test {
namespace {

// 02:00:00:00:00:09 dev vx dst 192.0.2.9 port 4790 vni 20 via under self router extern_learn static
constexpr std::string_view kFull =
    "5c0000001c000000000000000000000007000000040000004200"
    "92010a000200020000000009000008000100c0000209"
    "0600060012b600000800070014000000080008000300000014000300"
    "00000000000000000000000000000000";
// 02:00:00:00:00:02 dev vx dst 0.0.0.0 self permanent
constexpr std::string_view kLocal =
    "440000001c00000000000000000000000700000004000000c00002010a000200020000000002000008000100000000"
    "00"
    "1400030000000000000000000000000000000000";
// Deleted 02:00:00:00:00:01 dev vx dst 10.0.0.3 self
constexpr std::string_view kDeleted =
    "440000001d000000000000000000000007000000030000000200"
    "02010a0002000200000000010000080001000a000003"
    "1400030000000000140000000a00000000000000";
// fd00::2 dev vx lladdr 02:00:00:00:00:01 PERMANENT
constexpr std::string_view kNeighbour6 =
    "580000001c00000000000000655c00000a000000040000008000000114000100fd0000000000000000000000000000"
    "02"
    "0a00020002000000000100000800040000000000140003000000000000000000"
    "0000000001000000";
// Deleted 10.1.0.2 dev vx FAILED
constexpr std::string_view kNeighbourGone =
    "400000001d0000000000000000000000020000000400000020000001080001000a0100020800040000000000140003"
    "0007"
    "000000070000000700000000000000";

FdbEntry full() {
  return {.device = IfIndex{4},
          .mac = *MacAddress::parse("02:00:00:00:00:09"),
          .destination = IpAddress::parse("192.0.2.9"),
          .vni = Vni::from(20),
          .port = 4790,
          .via = IfIndex{3},
          .state = State{0x42},
          .flags = NTF_SELF | NTF_ROUTER | NTF_EXT_LEARNED};
}

TEST_CASE("FDB entries as the kernel tells them") {
  CHECK(decode_fdb(Golden{kFull}.message()) == full());
  const auto local = decode_fdb(Golden{kLocal}.message());
  REQUIRE(local);
  CHECK(local->destination == IpAddress::parse("0.0.0.0"));
  CHECK_FALSE(local->vni);
  CHECK_FALSE(local->via);
  CHECK(local->port == 0);
  const auto deleted = decode_fdb(Golden{kDeleted}.message());
  REQUIRE(deleted);
  CHECK(deleted->state == State::kReachable);
  CHECK(deleted->flags == NTF_SELF);
}

TEST_CASE("neighbours as the kernel tells them") {
  CHECK(decode_neighbour(Golden{kNeighbour6}.message()) ==
        NeighbourEntry{.device = IfIndex{4},
                       .ip = *IpAddress::parse("fd00::2"),
                       .mac = *MacAddress::parse("02:00:00:00:00:01"),
                       .state = State::kPermanent});
  const auto gone = decode_neighbour(Golden{kNeighbourGone}.message());
  REQUIRE(gone);
  CHECK(gone->mac.is_zero());
  CHECK(gone->state == State::kFailed);
}

TEST_CASE("one is not taken for the other, nor anything for either") {
  CHECK_FALSE(decode_neighbour(Golden{kFull}.message()));
  CHECK_FALSE(decode_fdb(Golden{kNeighbour6}.message()));
  Golden link{kFull};
  link.data()[4] = std::byte{RTM_NEWLINK};
  CHECK_FALSE(decode_fdb(link.message()));
  Golden wrong_family{kNeighbour6};
  wrong_family.data()[16] = std::byte{2};  // AF_INET with an address of 16 bytes
  CHECK_FALSE(decode_neighbour(wrong_family.message()));
  for (std::size_t cut = 1; cut <= 76; ++cut) {
    const Golden fdb = Golden{kFull}.shortened(cut);
    if (const auto entry = decode_fdb(fdb.message())) CHECK(entry->mac == full().mac);
  }
}

TEST_CASE("what is encoded is what the kernel tells, up to what only it knows") {
  alignas(8) std::array<std::byte, 128> buffer{};
  Builder fdb{buffer, RTM_NEWNEIGH, 0, 0};
  put(fdb, full());
  const auto bytes = fdb.finish();
  REQUIRE(bytes);
  const Golden golden{kFull};
  REQUIRE(bytes->size() == golden.bytes().size() - 20);  // without NDA_CACHEINFO
  auto expected = golden.bytes().subspan(16, bytes->size() - 16);
  std::vector<std::byte> normalised{expected.begin(), expected.end()};
  normalised[11] = std::byte{0};  // ndm_type is the kernel's
  CHECK(std::equal(normalised.begin(), normalised.end(), bytes->begin() + 16));
}

TEST_CASE("every entry survives encoding and decoding") {
  alignas(8) std::array<std::byte, 128> buffer{};
  for (const char* destination : {"", "0.0.0.0", "192.0.2.1", "2001:db8::1"})
    for (const std::uint32_t vni : {0U, 1U, 16777215U})
      for (const std::uint16_t port : std::initializer_list<std::uint16_t>{0, 1, 4789, 65535})
        for (const int via : {0, 7}) {
          FdbEntry entry{.device = IfIndex{9}, .mac = *MacAddress::parse("02:00:00:00:00:09")};
          if (*destination != 0) entry.destination = IpAddress::parse(destination);
          entry.vni = Vni::from(vni);
          entry.port = port;
          if (via != 0) entry.via = IfIndex{via};
          Builder builder{buffer, RTM_NEWNEIGH, 0, 0};
          put(builder, entry);
          ByteView rest = *builder.finish();
          CHECK(decode_fdb(*Message::next(rest)) == entry);
        }
}

TEST_CASE("entries as text") {
  CHECK(full().to_string() == "02:00:00:00:00:09 dev 4 dst 192.0.2.9 port 4790 vni 20 via 3");
  CHECK(decode_neighbour(Golden{kNeighbour6}.message())->to_string() ==
        "fd00::2 dev 4 lladdr 02:00:00:00:00:01");
}

}  // namespace
}  // namespace dove::netlink::test
