#include "agent/steps.h"

#include <memory>
#include <utility>

namespace dove::agent {
namespace {

// Kept alive by the completions it hands out.
struct Run : std::enable_shared_from_this<Run> {
  std::vector<Step> steps;
  Completion<void> done;
  std::size_t next = 0;

  void forward() {
    if (next == steps.size()) return done({});
    steps[next].run([self = shared_from_this()](const Status& status) {
      if (!status) return self->back(status.error());
      ++self->next;
      self->forward();
    });
  }

  void back(const Error& error) {
    if (next == 0) return done(error);
    const auto& undo = steps[--next].undo;
    if (!undo) return back(error);
    undo([self = shared_from_this(), error] { self->back(error); });
  }
};

}  // namespace

void run_steps(std::vector<Step> steps, Completion<void> done) {
  const auto run = std::make_shared<Run>();
  run->steps = std::move(steps);
  run->done = std::move(done);
  run->forward();
}

std::function<void()> after(std::size_t count, std::function<void()> done) {
  if (count == 0) {
    done();
    return [] {};
  }
  return [left = std::make_shared<std::size_t>(count), done = std::move(done)] {
    if (--*left == 0) done();
  };
}

void Serial::add(Job job) {
  jobs_.push_back(std::move(job));
  if (jobs_.size() == 1) run_first();
}

void Serial::run_first() {
  const auto job = jobs_.front();
  job([this] {
    jobs_.pop_front();
    if (!jobs_.empty()) run_first();
  });
}

}  // namespace dove::agent
