#include "core/hex.h"

#include "tests/catch.h"

namespace dove {
namespace {

TEST_CASE("hex: every byte comes back", "[hex]") {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  CHECK(to_hex(all).substr(0, 10) == "0001020304");
  CHECK(to_hex(all).substr(510) == "ff");
  CHECK(from_hex(to_hex(all)) == all);
  CHECK(to_hex("").empty());
  CHECK(from_hex("") == "");
}

TEST_CASE("hex: what is no hex is nothing", "[hex]") {
  for (const auto* text : {"a", "abc", "0g", "g0", "FF", "0x", " 0", "0 ", "-1"})
    CHECK_FALSE(from_hex(text));
  CHECK_FALSE(from_hex(std::string_view{"0\0", 2}));
}

}  // namespace
}  // namespace dove
