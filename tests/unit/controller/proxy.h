// Between a client and a server on this machine's loopback, for tests: passes bytes both ways, or
// swallows what the server says, so that requests are carried out and nobody learns of it.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <list>
#include <thread>

#include "tests/unit/controller/loopback.h"

namespace dove {

class Proxy {
 public:
  explicit Proxy(const api::Address& server) : server_{server}, listener_{listen_on_loopback()} {
    thread_ = std::thread{[this] { run(); }};
  }
  ~Proxy() {
    stop_ = true;
    thread_.join();
    hang_up();
    ::close(listener_);
  }
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  api::Address address() const {
    return {.kind = api::Address::Kind::kTcp, .host = "127.0.0.1", .port = port_of(listener_)};
  }
  void swallow_answers() { swallowing_ = true; }
  // Again both ways. What has lost bytes is hung up.
  void forward() { swallowing_ = false; }

 private:
  struct Pair {
    int client;
    int server;
    bool lost = false;  // bytes
  };

  void run() {
    while (!stop_) {
      std::vector<pollfd> polled{{.fd = listener_, .events = POLLIN, .revents = 0}};
      for (const auto& pair : pairs_)
        for (const int fd : {pair.client, pair.server})
          polled.push_back({.fd = fd, .events = POLLIN, .revents = 0});
      ::poll(polled.data(), polled.size(), 20);
      auto at = polled.begin() + 1;
      for (auto pair = pairs_.begin(); pair != pairs_.end();) {
        const bool from_client = (at++)->revents != 0;
        const bool from_server = (at++)->revents != 0;
        const bool over = (pair->lost && !swallowing_) ||
                          (from_client && !pass(pair->client, pair->server)) ||
                          (from_server && !answer(*pair));
        if (over) hang_up(*pair);
        pair = over ? pairs_.erase(pair) : std::next(pair);
      }
      if (polled[0].revents != 0) {
        const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (client >= 0) pairs_.push_back({client, connect_to_loopback(server_.port)});
      }
    }
  }

  static bool pass(int from, int to) {
    std::array<char, 65536> bytes;
    const auto size = ::recv(from, bytes.data(), bytes.size(), 0);
    return size > 0 && ::send(to, bytes.data(), static_cast<std::size_t>(size), MSG_NOSIGNAL) > 0;
  }
  bool answer(Pair& pair) {
    if (!swallowing_) return pass(pair.server, pair.client);
    std::array<char, 65536> bytes;
    pair.lost = true;
    return ::recv(pair.server, bytes.data(), bytes.size(), 0) > 0;
  }
  static void hang_up(const Pair& pair) {
    ::close(pair.client);
    ::close(pair.server);
  }
  void hang_up() {
    for (const auto& pair : pairs_) hang_up(pair);
  }

  const api::Address server_;
  const int listener_;
  std::list<Pair> pairs_;  // the thread's own
  std::atomic<bool> swallowing_ = false;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace dove
