// A change in the making: what is put and erased shows in the state at once, so that each step of a
// plan sees the steps before it, and is all taken back when the draft ends. What was planned is
// then committed, and only what has been committed is put for good, by apply().
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controller/state.h"
#include "controller/store/store.h"

namespace dove::controller {

struct Change {
  std::optional<Value> before;
  std::optional<Value> after;
};

class Draft {
 public:
  // `state` must outlive the draft, and change only through it meanwhile.
  Draft(State& state, TimePoint now) : state_{state}, now_{now} {}
  ~Draft() { roll_back(); }
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;

  const State& state() const noexcept { return state_; }
  TimePoint now() const noexcept { return now_; }

  void put(const Value& value);
  void erase(const Value& value);
  // The commit is to happen only if this record is still what it is now.
  void require(const Value& value);

  void roll_back();
  // The net effect, by key, without what ended as it began. Valid after roll_back() too.
  std::vector<Change> changes() const;
  Transaction transaction() const;

 private:
  struct Touched {
    std::uint64_t revision = 0;
    Change change;
  };
  Touched& touch(const Value& value);

  State& state_;
  TimePoint now_;
  std::map<std::string, Touched> touched_;
  std::map<std::string, std::uint64_t> required_;
  bool rolled_back_ = false;
};

void apply(State& state, const std::vector<Change>& changes, std::uint64_t revision, TimePoint now);

}  // namespace dove::controller
