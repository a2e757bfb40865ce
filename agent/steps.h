// A change made of steps that can each fail: done in order, and when one fails those before it are
// undone in reverse. Steps may take their time; nothing here waits.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <vector>

#include "agent/directory.h"
#include "core/result.h"

namespace dove::agent {

struct Step {
  // Calls its completion once: then, or later on the same thread.
  std::function<void(Completion<void>)> run;
  // Takes back what run() did; empty when there is nothing to take back. Calls its argument once.
  std::function<void(std::function<void()>)> undo;
};

// `done` is told success, or the error of the step that failed, after everything was undone.
void run_steps(std::vector<Step> steps, Completion<void> done);

// Calls `done` when it was itself called `count` times; at once when that is none.
std::function<void()> after(std::size_t count, std::function<void()> done);

// Runs one job at a time, in the order given. A job calls its argument when it is over.
class Serial {
 public:
  using Job = std::function<void(std::function<void()> over)>;
  void add(Job job);
  bool idle() const noexcept { return jobs_.empty(); }

 private:
  void run_first();
  std::deque<Job> jobs_;
};

}  // namespace dove::agent
