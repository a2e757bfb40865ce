// A real etcd of one member on this machine's loopback, for tests: started with the object, ended
// with it, stopped and continued in between.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "api/address.h"
#include "controller/store/etcd_client.h"
#include "tests/unit/controller/loopback.h"
#include "tests/unit/controller/temporary_directory.h"

namespace dove {

class EtcdServer {
 public:
  // Options of etcd's, besides its own.
  explicit EtcdServer(std::vector<std::string> options = {}) : options_{std::move(options)} {
    start();
  }
  ~EtcdServer() { end(SIGKILL); }
  EtcdServer(const EtcdServer&) = delete;
  EtcdServer& operator=(const EtcdServer&) = delete;

  api::Address address() const {
    return {.kind = api::Address::Kind::kTcp, .host = "127.0.0.1", .port = client_port_};
  }

  void pause() {
    ::kill(pid_, SIGSTOP);
    ::waitpid(pid_, nullptr, WUNTRACED);
  }
  void go_on() { ::kill(pid_, SIGCONT); }
  void end(int signal) {
    if (pid_ <= 0) return;
    ::kill(pid_, signal);
    ::kill(pid_, SIGCONT);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  // With what it has on disk, where it was.
  void start_again() {
    if (!try_start()) throw std::runtime_error{"etcd does not start again"};
  }

 private:
  // Somebody may take a port between our look and etcd's.
  void start() {
    for (int tries = 0; tries < 5; ++tries) {
      client_port_ = free_port();
      peer_port_ = free_port();
      if (try_start()) return;
      end(SIGKILL);
    }
    throw std::runtime_error{"no etcd: is the program installed? " + (directory_ / "log")};
  }

  bool try_start() {
    const auto url = [](std::uint16_t port) { return "http://127.0.0.1:" + std::to_string(port); };
    std::vector<std::string> words{"etcd",
                                   "--data-dir",
                                   directory_ / "data",
                                   "--listen-client-urls",
                                   url(client_port_),
                                   "--advertise-client-urls",
                                   url(client_port_),
                                   "--listen-peer-urls",
                                   url(peer_port_),
                                   "--initial-advertise-peer-urls",
                                   url(peer_port_),
                                   "--initial-cluster",
                                   "default=" + url(peer_port_),
                                   "--heartbeat-interval",
                                   "50",
                                   "--election-timeout",
                                   "250"};
    words.insert(words.end(), options_.begin(), options_.end());
    std::vector<char*> arguments;
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const auto log = directory_ / "log";
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      const int fd = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
      ::dup2(fd, 1);
      ::dup2(fd, 2);
      ::execvp(arguments[0], arguments.data());
      ::_exit(127);
    }
    for (int i = 0; i < 200; ++i) {
      if (answers()) return true;
      if (::waitpid(pid_, nullptr, WNOHANG) == pid_) return pid_ = 0, false;
      std::this_thread::sleep_for(std::chrono::milliseconds{50});
    }
    return false;
  }

  bool answers() const {
    etcdserverpb::RangeRequest request;
    request.set_key("is there a leader?");
    controller::EtcdClient client{{address()}, false};
    const auto soon = std::chrono::steady_clock::now() + std::chrono::milliseconds{200};
    return client.range(request, soon).ok();
  }

  const std::vector<std::string> options_;
  TemporaryDirectory directory_;
  std::uint16_t client_port_ = 0;
  std::uint16_t peer_port_ = 0;
  pid_t pid_ = 0;
};

}  // namespace dove
