#include "tests/bench/controller_process.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

namespace dove::bench {

ControllerProcess::ControllerProcess(const std::vector<std::string>& command) {
  std::vector<char*> words;
  for (const auto& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ != 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::execv(words.front(), words.data());
  ::_exit(127);
}

void ControllerProcess::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

std::string ControllerProcess::proc(const std::string& file) const {
  return fmt::format("/proc/{}/{}", pid_, file);
}

double ControllerProcess::cpu_seconds() const {
  std::ifstream file{proc("stat")};
  const std::string text{std::istreambuf_iterator<char>{file}, {}};
  const auto name_ends = text.rfind(')');
  if (name_ends == std::string::npos) throw std::runtime_error{"the controller is not running"};
  std::istringstream fields{text.substr(name_ends + 2)};
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

std::uint64_t ControllerProcess::status_kib(const std::string& name) const {
  std::ifstream file{proc("status")};
  for (std::string word; file >> word;)
    if (word == name + ":") {
      std::uint64_t value = 0;
      file >> value;
      return value;
    }
  return 0;
}

double ControllerProcess::resident_mib() const {
  return static_cast<double>(status_kib("VmRSS")) / 1024;
}

double ControllerProcess::most_resident_mib() const {
  return static_cast<double>(status_kib("VmHWM")) / 1024;
}

std::size_t ControllerProcess::descriptors() const {
  const std::filesystem::directory_iterator all{proc("fd")};
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

}  // namespace dove::bench
