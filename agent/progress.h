// What is still under way on this host of what the controller has said: so that it is told, as soon
// as that is so, that all of it up to some point is in force. Pure.
//
// Not thread-safe: the loop thread's, and so are the holds.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

namespace dove::agent {

class Progress {
 public:
  // The controller's word that all was said up to a revision.
  struct Point {
    std::uint64_t number = 0;
    std::uint64_t revision = 0;
    friend bool operator==(const Point&, const Point&) = default;
  };
  struct Reached {
    Point point;
    std::string problem;  // something failed since the point before; empty: nothing did
  };

  // `released`, when something that was under way is over.
  explicit Progress(std::function<void()> released);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Something is under way until the last copy is gone. What must follow it is begun before that.
  using Hold = std::shared_ptr<const void>;
  Hold hold();
  void failed(const std::string& why);
  // All that is under way now, and what follows from it, belongs to the point.
  void reach_for(const Point& point);
  // The last point that has been reached since the last call.
  std::optional<Reached> reached();
  // Another session: points of before mean nothing.
  void forget_points();
  // Nothing is under way, and no point waits.
  bool is_idle() const;

 private:
  struct Open {
    std::set<std::uint64_t> numbers;
    std::function<void()> released;
  };
  struct Wanted {
    Point point;
    std::uint64_t before;  // what began before this number
    int rounds = 0;        // of waiting for what followed from that
  };
  bool is_reached(Wanted& wanted) const;

  const std::shared_ptr<Open> open_;
  std::uint64_t next_ = 0;
  std::deque<Wanted> wanted_;
  std::string problem_;
};

}  // namespace dove::agent
