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
  static Result<Query> open();  // NETLINK_ROUTE

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

 private:
  explicit Query(Socket socket);
  enum class Outcome : std::uint8_t { kComplete, kInterrupted };
  Result<Outcome> exchange(const Question& question, std::uint16_t flags, const Take& take);

  Socket socket_;
  Inbox inbox_;
  std::vector<std::uint64_t> buffer_;
};

}  // namespace dove::netlink
