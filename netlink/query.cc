#include "netlink/query.h"

#include <fmt/format.h>

#include <cerrno>

#include "netlink/ack.h"
#include "netlink/system_error.h"

namespace dove::netlink {
namespace {

constexpr std::size_t kRequestBytes = 1024;
// As large as the kernel makes the parts of a dump.
constexpr std::size_t kPartBytes = 32U << 10U;
// Every part is there when asked for; this is for a kernel that thinks otherwise.
constexpr std::chrono::milliseconds kPatience{2000};

}  // namespace

Result<Query> Query::open(std::size_t parts) {
  auto socket = Socket::open(NETLINK_ROUTE, {.receive_buffer = 1U << 20U, .strict = true});
  if (!socket) return socket.error();
  return Query{std::move(*socket), parts};
}

Query::Query(Socket socket, std::size_t parts)
    : socket_{std::move(socket)},
      inbox_{parts, kPartBytes},
      buffer_(kRequestBytes / sizeof(std::uint64_t)) {}

Status Query::ask(const Question& question, const Take& take) {
  const auto outcome = exchange(question, NLM_F_ACK, take);
  return outcome ? Status{} : Status{outcome.error()};
}

Status Query::dump(const Question& question, const std::function<void()>& restart,
                   const Take& take) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    restart();
    const auto outcome = exchange(question, NLM_F_DUMP, take);
    if (!outcome) return outcome.error();
    if (*outcome == Outcome::kComplete) return {};
  }
  return Error{ErrorCode::kUnavailable,
               fmt::format("cannot {}: the table changed during each of {} attempts", question.what,
                           kAttempts)};
}

Result<std::uint32_t> Query::send(const Question& question, std::uint16_t flags) {
  Builder builder{std::as_writable_bytes(std::span{buffer_}), question.type,
                  static_cast<std::uint16_t>(NLM_F_REQUEST | flags), socket_.next_sequence()};
  question.put(builder);
  const auto request = builder.finish();
  if (!request) return system_error(question.what, EMSGSIZE);
  if (auto sent = socket_.send(*request); !sent) return sent.error();
  return builder.sequence();
}

Status Query::begin_dump(const Question& question) {
  const auto sent = send(question, NLM_F_DUMP);
  if (!sent) return sent.error();
  dumping_ = *sent;
  return {};
}

Result<bool> Query::proceed(const Take& take) {
  constexpr std::string_view kWhat = "read on in a table";
  const auto received = socket_.wait(inbox_, kPatience);
  if (!received) return received.error();
  if (received->overrun) return system_error(kWhat, ENOBUFS);
  if (received->datagrams.empty()) return system_error(kWhat, ETIMEDOUT);
  for (ByteView rest : received->datagrams) {
    while (const auto message = Message::next(rest)) {
      if (message->sequence() != dumping_) continue;
      const auto ack = decode_ack(*message);
      if (ack && ack->error != 0) return system_error(kWhat, ack->error, ack->text);
      if (ack) return false;
      take(*message);
    }
  }
  return true;
}

Result<Query::Outcome> Query::exchange(const Question& question, std::uint16_t flags,
                                       const Take& take) {
  const auto sequence = send(question, flags);
  if (!sequence) return sequence.error();
  bool interrupted = false;
  for (;;) {
    const auto received = socket_.wait(inbox_, kPatience);
    if (!received) return received.error();
    if (received->overrun) return system_error(question.what, ENOBUFS);
    if (received->datagrams.empty()) return system_error(question.what, ETIMEDOUT);
    for (ByteView rest : received->datagrams) {
      while (const auto message = Message::next(rest)) {
        if (message->sequence() != *sequence) continue;  // of a question given up
        interrupted = interrupted || message->interrupted();
        const auto ack = decode_ack(*message);
        if (!ack) {
          take(*message);
          continue;
        }
        if (ack->error != 0) return system_error(question.what, ack->error, ack->text);
        return interrupted ? Outcome::kInterrupted : Outcome::kComplete;
      }
    }
  }
}

}  // namespace dove::netlink
