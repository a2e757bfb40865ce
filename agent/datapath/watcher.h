// Calls back on the loop thread while a descriptor has something to read.
#pragma once

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <functional>
#include <memory>

namespace dove::agent {

// The descriptor is borrowed. `read` returns whether there may be more: then it is called again at
// the next turn, behind what else waits, without asking the kernel.
class Watcher {
 public:
  Watcher(asio::io_context& io, int fd, std::function<bool()> read)
      : watch_{std::make_shared<Watch>(io, fd, std::move(read))} {
    watch_->next(watch_);
  }
  ~Watcher() {
    if (watch_) watch_->stop();
  }
  Watcher(Watcher&&) = default;
  Watcher& operator=(Watcher&&) = delete;

 private:
  struct Watch {
    Watch(asio::io_context& loop, int fd, std::function<bool()> function)
        : io{loop}, descriptor{loop, fd}, read{std::move(function)} {}
    void next(const std::shared_ptr<Watch>& self) {
      descriptor.async_wait(asio::posix::descriptor_base::wait_read,
                            [self](const asio::error_code& error) {
                              if (!error) self->turn(self);
                            });
    }
    void turn(const std::shared_ptr<Watch>& self) {
      if (stopped) return;
      if (read())
        asio::post(io, [self] { self->turn(self); });
      else if (!stopped)
        next(self);
    }
    void stop() {
      stopped = true;
      descriptor.release();  // its owner closes it
    }
    asio::io_context& io;
    asio::posix::stream_descriptor descriptor;
    std::function<bool()> read;
    bool stopped = false;
  };
  std::shared_ptr<Watch> watch_;
};

}  // namespace dove::agent
