// Answers GET /metrics on one address, from a thread of its own: whoever reads slowly, sends
// garbage or opens many connections hurts that thread alone, and not much. One exchange a
// connection, and each has its time; connections are bounded, and the one that dawdles longest
// makes room for a new one. However many ask, figures are collected once at a time and not more
// often than `pause`.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "api/listener.h"
#include "core/result.h"

namespace dove::api {

class MetricsServer {
 public:
  struct Limits {
    std::size_t connections = 32;
    std::chrono::milliseconds patience{5'000};  // for one exchange
    std::chrono::milliseconds pause{50};        // from one collection to the next
  };
  // Makes the page; called on the server's thread.
  using Render = std::function<std::string()>;
  // Called on the server's thread, must not block. What it is given is to be called once, from any
  // thread, at any time: also when the server is gone.
  using Collect = std::function<void(std::function<void(Render)> done)>;

  // Refuses what check_plaintext() does, and says why it cannot listen. See Listener.
  static Result<std::unique_ptr<MetricsServer>> open(const Address& address, bool insecure,
                                                     Collect collect, const Limits& limits);
  static Result<std::unique_ptr<MetricsServer>> open(const Address& address, bool insecure,
                                                     Collect collect) {
    return open(address, insecure, std::move(collect), Limits{});
  }
  // Ends at once; a Unix socket's file goes.
  ~MetricsServer();

 private:
  class Server;
  struct Mailbox;
  MetricsServer(std::shared_ptr<Mailbox> mailbox, std::unique_ptr<Server> server,
                std::unique_ptr<Listener> listener);

  std::shared_ptr<Mailbox> mailbox_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<Listener> listener_;
  std::thread thread_;
};

}  // namespace dove::api
