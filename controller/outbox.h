// What waits to be written to one agent, in order and bounded. Bindings, and hosts that come, are
// gathered into larger messages while the agent is slower than its pushes; when too many wait, in words about replicas
// or not, they are all dropped and a Resync stands in their place: the agent then asks anew. What
// else waits cannot be dropped; an agent that lets too much of it gather has to go.
//
// Thread-safe. One message at a time is lent out for writing; it stays valid until end_write().
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "core/binding.h"
#include "dove/v1/agent.pb.h"

namespace dove::controller {

class Outbox {
 public:
  struct Limits {
    std::size_t bindings = 65536;
    std::size_t messages = 16384;  // other than bindings
  };

  explicit Outbox(const Limits& limits) : limits_{limits} {}

  // False: all bindings were dropped for a Resync, this one too; nothing asked counts any more.
  template <class Binding>
  bool add(const Binding& binding, std::uint64_t revision);
  // False: too much waits, the agent has to go. Bindings in a reply are not dropped, but count for
  // is_full().
  bool add(v1::FromController&& message);

  // Like a binding, for each that is in it.
  bool add_replica(v1::FromController&& message);

  // The next message, when none is being written, one waits, and the outbox is open; else null.
  const v1::FromController* begin_write();
  void end_write();
  // Nothing is written any more. True when nothing was being written.
  bool close();
  // Waits so much that the agent should be heard no further before it reads?
  bool is_full() const;

 private:
  using Message = std::unique_ptr<v1::FromController>;
  Message fresh();
  void drop_bindings();

  const Limits limits_;
  mutable std::mutex mutex_;
  std::deque<Message> waiting_;
  std::vector<Message> spare_;  // for reuse, with their memory
  Message writing_;
  std::size_t bindings_ = 0;  // waiting
  bool closed_ = false;
};

}  // namespace dove::controller
