#include "core/hash.h"

#include <array>
#include <bitset>

#include "tests/catch.h"
#include "tests/unit/core/random.h"

namespace dove::test {
namespace {

TEST_CASE("length and seed are part of the hash") {
  const std::array<std::byte, 16> zeros{};
  const std::span view{zeros};
  for (std::size_t n = 0; n < zeros.size(); ++n)
    CHECK(hash_bytes(view.first(n)) != hash_bytes(view.first(n + 1)));
  CHECK(hash_bytes(view, 1) != hash_bytes(view, 2));
}

TEST_CASE("each bit of the input changes about half of the hash") {
  Random random;
  for (int i = 0; i < 200; ++i) {
    auto bytes = random.bytes<16>();
    const auto before = hash_bytes(std::as_bytes(std::span{bytes}));
    const auto bit = random.number(128);
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    const auto after = hash_bytes(std::as_bytes(std::span{bytes}));
    const auto changed = std::bitset<64>{before ^ after}.count();
    CHECK(changed > 8);
    CHECK(changed < 56);
  }
}

}  // namespace
}  // namespace dove::test
