// Many requests in few system calls, and a verdict for every one of them.
//
// Up to 64 messages go out in one sendmsg; the last of each send asks for an acknowledgement, which
// is the fence: the kernel works in order and answers refusals by sequence number, so when the
// fence is here, whoever was not refused succeeded. One refusal does not stop the others.
//
//   Batch batch = ...;
//   add(batch, Change::kReplace, FdbEntry{...});
//   for (const Verdict& verdict : batch.commit()) ...          // verdict i belongs to request i
//
// rtnetlink carries out a request inside sendmsg, so commit() takes the kernel's time and does not
// wait for anything else. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include "core/result.h"
#include "netlink/builder.h"
#include "netlink/socket.h"

namespace dove::netlink {

struct Verdict {
  // No error: it is done. Else what the kernel said (std::system_category); message_size: the
  // request was too long to be made; no_buffer_space, timed_out, io_error: nobody knows whether it
  // was done (the fence was lost), so treat it as not done and make it again.
  std::error_code error;
  std::string message;  // the kernel's own words, when it has any

  bool ok() const noexcept { return !error; }
  // "No such device" or "No such device (Device does not exist)".
  std::string to_string() const;
};

class Batch {
 public:
  static constexpr std::size_t kPerSend = 64;         // measured: larger is slower again
  static constexpr std::size_t kMessageBytes = 4096;  // the longest request

  static Result<Batch> open(int protocol = NETLINK_ROUTE);
  explicit Batch(Socket socket);

  // Begins the next request; NLM_F_REQUEST is added. What is put into the builder until the next
  // begin() or commit() belongs to it; the reference is valid until then.
  Builder& begin(std::uint16_t type, std::uint16_t flags);
  std::uint32_t port_id() const noexcept { return socket_.port_id(); }
  std::size_t size() const noexcept { return requests_.size(); }
  bool empty() const noexcept { return requests_.empty(); }

  // Sends what was begun, and empties the batch. As many verdicts as requests, in their order;
  // valid until the next commit(). Never fails as a whole: a send that cannot be made is the
  // verdict of its requests.
  std::span<const Verdict> commit();
  // As commit(), for a caller who needs all: the first refusal as an error "cannot `what`: ...".
  Status commit_all(std::string_view what);

 private:
  struct Request {
    std::size_t offset;  // in buffer_
    std::size_t length;  // 0: it could not be made
    std::uint32_t sequence;
  };
  using Slice = std::span<const Request>;
  void end_request();
  Slice next_slice(std::size_t first) const;
  void send(Slice slice, std::span<Verdict> verdicts);
  void read_verdicts(Slice slice, std::span<Verdict> verdicts);

  std::byte* memory() noexcept { return reinterpret_cast<std::byte*>(buffer_.data()); }

  Socket socket_;
  Inbox inbox_;
  std::vector<std::uint64_t> buffer_;  // the requests, one behind the other
  std::size_t used_ = 0;               // bytes of it
  std::optional<Builder> builder_;     // the request being made, at used_
  std::vector<Request> requests_;
  std::vector<Verdict> verdicts_;  // of the last commit()
};

}  // namespace dove::netlink
