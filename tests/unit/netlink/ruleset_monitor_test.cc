#include "netlink/ruleset_monitor.h"

#include "tests/unit/netlink/golden.h"

namespace dove::netlink::test {
namespace {

// nft add table inet dove
constexpr std::string_view kNewTable =
    "3c000000000a000001000000eb700000"
    "01000002"
    "09000100646f766500000000"
    "0800030000000000"
    "0c0004000000000000000001"
    "0800020000000000";
// The end of its transaction
constexpr std::string_view kGeneration =
    "2c0000000f0a000001000000eb700000"
    "00000002"
    "0800010000000002"
    "08000200000070eb"
    "080003006e667400";
// nft add element inet dove s { "a" }
constexpr std::string_view kNewElement =
    "480000000c0a0004000000000a710000"
    "01000006"
    "09000100646f766500000000"
    "0600020073000000"
    "200003001c000100180001001400010061000000000000000000000000000000";
// nft delete table inet dove: one of its messages
constexpr std::string_view kDeleteChain =
    "34000000050a0000010000001e710000"
    "01000009"
    "09000100646f766500000000"
    "0600030063000000"
    "0c0002000000000000000001";

TEST_CASE("changes of a table as the kernel tells them") {
  for (const auto change : {kNewTable, kNewElement, kDeleteChain}) {
    const Golden golden{change};
    CHECK(changes_table(golden.message(), "dove"));
    CHECK_FALSE(changes_table(golden.message(), "dov"));
    CHECK_FALSE(changes_table(golden.message(), "dove2"));
  }
  CHECK(Golden{kNewTable}.message().port_id() == 0x70eb);
}

TEST_CASE("what changes no table, or cannot be read") {
  CHECK_FALSE(changes_table(Golden{kGeneration}.message(), "dove"));
  Golden other_type{kNewTable};
  other_type.data()[5] = std::byte{0x0b};  // another subsystem
  CHECK_FALSE(changes_table(other_type.message(), "dove"));
  Golden not_ended{kNewTable};
  not_ended.data()[28] = std::byte{'x'};  // the name's terminating zero
  CHECK_FALSE(changes_table(not_ended.message(), "dove"));
  for (std::size_t cut = 32; cut <= 44; ++cut)
    CHECK_FALSE(changes_table(Golden{kNewTable}.shortened(cut).message(), "dove"));
}

}  // namespace
}  // namespace dove::netlink::test
