#include "agent/datapath/nft.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "core/scheduling.h"
#include "netlink/file_descriptor.h"

extern char** environ;

namespace dove::agent {
namespace {

// What a call did is read long before so many others have begun.
constexpr std::size_t kProcessesKnown = 64;
// Of rules in one transaction of several calls: those of some hundred ports.
constexpr std::size_t kMostTogether = 1 << 20;

Error system_error(std::string_view what, int error) {
  return Error{ErrorCode::kSystem, fmt::format("cannot run nft: {}: {}", what, strerror(error)),
               error};
}

// A file without a name that holds `text`: nft reads it, or writes to it, at its own pace, and no
// pipe can fill up.
Result<netlink::FileDescriptor> memory_file(std::string_view text) {
  const int fd = ::memfd_create("nft", MFD_CLOEXEC);
  if (fd < 0) return system_error("memfd_create", errno);
  netlink::FileDescriptor file{fd};
  while (!text.empty()) {
    const auto n = ::write(fd, text.data(), text.size());
    if (n < 0) return system_error("write", errno);
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  ::lseek(fd, 0, SEEK_SET);
  return file;
}

std::string contents(const netlink::FileDescriptor& file) {
  std::string text;
  std::array<char, 4096> buffer;
  ::lseek(file.get(), 0, SEEK_SET);
  for (;;) {
    const auto n = ::read(file.get(), buffer.data(), buffer.size());
    if (n <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
}

struct Streams {
  netlink::FileDescriptor input, output, errors;
};

Result<pid_t> spawn(const std::vector<std::string>& arguments, const Streams& streams) {
  std::vector<char*> argv{const_cast<char*>("nft")};
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, streams.input.get(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, streams.output.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, streams.errors.get(), STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSCHEDULER);
  posix_spawnattr_setschedpolicy(&attributes, SCHED_OTHER);
  pid_t pid = 0;
  const int error = ::posix_spawnp(&pid, "nft", &actions, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error == ENOENT)
    return Error{ErrorCode::kUnavailable, "there is no nft in PATH: install the package nftables"};
  if (error != 0) return system_error("spawn", error);
  return pid;
}

// nft's message without the lines that point into our text.
std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

Result<std::string> run_nft(const NftCall& call, const std::function<void(pid_t)>& started) {
  auto input = memory_file(call.input);
  auto output = memory_file({});
  auto errors = memory_file({});
  if (!input) return input.error();
  if (!output) return output.error();
  if (!errors) return errors.error();
  const Streams streams{std::move(*input), std::move(*output), std::move(*errors)};

  const auto pid = spawn(call.arguments, streams);
  if (!pid) return pid.error();
  if (started) started(*pid);
  int status = 0;
  while (::waitpid(*pid, &status, 0) < 0)
    if (errno != EINTR) return system_error("waitpid", errno);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return contents(streams.output);
  return Error{ErrorCode::kSystem,
               fmt::format("nft refused: {}", first_line(contents(streams.errors)))};
}

NftRunner::NftRunner(Executor executor)
    : executor_{std::move(executor)}, thread_{[this] { work(); }} {}

NftRunner::~NftRunner() {
  {
    const std::lock_guard lock{mutex_};
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void NftRunner::run(NftCall call, Done done, Digest digest) {
  {
    const std::lock_guard lock{mutex_};
    jobs_.push_back({std::move(call), std::move(done), std::move(digest)});
  }
  changed_.notify_all();
}

void NftRunner::drain() {
  std::unique_lock lock{mutex_};
  changed_.wait(lock, [this] { return jobs_.empty() && !busy_; });
}

Histogram NftRunner::times() {
  const std::lock_guard lock{mutex_};
  return times_;
}

bool NftRunner::ran(pid_t process) {
  const std::lock_guard lock{processes_mutex_};
  return std::find(processes_.begin(), processes_.end(), process) != processes_.end();
}

Result<std::string> NftRunner::carry_out(const NftCall& call) {
  const auto began = std::chrono::steady_clock::now();
  std::unique_lock processes{processes_mutex_};
  auto result = run_nft(call, [&](pid_t process) {
    processes_.push_back(process);
    if (processes_.size() > kProcessesKnown) processes_.pop_front();
    processes.unlock();
  });
  const std::lock_guard lock{mutex_};
  times_.add(std::chrono::steady_clock::now() - began);
  return result;
}

// The first call and, of transactions, those behind it.
std::vector<NftRunner::Job> NftRunner::take_jobs() {
  std::vector<Job> taken;
  std::size_t size = 0;
  do {
    size += jobs_.front().call.input.size();
    taken.push_back(std::move(jobs_.front()));
    jobs_.pop_front();
  } while (taken.back().call.is_transaction() && !jobs_.empty() &&
           jobs_.front().call.is_transaction() &&
           size + jobs_.front().call.input.size() <= kMostTogether);
  return taken;
}

void NftRunner::finish(Job& job, Result<std::string> result) {
  if (job.digest) in_background([&] { job.digest(result); });
  executor_([done = std::move(job.done), result = std::move(result)]() mutable {
    done(std::move(result));
  });
}

void NftRunner::carry_out_all(std::vector<Job> jobs) {
  if (jobs.size() > 1) {
    std::string together;
    for (const auto& job : jobs) together += job.call.input + '\n';
    if (const auto result = carry_out(NftCall::transaction(std::move(together)))) {
      for (auto& job : jobs) finish(job, result);
      return;
    }
    // It has changed nothing, if nft lived to say so. Whose fault it is shows when each is alone.
  }
  for (auto& job : jobs) {
    if (is_stopping()) return;
    finish(job, carry_out(job.call));
  }
}

bool NftRunner::is_stopping() {
  const std::lock_guard lock{mutex_};
  return stopping_;
}

void NftRunner::work() {
  std::unique_lock lock{mutex_};
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (stopping_) return;
    auto jobs = take_jobs();
    busy_ = true;
    lock.unlock();
    carry_out_all(std::move(jobs));
    lock.lock();
    busy_ = false;
    changed_.notify_all();
  }
}

}  // namespace dove::agent
