#include "core/vni.h"

#include "tests/catch.h"
#include "tests/unit/core/random.h"

namespace dove::test {
namespace {

TEST_CASE("a VNI is 1 to 2^24 - 1") {
  CHECK_FALSE(Vni::from(0));
  CHECK(Vni::from(1)->value() == 1);
  CHECK(Vni::from(16777215)->value() == 16777215);
  CHECK_FALSE(Vni::from(16777216));
  CHECK_FALSE(Vni::from(0xffffffff));
}

TEST_CASE("a VNI is decimal digits and nothing else") {
  for (const char* text : {"", "0", "00", "0x64", "+1", "-1", " 1", "1 ", "1.0", "16777216",
                           "4294967297", "18446744073709551617", "ten", "1a"})
    CHECK_FALSE(Vni::parse(text));
  CHECK(Vni::parse("1") == Vni::from(1));
  CHECK(Vni::parse("16777215") == Vni::from(16777215));
  CHECK_FALSE(Vni::parse(std::string_view{"1\0", 2}));
}

TEST_CASE("every VNI survives its text, orders as its number and is its own hash key") {
  Random random;
  for (int i = 0; i < kRounds; ++i) {
    const auto a = static_cast<std::uint32_t>(1 + random.number(Vni::kLimit - 1));
    const auto b = static_cast<std::uint32_t>(1 + random.number(Vni::kLimit - 1));
    const Vni first = *Vni::from(a);
    const Vni second = *Vni::from(b);
    CHECK(Vni::parse(first.to_string()) == first);
    CHECK((first < second) == (a < b));
    CHECK((first == second) == (a == b));
    CHECK((std::hash<Vni>{}(first) == std::hash<Vni>{}(second)) == (a == b));
  }
}

}  // namespace
}  // namespace dove::test
