// Questions to the kernel: one object, or a whole table.
//
// A dump that the kernel says was inconsistent (NLM_F_DUMP_INTR: the table changed meanwhile) is
// made again, up to kAttempts times, then kUnavailable.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "netlink/builder.h"
#include "netlink/message.h"
#include "netlink/socket.h"

namespace dove::netlink {

// Not thread-safe. No groups are joined: nothing comes but answers.
class Query {
 public:
  static constexpr int kAttempts = 8;
  static constexpr std::size_t kParts = 8;
  // NETLINK_ROUTE. So many parts of a table, of up to 32 KiB, are read at once.
  static Result<Query> open(std::size_t parts = kParts);

  struct Question {
    std::string_view what;  // for the error: "cannot WHAT: No such device"
    std::uint16_t type;
    std::function<void(Builder&)> put;  // family header and attributes
  };
  using Take = std::function<void(const Message&)>;

  // Gives each message of the answer to `take`. The kernel's refusal is the error.
  Status ask(const Question& question, const Take& take);
  // Asks for the table. `restart` comes before each attempt: forget what was taken.
  Status dump(const Question& question, const std::function<void()>& restart, const Take& take);

  // A table in slices: begin_dump(), then proceed() until it is false; nothing else in between.
  // What changes meanwhile may be told as before or as after, and the rest all the same.
  Status begin_dump(const Question& question);
  Result<bool> proceed(const Take& take);

 private:
  Query(Socket socket, std::size_t parts);
  enum class Outcome : std::uint8_t { kComplete, kInterrupted };
  Result<std::uint32_t> send(const Question& question, std::uint16_t flags);
  Result<Outcome> exchange(const Question& question, std::uint16_t flags, const Take& take);

  Socket socket_;
  Inbox inbox_;
  std::vector<std::uint64_t> buffer_;
  std::uint32_t dumping_ = 0;  // the sequence of the dump begun last
};

}  // namespace dove::netlink
