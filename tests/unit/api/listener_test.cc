#include "api/listener.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <condition_variable>
#include <cstring>
#include <mutex>

#include "tests/catch.h"
#include "tests/unit/controller/temporary_directory.h"

namespace dove::api {
namespace {

// A listener that keeps what it accepts, and who connects to it.
class Bench {
 public:
  Bench() : address_{.kind = Address::Kind::kUnix, .path = directory_ / "a.sock"} {
    auto opened = Listener::open(std::span{&address_, 1});
    REQUIRE(opened);
    listener_ = *std::move(opened);
    listener_->start([this](int, int connection) {
      const std::lock_guard lock{mutex_};
      taken_.push_back(connection);
      changed_.notify_all();
    });
  }
  ~Bench() {
    listener_->stop();
    for (const int fd : taken_) ::close(fd);
  }

  int connect() const {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::strcpy(name.sun_path, address_.path.c_str());
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    REQUIRE(fd >= 0);
    REQUIRE(::connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0);
    return fd;
  }
  void wait_for(std::size_t count) {
    std::unique_lock lock{mutex_};
    REQUIRE(
        changed_.wait_for(lock, std::chrono::seconds{20}, [&] { return taken_.size() >= count; }));
  }
  Listener& listener() { return *listener_; }
  const std::string& path() const { return address_.path; }

 private:
  TemporaryDirectory directory_;
  Address address_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<int> taken_;
  std::unique_ptr<Listener> listener_;
};

// For as long as it lives.
class FileLimit {
 public:
  explicit FileLimit(rlim_t files) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit lower{.rlim_cur = files, .rlim_max = before_.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &lower) == 0);
  }
  ~FileLimit() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

bool is_hung_up(int fd) {
  const timeval patience{.tv_sec = 20, .tv_usec = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  char byte = 0;
  return ::recv(fd, &byte, 1, 0) == 0;
}

TEST_CASE("listener: hands over who connects, and takes its socket's file away") {
  std::string path;
  {
    Bench bench;
    path = bench.path();
    const int fd = bench.connect();
    bench.wait_for(1);
    ::close(fd);
    CHECK(bench.listener().refused() == 0);
    CHECK(::access(path.c_str(), F_OK) == 0);
  }
  CHECK(::access(path.c_str(), F_OK) != 0);
}

TEST_CASE("listener: without descriptors it hangs up, and serves again when there are some") {
  Bench bench;
  const int next = ::dup(0);
  REQUIRE(next > 0);
  std::vector<int> all{next};
  int client = -1;
  {
    const FileLimit limit{static_cast<rlim_t>(next) + 8};
    for (int fd = ::dup(0); fd >= 0; fd = ::dup(0)) all.push_back(fd);
    ::close(all.back());  // the last one is the client's, and none is left to accept with
    all.pop_back();
    client = bench.connect();
    CHECK(is_hung_up(client));
  }
  CHECK(bench.listener().refused() >= 1);
  for (const int fd : all) ::close(fd);
  ::close(client);
  const int fd = bench.connect();
  bench.wait_for(1);
  ::close(fd);
}

}  // namespace
}  // namespace dove::api
