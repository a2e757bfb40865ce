#include "agent/datapath/watcher.h"

#include <sys/eventfd.h>

#include <asio/io_context.hpp>
#include <chrono>
#include <optional>
#include <thread>

#include "core/file_descriptor.h"
#include "tests/catch.h"

namespace dove::agent {
namespace {

using namespace std::chrono_literals;

constexpr auto kLong = 500ms;  // a pause that a busy machine does not hide

// A descriptor that counts what was written and not yet read, and who reads it.
struct Desk {
  asio::io_context io{1};
  FileDescriptor fd{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
  unsigned turns = 0, rests = 0;
  std::uint64_t read = 0;

  void write() const { REQUIRE(::eventfd_write(fd.get(), 1) == 0); }
  bool take() {
    eventfd_t count = 0;
    ++turns;
    if (::eventfd_read(fd.get(), &count) == 0) read += count;
    return false;
  }
  Watcher watch(std::chrono::steady_clock::duration pause = kLong) {
    return {io, fd.get(), [this] { return take(); }, pause, [this] { ++rests; }};
  }
  // One by one, each read before the next.
  void write_often(unsigned times) {
    for (unsigned i = 0; i < times; ++i) {
      write();
      while (io.run_one_for(1s) > 0 && read <= i) {
      }
    }
  }
};

TEST_CASE("what comes now and then is read at once") {
  Desk desk;
  const Watcher watcher = desk.watch(1us);
  for (unsigned i = 1; i <= 3 * Watcher::kOften; ++i) {
    std::this_thread::sleep_for(100us);
    desk.write();
    desk.io.run_one_for(1s);
    CHECK(desk.read == i);
  }
  CHECK(desk.rests == 0);
}

TEST_CASE("what comes again and again is read together, after a pause, and nothing is lost") {
  Desk desk;
  const Watcher watcher = desk.watch();
  desk.write_often(Watcher::kOften);
  CHECK(desk.turns == Watcher::kOften);
  for (int i = 0; i < 100; ++i) desk.write();
  desk.io.run_for(kLong / 5);
  CHECK(desk.turns == Watcher::kOften);  // it rests
  desk.io.run_for(2 * kLong);
  CHECK(desk.turns == Watcher::kOften + 1);
  CHECK(desk.read == Watcher::kOften + 100);
  CHECK(desk.rests >= 1);
}

TEST_CASE("who has been left in peace for a pause is read at once again") {
  Desk desk;
  const Watcher watcher = desk.watch();
  desk.write_often(Watcher::kOften);
  desk.io.run_for(3 * kLong);
  const auto rests = desk.rests;
  CHECK(rests == 1);
  desk.write();
  desk.io.run_for(kLong / 5);
  CHECK(desk.read == Watcher::kOften + 1);
  CHECK(desk.rests == rests);
}

TEST_CASE("one that ends while it rests reads no more, and leaves the descriptor open") {
  Desk desk;
  std::optional<Watcher> watcher{desk.watch()};
  desk.write_often(Watcher::kOften);
  desk.write();
  watcher.reset();
  desk.io.run_for(2 * kLong);
  CHECK(desk.turns == Watcher::kOften);
  CHECK(desk.take() == false);
  CHECK(desk.read == Watcher::kOften + 1);
}

}  // namespace
}  // namespace dove::agent
