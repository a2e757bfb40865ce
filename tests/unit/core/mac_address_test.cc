#include "core/mac_address.h"

#include <algorithm>
#include <string>

#include "tests/catch.h"
#include "tests/unit/core/random.h"

namespace dove::test {
namespace {

TEST_CASE("a MAC is six pairs of hex digits") {
  CHECK(MacAddress::parse("02:00:5e:10:ff:01")->bytes() ==
        MacAddress::Bytes{0x02, 0x00, 0x5e, 0x10, 0xff, 0x01});
  CHECK(MacAddress::parse("AA:BB:CC:DD:EE:FF") == MacAddress::parse("aa:bb:cc:dd:ee:ff"));
  for (const char* text :
       {"", "02:00:5e:10:ff", "02:00:5e:10:ff:01:", "02:00:5e:10:ff:1", "02-00-5e-10-ff-01",
        "0200.5e10.ff01", "02:00:5e:10:ff:0g", " 2:00:5e:10:ff:01", "+2:00:5e:10:ff:01",
        "-2:00:5e:10:ff:01", "0x:00:5e:10:ff:01", "02:00:5e:10:ff:01 ", "02:00:5e:10:ff 01"})
    CHECK_FALSE(MacAddress::parse(text));
}

TEST_CASE("only six bytes make a MAC") {
  const std::array<std::byte, 8> bytes{};
  for (std::size_t n = 0; n <= bytes.size(); ++n)
    CHECK(MacAddress::from_wire(std::span{bytes}.first(n)).has_value() == (n == 6));
}

TEST_CASE("kinds of MAC addresses") {
  CHECK(MacAddress{}.is_zero());
  CHECK_FALSE(MacAddress{}.is_unicast());
  CHECK(MacAddress::broadcast().is_broadcast());
  CHECK(MacAddress::broadcast().is_multicast());
  CHECK(MacAddress::parse("01:00:5e:00:00:01")->is_multicast());
  CHECK_FALSE(MacAddress::parse("01:00:5e:00:00:01")->is_broadcast());
  CHECK(MacAddress::parse("33:33:00:00:00:01")->is_multicast());
  CHECK(MacAddress::parse("02:00:00:00:00:01")->is_unicast());
}

TEST_CASE("every MAC survives its text and its wire form, and orders as its text") {
  Random random;
  for (int i = 0; i < kRounds; ++i) {
    const MacAddress a = random.mac();
    const MacAddress b = random.mac();
    std::string upper = a.to_string();
    std::transform(upper.begin(), upper.end(), upper.begin(),
                   [](char c) { return c >= 'a' && c <= 'f' ? static_cast<char>(c - 32) : c; });
    CHECK(MacAddress::parse(a.to_string()) == a);
    CHECK(MacAddress::parse(upper) == a);
    CHECK(MacAddress::from_wire(a.wire()) == a);
    CHECK((a < b) == (a.to_string() < b.to_string()));
    CHECK(std::hash<MacAddress>{}(a) == std::hash<MacAddress>{}(*MacAddress::parse(upper)));
    CHECK((a.is_zero() + a.is_multicast() + a.is_unicast()) == 1);
  }
}

}  // namespace
}  // namespace dove::test
