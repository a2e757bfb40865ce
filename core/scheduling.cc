#include "core/scheduling.h"

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <condition_variable>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <mutex>
#include <system_error>
#include <thread>

namespace dove {
namespace {

constexpr const char* kThreads = "/proc/self/task";

// What the threads of this process should have now; 0: none.
std::atomic<unsigned> priority_now{0};

bool set_policy(pid_t thread, int policy, unsigned priority) {
  const sched_param parameters{.sched_priority = static_cast<int>(priority)};
  return ::sched_setscheduler(thread, policy, &parameters) == 0;
}

bool set_priority(pid_t thread, unsigned priority) {
  return set_policy(thread, priority > 0 ? SCHED_RR : SCHED_OTHER, priority);
}

// Each thread of this process; one that starts or ends meanwhile may be left out.
template <class Function>
std::error_code for_each_thread(Function function) {
  std::error_code error;
  for (std::filesystem::directory_iterator entry{kThreads, error}, end; !error && entry != end;
       entry.increment(error)) {
    const auto name = entry->path().filename().string();
    pid_t thread = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), thread).ec == std::errc{})
      function(thread);
  }
  return error;
}

std::chrono::nanoseconds processor_time() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec};
}

Error refusal(unsigned priority, int error) {
  return {ErrorCode::kSystem,
          fmt::format("no real-time priority {}: {}; answers may be late while other programs use "
                      "all processors",
                      priority, std::strerror(error)),
          error};
}

}  // namespace

bool RealtimeBudget::allows(double used) noexcept {
  if (allowed_) {
    ++periods_;
    if (used <= kMost) return true;
    wait_ = periods_ < kProbation ? std::min(wait_ * 2, kLongestCalm) : kCalmPeriods;
    periods_ = 0;
    allowed_ = false;
  } else {
    periods_ = used < kCalm ? periods_ + 1 : 0;
    if (periods_ < wait_) return false;
    periods_ = 0;
    allowed_ = true;
  }
  return allowed_;
}

class Realtime::Guard {
 public:
  Guard(unsigned priority, std::function<void(bool)> told)
      : priority_{priority}, told_{std::move(told)}, thread_{[this] { run(); }} {}
  ~Guard() {
    {
      const std::lock_guard lock{mutex_};
      stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
    priority_now = 0;
  }

 private:
  bool over() {
    std::unique_lock lock{mutex_};
    return wake_.wait_for(lock, RealtimeBudget::kPeriod, [this] { return stopping_; });
  }

  void run() {
    RealtimeBudget budget;
    auto used = processor_time();
    auto since = std::chrono::steady_clock::now();
    while (!over()) {
      const auto now = std::chrono::steady_clock::now();
      const auto total = processor_time();
      const std::chrono::duration<double> time = total - used, period = now - since;
      used = total;
      since = now;
      const unsigned wanted = budget.allows(time / period) ? priority_ : 0;
      const bool changed = priority_now.exchange(wanted) != wanted;
      give(wanted);
      if (changed) told_(wanted > 0);
    }
  }

  // To all others; this thread keeps its own, to be able to look. Again and again, as a thread
  // inherits what the one that starts it has, perhaps just before that changes.
  static void give(unsigned wanted) {
    (void)for_each_thread([wanted, self = ::gettid()](pid_t thread) {
      const int policy = ::sched_getscheduler(thread);
      const bool differs = wanted > 0 ? policy == SCHED_OTHER : policy == SCHED_RR;
      if (differs && thread != self) set_priority(thread, wanted);
    });
  }

  const unsigned priority_;
  const std::function<void(bool)> told_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;  // last: uses all of the above
};

Result<Realtime> Realtime::take(unsigned priority, std::function<void(bool)> told) {
  if (const auto error = for_each_thread([](pid_t) {})) return refusal(priority, error.value());
  // 0: the calling thread, whatever POSIX says of processes. Those that it starts inherit it.
  if (!set_priority(0, priority)) return refusal(priority, errno);
  priority_now = priority;
  return Realtime{std::make_unique<Guard>(priority, std::move(told))};
}

Realtime::Realtime(std::unique_ptr<Guard> guard) : guard_{std::move(guard)} {}
Realtime::Realtime(Realtime&&) noexcept = default;
Realtime::~Realtime() = default;

// Less is always allowed, and so is what the process has.
Background::Background() { (void)set_policy(0, SCHED_BATCH, 0); }
Background::~Background() { (void)set_priority(0, priority_now); }

}  // namespace dove
