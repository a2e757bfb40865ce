#include "agent/state_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <asio/post.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "agent/saved_file.h"
#include "core/scheduling.h"

namespace dove::agent {
namespace {

constexpr std::size_t kSizeLimit = 64U << 20U;

}  // namespace

Result<ParsedState> load_state(const std::filesystem::path& file) {
  const auto text = read_file(file, kSizeLimit);
  if (!text) return text.error();
  if (!*text) return ParsedState{};
  auto parsed = parse_state(**text);
  if (parsed.problems.empty()) return parsed;
  parsed.state.incomplete = true;
  auto aside = file;
  aside += ".damaged";
  if (auto status = replace_file(aside, **text); !status)
    parsed.problems.push_back(status.error().message);
  return parsed;
}

Status save_state(const std::filesystem::path& file, const State& state) {
  return replace_file(file, format_state(state));
}

struct StateWriter::Worker {
  Worker(std::filesystem::path path, asio::any_io_executor where)
      : file{std::move(path)}, executor{std::move(where)}, thread{[this] { run(); }} {}
  ~Worker() {
    {
      const std::lock_guard lock{mutex};
      stopping = true;
    }
    wake.notify_one();
    thread.join();
  }

  void save(State state, std::function<void(Status)> done) {
    {
      const std::lock_guard lock{mutex};
      next = std::move(state);
      waiting.push_back(std::move(done));
    }
    wake.notify_one();
  }

  void run() {
    std::unique_lock lock{mutex};
    while (true) {
      wake.wait(lock, [this] { return stopping || next; });
      if (!next) return;
      auto state = std::exchange(next, std::nullopt);
      auto told = std::exchange(waiting, {});
      lock.unlock();
      auto status = in_background([&] {
        const State saved = *std::exchange(state, std::nullopt);  // and freed, there
        return save_state(file, saved);
      });
      asio::post(executor, [told = std::move(told), status = std::move(status)] {
        for (const auto& done : told)
          if (done) done(status);
      });
      lock.lock();
    }
  }

  const std::filesystem::path file;
  const asio::any_io_executor executor;
  std::mutex mutex;
  std::condition_variable wake;
  std::optional<State> next;
  std::vector<std::function<void(Status)>> waiting;
  bool stopping = false;
  std::thread thread;  // last: uses all of the above
};

StateWriter::StateWriter(std::filesystem::path file, asio::any_io_executor executor)
    : worker_{std::make_unique<Worker>(std::move(file), std::move(executor))} {}
StateWriter::~StateWriter() = default;

void StateWriter::save(State state, std::function<void(Status)> done) {
  worker_->save(std::move(state), std::move(done));
}

}  // namespace dove::agent
