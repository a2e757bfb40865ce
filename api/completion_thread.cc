#include "api/completion_thread.h"

#include <condition_variable>
#include <mutex>

#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

namespace dove::api {
namespace {

void release([[maybe_unused]] void* tag) {
#ifdef __SANITIZE_THREAD__
  __tsan_release(tag);
#endif
}
void acquire([[maybe_unused]] void* tag) {
#ifdef __SANITIZE_THREAD__
  __tsan_acquire(tag);
#endif
}

}  // namespace

void* Operation::tag() noexcept {
  release(this);
  return this;
}

struct CompletionThread::Holds {
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t count = 0;
  bool closed = false;

  bool take() {
    const std::lock_guard lock{mutex};
    if (!closed) ++count;
    return !closed;
  }
  void give_back() {
    const std::lock_guard lock{mutex};
    if (--count == 0) changed.notify_all();
  }
  bool close(std::chrono::milliseconds patience) {
    std::unique_lock lock{mutex};
    closed = changed.wait_for(lock, patience, [this] { return count == 0; });
    return closed;
  }
};

CompletionThread::CompletionThread(std::unique_ptr<grpc::CompletionQueue> queue,
                                   grpc::ServerCompletionQueue* server_queue)
    : queue_{std::move(queue)},
      server_queue_{server_queue},
      holds_{std::make_shared<Holds>()},
      thread_{[this] {
        void* tag = nullptr;
        bool ok = false;
        while (queue_->Next(&tag, &ok)) {
          acquire(tag);
          static_cast<Operation*>(tag)->done(ok);
        }
      }} {}

CompletionThread::CompletionThread(std::unique_ptr<grpc::ServerCompletionQueue> queue)
    : CompletionThread{std::unique_ptr<grpc::CompletionQueue>{queue.get()}, queue.get()} {
  (void)queue.release();
}

CompletionThread::CompletionThread()
    : CompletionThread{std::make_unique<grpc::CompletionQueue>(), nullptr} {}

CompletionThread::~CompletionThread() {
  while (!stop(std::chrono::hours{1})) {
  }
}

CompletionThread::Hold CompletionThread::hold() {
  if (!holds_->take()) return nullptr;
  return {this, [holds = holds_](const void*) { holds->give_back(); }};
}

bool CompletionThread::stop(std::chrono::milliseconds patience) {
  if (!thread_.joinable()) return true;
  if (!holds_->close(patience)) return false;
  queue_->Shutdown();
  thread_.join();
  return true;
}

}  // namespace dove::api
