// The sockets that a server of ours listens on, and the thread that accepts at them.
//
// gRPC 1.51 would do both itself, but listens no more after one accept() has failed for want of a
// descriptor. Here whoever comes when most of the process's descriptors are in use is hung up on,
// and everybody else is served as before; when there are fewer again, all are.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "api/address.h"
#include "core/result.h"

namespace dove::api {

// Of a Unix address: makes the directory of its socket, as /run/dove is gone after a boot. Anything
// deeper that is missing is a mistake in the path.
Status make_socket_directory(const Address& address);

class Listener {
 public:
  // Connections that a process has at once; its other files come beside. Fewer where its limit of
  // open files is lower.
  static constexpr int kConnections = 16'384;

  // Listens on every address. A Unix socket's file gets mode 0660; one that nobody listens on any
  // more is replaced, one in use or a file of another kind is refused by name. Changes the
  // process's umask while it runs.
  static Result<std::unique_ptr<Listener>> open(std::span<const Address> addresses);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // Hands over each connection, which is then the taker's, on a thread of its own.
  using Take = std::function<void(int listener, int connection)>;
  void start(Take take);
  // Listens and accepts no more. Also from the destructor.
  void stop();
  // Connections that were hung up on, so far.
  std::uint64_t refused() const noexcept { return refused_; }

 private:
  // Closes its descriptor and takes its file away.
  struct Socket {
    int fd = -1;
    std::string path = {};  // of a Unix socket
  };

  Listener() = default;
  Status add(const Address& address);
  Status add_unix(const Address& address);
  Status add_tcp(const Address& address);
  void run();
  void accept_all(int listener);
  void make_room(int listener);
  void close_all();

  std::vector<Socket> sockets_;
  int wake_ = -1;     // an eventfd
  int reserve_ = -1;  // given up for a moment, to hang up where there is no other descriptor
  int highest_ = 0;   // descriptors from this on are refused
  Take take_;
  std::atomic<bool> stopping_ = false;
  std::atomic<std::uint64_t> refused_ = 0;
  std::thread thread_;
};

}  // namespace dove::api
