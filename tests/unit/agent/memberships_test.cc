#include "agent/memberships.h"

#include <string>

#include "netlink/bridge_group.h"
#include "tests/catch.h"

namespace dove::agent {
namespace {

const Vni kVni = *Vni::from(10);

Listener at(int port, const char* group) {
  const auto ip = *IpAddress::parse(group);
  return {kVni, IfIndex{port}, ip, netlink::group_mac(ip)};
}

TEST_CASE("memberships: told when the first listener comes and when the last has gone") {
  Memberships all;
  const auto first = all.join(at(1, "239.1.2.3"));
  REQUIRE(first);
  CHECK(first->listened);
  CHECK(first->group == MacAddress::parse("01:00:5e:01:02:03"));
  CHECK(!all.join(at(1, "239.1.2.3")));
  CHECK(!all.join(at(2, "239.1.2.3")));
  CHECK(!all.join(at(1, "239.129.2.3")));  // another group with the same MAC
  CHECK(!all.leave(at(1, "239.1.2.3")));
  CHECK(!all.leave(at(2, "239.1.2.3")));
  CHECK(!all.leave(at(2, "239.1.2.3")));
  const auto last = all.leave(at(1, "239.129.2.3"));
  REQUIRE(last);
  CHECK(!last->listened);
  CHECK(all.groups(kVni).empty());
}

TEST_CASE("memberships: solicited-node addresses are none, other groups with their MACs are") {
  Memberships all;
  CHECK(!all.join(at(1, "ff02::1:ff00:9")));
  CHECK(all.join(at(1, "ff05::ff00:9")));
  CHECK(all.groups(kVni).size() == 1);
}

TEST_CASE("memberships: one port's are bounded, and leave the others their room") {
  Memberships all;
  const auto group = [](unsigned i) {
    return "239.9." + std::to_string(i >> 8U) + "." + std::to_string(i & 255U);
  };
  for (unsigned i = 0; i < 1000; ++i)
    CHECK(all.join(at(1, group(i).c_str())).has_value() == (i < Memberships::kPerPort));
  CHECK(all.groups(kVni).size() == Memberships::kPerPort);
  CHECK(all.join(at(2, group(999).c_str())));
  CHECK(!all.leave(at(1, group(998).c_str())));  // it had no room
  CHECK(all.leave(at(1, group(0).c_str())));
  CHECK(all.join(at(1, group(998).c_str())));
  CHECK(!all.join(at(1, group(997).c_str())));
  CHECK(all.replace({}).size() == Memberships::kPerPort + 1);
  CHECK(all.join(at(1, group(0).c_str())));
}

TEST_CASE("memberships: what goes to everybody or nobody is not followed") {
  Memberships all;
  for (const char* group : {"224.0.0.251", "ff02::12", "ff02::1:2", "ff02::1:ff00:1"})
    CHECK(!all.join(at(1, group)));
  for (const char* group : {"224.0.1.1", "239.255.255.250", "ff05::1:2:3", "ff0e::4242:1"})
    CHECK(all.join(at(1, group)));
}

TEST_CASE("memberships: a whole new list tells what differs") {
  Memberships all;
  all.join(at(1, "239.1.2.3"));
  all.join(at(1, "239.1.2.4"));
  const std::vector<Listener> now{at(1, "239.1.2.4"), at(2, "239.1.2.4"), at(2, "239.1.2.5")};
  const auto changes = all.replace(now);
  REQUIRE(changes.size() == 2);
  CHECK(changes[0].listened);
  CHECK(changes[0].group == MacAddress::parse("01:00:5e:01:02:05"));
  CHECK(!changes[1].listened);
  CHECK(changes[1].group == MacAddress::parse("01:00:5e:01:02:03"));
  CHECK(all.replace(now).empty());
  CHECK(all.groups(kVni).size() == 2);
}

}  // namespace
}  // namespace dove::agent
