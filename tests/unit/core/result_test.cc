#include "core/result.h"

#include <memory>

#include "tests/catch.h"

namespace dove::test {
namespace {

Result<int> half(int number) {
  if (number % 2 != 0) return Error{ErrorCode::kInvalid, "it is odd"};
  return number / 2;
}

Status even(int number) {
  if (number % 2 != 0) return Error{ErrorCode::kConflict, "it is odd", 5};
  return {};
}

TEST_CASE("a result is a value or an error") {
  CHECK(half(4));
  CHECK(*half(4) == 2);
  CHECK_FALSE(half(3));
  CHECK(half(3).error() == Error{ErrorCode::kInvalid, "it is odd"});
  CHECK(even(2).ok());
  CHECK(even(3).error().os_error == 5);
}

TEST_CASE("a value can be moved out and changed in place") {
  Result<std::unique_ptr<int>> owner{std::make_unique<int>(7)};
  **owner = 8;
  const std::unique_ptr<int> mine = *std::move(owner);
  CHECK(*mine == 8);
  Result<std::string> text{std::string{"a"}};
  text->append("b");
  CHECK(text.value() == "ab");
}

TEST_CASE("an error may be a result's value without being its error") {
  const Result<std::string> text = std::string{"fine"};
  CHECK(text.ok());
  CHECK(text->size() == 4);
}

}  // namespace
}  // namespace dove::test
