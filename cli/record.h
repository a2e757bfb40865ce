// One thing that dovectl shows, described once. The printer makes of it a text block, a line, a
// column of a table or a JSON object; a command never knows which.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace dove::cli {

struct Field;
using Record = std::vector<Field>;  // in the order in which it is shown

enum class Color : std::uint8_t { kNone, kName, kMac, kIp, kGood, kBad };

// Null is for what has no value now, as an endpoint's host while it is detached.
class Value {
 public:
  using Null = std::monostate;
  using List = std::vector<Value>;
  using State = std::variant<Null, bool, std::uint64_t, std::string, List, Record>;

  Value() noexcept;
  Value(bool value) noexcept;
  Value(std::uint32_t value) noexcept;
  Value(std::uint64_t value) noexcept;
  Value(std::string value) noexcept;
  Value(std::string_view value);
  Value(const char* value);
  Value(List value) noexcept;
  Value(Record value) noexcept;

  // Not here, where a Field is not complete yet.
  Value(const Value& other);
  Value(Value&& other) noexcept;
  Value& operator=(const Value& other);
  Value& operator=(Value&& other) noexcept;
  ~Value();

  const State& state() const noexcept { return state_; }

 private:
  State state_;
};

// An empty string is nothing, and nothing is null.
Value or_null(std::string text);
// Likewise a number that is 0.
Value or_null(std::uint32_t number);

enum class Place : std::uint8_t {
  kTitle,   // "VALUE:" in front; the first field, when there is one
  kInline,  // "key value"
  kBare,    // "value"
  kLines,   // of a list: "key item" on a line of its own for each; of a record: all of it on one
  kHidden,  // in JSON only
};

// When the text shows it; JSON has every key always.
enum class Level : std::uint8_t { kAlways, kDetails, kStatistics };

struct Field {
  std::string_view key;  // in JSON, and in text where `word` is empty; a literal
  Value value;
  Place place = Place::kInline;
  Color color = Color::kNone;
  std::uint8_t column = 0;     // least width in -br; 0: not in it
  std::string_view word = {};  // in text; a literal
  Level level = Level::kAlways;
};

}  // namespace dove::cli
