#include "core/name.h"

#include <string>

#include "tests/catch.h"

namespace dove::test {
namespace {

std::string refusal(std::string_view name) {
  const auto checked = check_name("tenant name", name);
  if (checked) return {};
  CHECK(checked.error().code == ErrorCode::kInvalid);
  return checked.error().message;
}

TEST_CASE("names that are allowed") {
  for (const char* name : {"a", "7", "acme", "ACME-2.prod_x", "a.", "a-"})
    CHECK(refusal(name).empty());
  CHECK(refusal(std::string(kNameLimit, 'a')).empty());
}

TEST_CASE("names that are not, and what is said of them") {
  CHECK(refusal("") == "tenant name \"\" is wrong: it is empty");
  CHECK(refusal("a/b") == "tenant name \"a/b\" is wrong: \"/\" is not one of A-Z a-z 0-9 . _ -");
  CHECK(refusal("a b") == "tenant name \"a b\" is wrong: \" \" is not one of A-Z a-z 0-9 . _ -");
  CHECK(refusal("größe") ==
        "tenant name \"größe\" is wrong: \"ö\" is not one of A-Z a-z 0-9 . _ -");
  CHECK(refusal("a\nb") ==
        "tenant name \"a\\nb\" is wrong: \"\\n\" is not one of A-Z a-z 0-9 . _ -");
  for (const char* name : {"-a", ".a", "_a"})
    CHECK(refusal(name).find("it must begin with a letter or digit") != std::string::npos);
  CHECK(refusal(std::string(64, 'a')).find("it has 64 characters, at most 63") !=
        std::string::npos);
  CHECK(refusal(std::string(100000, 'a')).size() < 200);
  CHECK_FALSE(refusal(std::string_view{"a\0b", 3}).empty());
}

}  // namespace
}  // namespace dove::test
