#include "core/prefix.h"

#include <limits>

#include "tests/catch.h"
#include "tests/unit/core/random.h"

namespace dove::test {
namespace {

Prefix prefix(const char* text) {
  INFO(text);
  const auto parsed = Prefix::parse(text);
  REQUIRE(parsed);
  return *parsed;
}
IpAddress ip(const char* text) { return *IpAddress::parse(text); }

TEST_CASE("texts that are prefixes, and those that are none") {
  for (const char* text : {"0.0.0.0/0", "10.1.0.0/24", "10.1.0.7/32", "::/0", "2001:db8::/64",
                           "2001:db8::1/128", "128.0.0.0/1"})
    CHECK(prefix(text).to_string() == text);
  for (const char* text :
       {"", "10.1.0.0", "10.1.0.0/", "/24", "10.1.0.1/24", "10.1.0.0/33", "10.1.0.0/-1",
        "10.1.0.0/+24", "10.1.0.0/24 ", "10.1.0.0/0x18", "10.1.0.0/4294967320", "2001:db8::1/64",
        "2001:db8::/129", "10.1.0.0/24/24", "10.1.0.0/255.255.255.0", "1.0.0.0/0"})
    CHECK_FALSE(Prefix::parse(text));
}

TEST_CASE("what a prefix contains") {
  CHECK(prefix("10.1.0.0/24").contains(ip("10.1.0.0")));
  CHECK(prefix("10.1.0.0/24").contains(ip("10.1.0.255")));
  CHECK_FALSE(prefix("10.1.0.0/24").contains(ip("10.1.1.0")));
  CHECK_FALSE(prefix("10.1.0.0/24").contains(ip("10.0.255.255")));
  CHECK(prefix("10.1.0.128/25").contains(ip("10.1.0.128")));
  CHECK_FALSE(prefix("10.1.0.128/25").contains(ip("10.1.0.127")));
  CHECK(prefix("0.0.0.0/0").contains(ip("255.255.255.255")));
  CHECK_FALSE(prefix("0.0.0.0/0").contains(ip("::")));
  CHECK_FALSE(prefix("::/0").contains(ip("10.1.0.1")));
  CHECK(prefix("2001:db8::/33").contains(ip("2001:db8:7fff::1")));
  CHECK_FALSE(prefix("2001:db8::/33").contains(ip("2001:db8:8000::")));
}

TEST_CASE("overlap is symmetric, and one contains the other") {
  const auto overlap = [](const char* a, const char* b) {
    CHECK(prefix(a).overlaps(prefix(b)) == prefix(b).overlaps(prefix(a)));
    return prefix(a).overlaps(prefix(b));
  };
  CHECK(overlap("10.1.0.0/24", "10.1.0.0/24"));
  CHECK(overlap("10.1.0.0/24", "10.1.0.128/25"));
  CHECK(overlap("10.0.0.0/8", "10.1.0.0/24"));
  CHECK_FALSE(overlap("10.1.0.0/25", "10.1.0.128/25"));
  CHECK(overlap("0.0.0.0/0", "10.1.0.7/32"));
  CHECK_FALSE(overlap("0.0.0.0/0", "::/0"));
}

TEST_CASE("addresses by number") {
  CHECK(prefix("10.1.0.0/24").address_at(0) == ip("10.1.0.0"));
  CHECK(prefix("10.1.0.0/24").address_at(255) == ip("10.1.0.255"));
  CHECK_FALSE(prefix("10.1.0.0/24").address_at(256));
  CHECK(prefix("10.1.0.0/16").address_at(256) == ip("10.1.1.0"));
  CHECK(prefix("10.1.0.7/32").address_at(0) == ip("10.1.0.7"));
  CHECK_FALSE(prefix("10.1.0.7/32").address_at(1));
  constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();
  CHECK(prefix("2001:db8::/64").address_at(kMax) == ip("2001:db8::ffff:ffff:ffff:ffff"));
  CHECK(prefix("2001:db8::/65").address_at(kMax / 2) == ip("2001:db8::7fff:ffff:ffff:ffff"));
  CHECK_FALSE(prefix("2001:db8::/65").address_at(kMax / 2 + 1));
  CHECK(prefix("0.0.0.0/0").size() == 1ULL << 32U);
  CHECK(prefix("2001:db8::/65").size() == 1ULL << 63U);
  CHECK(prefix("2001:db8::/64").size() == kMax);
  CHECK(prefix("::/0").size() == kMax);
}

TEST_CASE("addresses that no guest may have") {
  CHECK(prefix("10.1.0.0/24").is_reserved(ip("10.1.0.0")));
  CHECK(prefix("10.1.0.0/24").is_reserved(ip("10.1.0.255")));
  CHECK_FALSE(prefix("10.1.0.0/24").is_reserved(ip("10.1.0.1")));
  CHECK(prefix("10.1.0.0/30").is_reserved(ip("10.1.0.3")));
  CHECK_FALSE(prefix("10.1.0.0/31").is_reserved(ip("10.1.0.0")));
  CHECK_FALSE(prefix("10.1.0.0/31").is_reserved(ip("10.1.0.1")));
  CHECK_FALSE(prefix("10.1.0.7/32").is_reserved(ip("10.1.0.7")));
  CHECK(prefix("2001:db8::/64").is_reserved(ip("2001:db8::")));
  CHECK_FALSE(prefix("2001:db8::/64").is_reserved(ip("2001:db8::ffff:ffff:ffff:ffff")));
  CHECK_FALSE(prefix("2001:db8::/127").is_reserved(ip("2001:db8::")));
}

TEST_CASE("every address lies in exactly one prefix of each length") {
  Random random;
  for (int i = 0; i < kRounds; ++i) {
    const IpAddress address = i % 2 == 0 ? random.v4() : random.v6();
    const auto length = static_cast<unsigned>(random.number(address.bits() + 1));
    std::array<std::byte, 16> masked{};
    for (unsigned bit = 0; bit < length; ++bit) {
      const auto mask = static_cast<std::byte>(0x80U >> (bit % 8));
      masked[bit / 8] |= address.wire()[bit / 8] & mask;
    }
    const auto network = *IpAddress::from_wire(std::span{masked}.first(address.wire().size()));
    const auto around = Prefix::from(network, length);
    REQUIRE(around);
    CHECK(around->contains(address));
    CHECK(Prefix::parse(around->to_string()) == around);
    CHECK(Prefix::from(address, length).has_value() == (network == address));
    CHECK(around->address_at(0) == network);
    if (around->size() != std::numeric_limits<std::uint64_t>::max()) {
      CHECK(around->contains(*around->address_at(around->size() - 1)));
      CHECK_FALSE(around->address_at(around->size()));
    }
  }
}

}  // namespace
}  // namespace dove::test
