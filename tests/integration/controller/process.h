// A real dove-controller process of a test: its files in a directory of the test, killed at the
// end.
#pragma once

#include <grpcpp/channel.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "api/transport.h"
#include "tests/catch.h"

namespace dove::controller {

class Process {
 public:
  // Its stderr goes to `log`.
  Process(std::vector<std::string> arguments, const std::string& log) {
    arguments.insert(arguments.begin(), DOVE_CONTROLLER_PROGRAM);
    std::vector<char*> argv;
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ != 0) return;
    if (::freopen(log.c_str(), "w", stderr) == nullptr) ::_exit(126);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  ~Process() { kill(SIGKILL); }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const noexcept { return pid_; }
  void kill(int signal) {
    if (pid_ > 0) ::kill(pid_, signal);
    wait();
  }
  // The exit code, or minus the signal.
  int wait() {
    if (pid_ <= 0) return result_;
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = 0;
    result_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    return result_;
  }

 private:
  pid_t pid_ = 0;
  int result_ = 0;
};

inline bool accepts(const std::string& socket) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::strcpy(name.sun_path, socket.c_str());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int result = ::connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name);
  ::close(fd);
  return result == 0;
}

inline std::shared_ptr<grpc::Channel> connect(const std::string& socket) {
  // A channel that failed waits a second before its next attempt: first see that somebody is there.
  for (int i = 0; i < 4000 && !accepts(socket); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
  const api::Address address{.kind = api::Address::Kind::kUnix, .path = socket};
  auto channel = *api::make_channel(address, false);
  REQUIRE(channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds{20}));
  return channel;
}

}  // namespace dove::controller
