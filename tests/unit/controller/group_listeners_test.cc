#include "controller/group_listeners.h"

#include "tests/catch.h"

namespace dove::controller {
namespace {

const Vni kVni = *Vni::from(10);
constexpr HostId kA{1}, kB{2};

MacAddress group(unsigned n) {
  return MacAddress{
      {1, 0, 0x5e, 1, static_cast<std::uint8_t>(n >> 8U), static_cast<std::uint8_t>(n)}};
}

TEST_CASE("group listeners: told is what differs") {
  GroupListeners all;
  CHECK(all.change(kA, {kVni, false, {group(1), group(2)}, {}}).size() == 2);
  CHECK(all.change(kA, {kVni, false, {group(1)}, {}}).empty());
  CHECK(all.change(kB, {kVni, false, {group(1)}, {}}).size() == 1);
  CHECK(all.of(kVni).at(group(1)) == GroupListeners::Hosts{kA, kB});
  const auto changes = all.change(kA, {kVni, true, {group(1), group(3)}, {}});
  REQUIRE(changes.size() == 2);
  CHECK(!changes[0].added);
  CHECK(changes[0].group == group(2));
  CHECK(changes[1].added);
  CHECK(changes[1].group == group(3));
  CHECK(!all.of(kVni).contains(group(2)));
}

TEST_CASE("group listeners: a host's end is its groups' end, and leaves nothing behind") {
  GroupListeners all;
  all.change(kA, {kVni, true, {group(1), group(2)}, {}});
  CHECK(all.remove(kVni, kA).size() == 2);
  CHECK(all.remove(kVni, kA).empty());
  CHECK(all.of(kVni).empty());
}

TEST_CASE("group listeners: a host's are bounded") {
  GroupListeners all;
  std::vector<MacAddress> many;
  for (unsigned n = 0; n < GroupListeners::kGroupsPerHost + 5; ++n) many.push_back(group(n));
  CHECK(all.change(kA, {kVni, false, many, {}}).size() == GroupListeners::kGroupsPerHost);
  CHECK(all.change(kA, {kVni, false, {}, {group(0)}}).size() == 1);
  CHECK(all.change(kA, {kVni, false, {many.back()}, {}}).size() == 1);
}

}  // namespace
}  // namespace dove::controller
