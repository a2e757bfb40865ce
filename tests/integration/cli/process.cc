#include "tests/integration/cli/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace dove::test {
namespace {

using namespace std::chrono_literals;
constexpr auto kPatience = 30s;

// Appending, because several processes may write: a memfd's shared offset is not locked.
int memory_file() {
  const int fd = ::memfd_create("dovectl-test", MFD_CLOEXEC);
  if (fd < 0 || ::fcntl(fd, F_SETFL, O_APPEND) != 0)
    throw std::runtime_error("memfd_create failed");
  return fd;
}

std::string contents(int fd) {
  std::string text;
  std::array<char, 4096> part{};
  off_t at = 0;
  for (ssize_t n = 0; (n = ::pread(fd, part.data(), part.size(), at)) > 0; at += n)
    text.append(part.data(), static_cast<std::size_t>(n));
  return text;
}

pid_t start(const std::vector<std::string>& argv, int in, int out, int err,
            const Environment& environment = {}) {
  std::vector<char*> words;
  for (const auto& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) throw std::runtime_error("fork failed");
  if (pid > 0) return pid;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(126);
  ::dup2(in, STDIN_FILENO);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  for (const auto& variable : environment) ::putenv(const_cast<char*>(variable.c_str()));
  ::execv(words[0], words.data());
  ::_exit(127);
}

int wait_for(pid_t pid) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  for (int status = 0; std::chrono::steady_clock::now() < end; std::this_thread::sleep_for(1ms))
    if (::waitpid(pid, &status, WNOHANG) == pid)
      return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  return -1;
}

}  // namespace

Finished run(const std::vector<std::string>& argv, std::string_view input,
             const Environment& environment) {
  const std::array<int, 3> files{memory_file(), memory_file(), memory_file()};
  if (::write(files[0], input.data(), input.size()) < 0) throw std::runtime_error("write failed");
  ::lseek(files[0], 0, SEEK_SET);
  const int code = wait_for(start(argv, files[0], files[1], files[2], environment));
  Finished finished{code, contents(files[1]), contents(files[2])};
  for (const int fd : files) ::close(fd);
  return finished;
}

Finished dovectl(const std::string& line, std::string_view input, const Environment& environment) {
  std::vector<std::string> argv{DOVECTL};
  std::istringstream words{line};
  for (std::string word; words >> word;) argv.push_back(word);
  return run(argv, input, environment);
}

Daemon::Daemon(const std::vector<std::string>& argv) : out_{memory_file()}, pid_{-1} {
  const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  pid_ = start(argv, null, out_, STDERR_FILENO);
  ::close(null);
}

Daemon::~Daemon() {
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  ::close(out_);
}

void Daemon::signal(int number) const { ::kill(pid_, number); }
std::string Daemon::out() const { return contents(out_); }

Directory::Directory() {
  std::string pattern = std::filesystem::temp_directory_path() / "dovectl-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  path_ = pattern;
}

Directory::~Directory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace dove::test
