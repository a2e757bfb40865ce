// The thread that waits for gRPC's asynchronous operations.
//
// gRPC 1.51 has callbacks of its own, but the threads that call them sleep for 100 ms after every
// second without an event, all of them at once when they began together, and wake each other for
// every event. One thread that only waits is quick at any time.
#pragma once

#include <grpcpp/completion_queue.h>

#include <chrono>
#include <memory>
#include <thread>

namespace dove::api {

// An operation is started with the tag of one of these, which must live until done().
class Operation {
 public:
  // For one operation. What was written before is seen by done(), and ThreadSanitizer, which cannot
  // look into gRPC, is told so.
  void* tag() noexcept;
  // On the queue's thread. False: it failed, or the stream is at its end.
  virtual void done(bool ok) = 0;

 protected:
  ~Operation() = default;
};

// One that calls a member function of what owns it.
template <class Owner, void (Owner::*Then)(bool)>
class OperationOf final : public Operation {
 public:
  explicit OperationOf(Owner& owner) : owner_{owner} {}
  void done(bool ok) override { (owner_.*Then)(ok); }

 private:
  Owner& owner_;
};

class CompletionThread {
 public:
  // `queue`: what AddCompletionQueue() gave. For clients, too.
  explicit CompletionThread(std::unique_ptr<grpc::ServerCompletionQueue> queue);
  // For clients only.
  CompletionThread();
  // stop(), for as long as it takes.
  ~CompletionThread();
  CompletionThread(const CompletionThread&) = delete;
  CompletionThread& operator=(const CompletionThread&) = delete;

  grpc::CompletionQueue& queue() noexcept { return *queue_; }
  grpc::ServerCompletionQueue& server_queue() noexcept { return *server_queue_; }

  // Who has one may start operations. Null: too late. From any thread.
  using Hold = std::shared_ptr<const void>;
  Hold hold();

  // Waits until nobody holds it and every operation has ended; false when it is still held after
  // `patience`. A queue's server must have been shut down, and still be there: gRPC has operations
  // of its own on it.
  bool stop(std::chrono::milliseconds patience);

 private:
  struct Holds;
  CompletionThread(std::unique_ptr<grpc::CompletionQueue> queue,
                   grpc::ServerCompletionQueue* server_queue);

  std::unique_ptr<grpc::CompletionQueue> queue_;
  grpc::ServerCompletionQueue* const server_queue_;
  const std::shared_ptr<Holds> holds_;
  std::thread thread_;
};

}  // namespace dove::api
