// What one agent says, message after message: checked, and handed to those whom it concerns.
// Whatever is malformed, or comes out of turn, is an error that ends the session.
#pragma once

#include <atomic>
#include <vector>

#include "controller/sessions.h"

namespace dove::controller {

class Conversation {
 public:
  virtual ~Conversation() = default;

  // One message at a time.
  Status hear(const v1::FromAgent& message);
  // The agent has been let in: from now on all but a hello is heard.
  void admit() noexcept { admitted_ = true; }
  bool is_admitted() const noexcept { return admitted_; }
  bool is_greeted() const noexcept { return greeted_; }

 protected:
  // Both outlive the object.
  Conversation(Peer& peer, Sessions& sessions) : peer_{peer}, sessions_{sessions} {}

 private:
  // The first message. Nothing is heard until admit().
  virtual void on_hello(Hello hello) = 0;
  // It is well-formed, as Registry::request() needs it.
  virtual void on_request(v1::Request request) = 0;

  Status hear(const v1::Hello& message);
  Status hear(const v1::Applied& message);
  Status hear_ask(const v1::Keys& message);
  Status hear_forget(const v1::Keys& message);
  Status hear(const v1::Groups& message);
  Status hear(const v1::Replicate& message);
  Status hear(const v1::Interest& message);
  Status hear(const v1::Request& request);
  Status read_keys(const v1::Keys& message);

  Peer& peer_;
  Sessions& sessions_;
  std::vector<Key> keys_;  // of the message at hand
  std::atomic<bool> greeted_ = false;
  std::atomic<bool> admitted_ = false;
};

}  // namespace dove::controller
