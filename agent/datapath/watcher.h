// Calls back on the loop thread while a descriptor has something to read.
//
// Whoever sends one thing after the other without end would have the loop woken for each of them,
// which costs several times what reading it does. So, as network cards do with their interrupts, a
// descriptor that is readable again and again in less than its pause is left alone for so long each
// time, and what has come meanwhile is read in one turn.
#pragma once

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>

namespace dove::agent {

// The descriptor is borrowed. `read` returns whether there may be more: then it is called again at
// the next turn, behind what else waits, without asking the kernel. `rested`, if there is one, is
// called after each pause, before anything is read.
class Watcher {
 public:
  Watcher(asio::io_context& io, int fd, std::function<bool()> read,
          std::chrono::steady_clock::duration pause = kPause, std::function<void()> rested = {})
      : watch_{std::make_shared<Watch>(io, fd, std::move(read), pause, std::move(rested))} {
    watch_->next(watch_);
  }
  ~Watcher() {
    if (watch_) watch_->stop();
  }
  Watcher(Watcher&&) = default;
  Watcher& operator=(Watcher&&) = delete;

  static constexpr std::chrono::microseconds kPause{200};
  static constexpr unsigned kOften = 16;  // times in a row, so that a few things are read at once

 private:
  struct Watch {
    Watch(asio::io_context& loop, int fd, std::function<bool()> function,
          std::chrono::steady_clock::duration length, std::function<void()> after)
        : io{loop},
          descriptor{loop, fd},
          timer{loop},
          read{std::move(function)},
          rested{std::move(after)},
          pause{length} {}
    void next(const std::shared_ptr<Watch>& self) {
      waits_since = std::chrono::steady_clock::now();
      descriptor.async_wait(asio::posix::descriptor_base::wait_read,
                            [self](const asio::error_code& error) {
                              if (error) return;
                              self->note_wait();
                              self->turn(self);
                            });
    }
    void note_wait() {
      const bool short_one = std::chrono::steady_clock::now() - waits_since < pause;
      short_waits = short_one ? short_waits + 1 : 0;
    }
    void turn(const std::shared_ptr<Watch>& self) {
      if (stopped) return;
      if (read())
        asio::post(io, [self] { self->turn(self); });
      else if (!stopped && short_waits < kOften)
        next(self);
      else if (!stopped)
        rest(self);
    }
    // The reactor would still wake for each arrival, though nobody waits, if it knew the
    // descriptor.
    void rest(const std::shared_ptr<Watch>& self) { come_back(self, descriptor.release()); }
    void come_back(const std::shared_ptr<Watch>& self, int fd) {
      timer.expires_after(pause);
      timer.async_wait([self, fd](const asio::error_code& error) {
        if (error || self->stopped) return;
        asio::error_code refused;  // there may be no memory just now
        self->descriptor.assign(fd, refused);
        if (refused) return self->come_back(self, fd);
        if (self->rested) self->rested();
        if (!self->stopped) self->next(self);
      });
    }
    void stop() {
      stopped = true;
      timer.cancel();
      if (descriptor.is_open()) descriptor.release();  // its owner closes it
    }
    asio::io_context& io;
    asio::posix::stream_descriptor descriptor;
    asio::steady_timer timer;
    std::function<bool()> read;
    std::function<void()> rested;
    const std::chrono::steady_clock::duration pause;
    std::chrono::steady_clock::time_point waits_since;
    unsigned short_waits = 0;  // one after the other
    bool stopped = false;
  };
  std::shared_ptr<Watch> watch_;
};

}  // namespace dove::agent
