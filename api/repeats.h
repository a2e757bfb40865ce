// Keeps a log readable while something goes wrong again and again: of what is told under one key
// some lines pass in a while, the rest is counted, and the count is told with the next line or when
// the while is over. All keys together have their bound too, so that many keys are no way around
// it. Pure.
//
// Not thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace dove::api {

class Repeats {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::minutes kWhile{1};
  static constexpr std::size_t kKeys = 1024;   // further ones count as one
  static constexpr unsigned kAllAtOnce = 200;  // lines of all keys; they come back within kWhile

  // The line to write now, if one passes: of this key at most `most` in a while.
  std::optional<std::string> pass(const std::string& key, const std::string& text, unsigned most,
                                  TimePoint now);
  // Lines about what was held back, once its while is over.
  std::vector<std::string> due(TimePoint now);

 private:
  struct Entry {
    std::string last;  // that was held back
    TimePoint since;
    unsigned written = 0;
    std::uint64_t held = 0;
  };
  bool take_turn(TimePoint now);

  std::unordered_map<std::string, Entry> entries_;
  double turns_ = kAllAtOnce;
  TimePoint turns_at_{};
};

}  // namespace dove::api
