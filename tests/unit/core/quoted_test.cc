#include "core/quoted.h"

#include <algorithm>

#include "tests/catch.h"
#include "tests/unit/core/random.h"

namespace dove::test {
namespace {

TEST_CASE("plain text, and text in other scripts, is left alone") {
  CHECK(quoted("") == "\"\"");
  CHECK(quoted("tap0") == "\"tap0\"");
  CHECK(quoted("größe 大 🕊") == "\"größe 大 🕊\"");
}

TEST_CASE("what could leave the quotes or the line is escaped") {
  CHECK(quoted("a\"b\\c") == R"("a\"b\\c")");
  CHECK(quoted("a\nb\rc\td") == R"("a\nb\rc\td")");
  CHECK(quoted(std::string_view{"\0\x01\x1b[31m\x7f", 8}) == R"("\x00\x01\x1b[31m\x7f")");
}

TEST_CASE("bytes that are no UTF-8 are escaped, and C1 control characters") {
  CHECK(quoted("\xff") == R"("\xff")");
  CHECK(quoted("\x80") == R"("\x80")");
  CHECK(quoted("\xc3") == R"("\xc3")");                          // the second byte is missing
  CHECK(quoted("\xc3(") == R"("\xc3(")");                        // it is another
  CHECK(quoted("\xc0\xaf") == R"("\xc0\xaf")");                  // overlong
  CHECK(quoted("\xe0\x80\xaf") == R"("\xe0\x80\xaf")");          // likewise
  CHECK(quoted("\xed\xa0\x80") == R"("\xed\xa0\x80")");          // a surrogate
  CHECK(quoted("\xf4\x90\x80\x80") == R"("\xf4\x90\x80\x80")");  // beyond U+10FFFF
  CHECK(quoted("\xc2\x9b") == R"("\xc2\x9b")");                  // CSI, in one character
}

TEST_CASE("long text is cut between characters") {
  CHECK(quoted("abcdef", 6) == "\"abcdef\"");
  CHECK(quoted("abcdef", 5) == "\"abcde\"...");
  CHECK(quoted("abcdé", 5) == "\"abcd\"...");
  CHECK(quoted(std::string(1000, 'x')).size() == 64 + 2 + 3);
}

TEST_CASE("whatever comes in, what goes out has no control character") {
  Random random;
  for (int i = 0; i < kRounds; ++i) {
    const auto raw = random.bytes<48>();
    const std::string out = quoted({reinterpret_cast<const char*>(raw.data()), raw.size()});
    CHECK(std::none_of(out.begin(), out.end(),
                       [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }));
    CHECK(out.front() == '"');
    CHECK(out.back() == '"');
  }
}

}  // namespace
}  // namespace dove::test
