#include "cli/record.h"

#include <utility>

namespace dove::cli {

Value::Value() noexcept = default;
Value::Value(bool value) noexcept : state_{value} {}
Value::Value(std::uint32_t value) noexcept : state_{std::uint64_t{value}} {}
Value::Value(std::uint64_t value) noexcept : state_{value} {}
Value::Value(std::string value) noexcept : state_{std::move(value)} {}
Value::Value(std::string_view value) : state_{std::string{value}} {}
Value::Value(const char* value) : state_{std::string{value}} {}
Value::Value(List value) noexcept : state_{std::move(value)} {}
Value::Value(Record value) noexcept : state_{std::move(value)} {}

Value::Value(const Value& other) = default;
Value::Value(Value&& other) noexcept = default;
Value& Value::operator=(const Value& other) = default;
Value& Value::operator=(Value&& other) noexcept = default;
Value::~Value() = default;

Value or_null(std::uint32_t number) { return number != 0 ? Value{number} : Value{}; }
Value or_null(std::string text) { return text.empty() ? Value{} : Value{std::move(text)}; }

}  // namespace dove::cli
