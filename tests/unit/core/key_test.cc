#include "core/key.h"

#include <unordered_map>

#include "tests/catch.h"
#include "tests/unit/core/random.h"

namespace dove::test {
namespace {

TEST_CASE("the same MAC or IP in two networks is two keys") {
  const Vni ten = *Vni::from(10);
  const Vni eleven = *Vni::from(11);
  const MacAddress mac = *MacAddress::parse("02:00:00:00:00:01");
  const IpAddress ip = *IpAddress::parse("10.1.0.1");
  CHECK(MacKey{ten, mac} != MacKey{eleven, mac});
  CHECK(MacKey{ten, mac} < MacKey{eleven, MacAddress{}});
  CHECK(IpKey{ten, ip} != IpKey{eleven, ip});
  CHECK(std::hash<MacKey>{}({ten, mac}) != std::hash<MacKey>{}({eleven, mac}));
  CHECK(std::hash<IpKey>{}({ten, ip}) != std::hash<IpKey>{}({eleven, ip}));
}

TEST_CASE("keys find in a table what was put there") {
  Random random;
  std::unordered_map<MacKey, int> macs;
  std::unordered_map<IpKey, int> ips;
  std::vector<MacKey> mac_keys;
  std::vector<IpKey> ip_keys;
  for (int i = 0; i < kRounds; ++i) {
    const Vni vni = *Vni::from(1 + static_cast<std::uint32_t>(i % 3));
    mac_keys.push_back({vni, random.mac()});
    ip_keys.push_back({vni, i % 2 == 0 ? random.v4() : random.v6()});
    macs[mac_keys.back()] = i;
    ips[ip_keys.back()] = i;
  }
  for (int i = 0; i < kRounds; ++i) {
    CHECK(macs.at(mac_keys[static_cast<std::size_t>(i)]) == i);
    CHECK(ips.at(ip_keys[static_cast<std::size_t>(i)]) == i);
  }
}

}  // namespace
}  // namespace dove::test
