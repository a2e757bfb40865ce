#include "netlink/batch.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "netlink/ack.h"
#include "netlink/system_error.h"

namespace dove::netlink {
namespace {

constexpr std::size_t kSendBytes = 64U << 10U;  // below any socket's default send buffer
// An acknowledgement is there when sendmsg returns; this is for a kernel that thinks otherwise.
constexpr std::chrono::milliseconds kFencePatience{1000};

std::error_code os_error(int error) { return {error, std::system_category()}; }

}  // namespace

std::string Verdict::to_string() const {
  if (message.empty()) return error.message();
  return fmt::format("{} ({})", error.message(), message);
}

Result<Batch> Batch::open(int protocol) {
  // Room for kPerSend refusals, each with the kernel's words, and more.
  auto socket = Socket::open(protocol, {.receive_buffer = 1U << 20U});
  if (!socket) return socket.error();
  return Batch{std::move(*socket)};
}

Batch::Batch(Socket socket) : socket_{std::move(socket)}, inbox_{kPerSend, 1024} {}

Builder& Batch::begin(std::uint16_t type, std::uint16_t flags) {
  end_request();
  if (const std::size_t words = (used_ + kMessageBytes) / sizeof(std::uint64_t);
      words > buffer_.size())
    buffer_.resize(std::max(words, 2 * buffer_.size()));
  const std::uint32_t sequence = socket_.next_sequence();
  requests_.push_back({used_, 0, sequence});
  builder_.emplace(std::span{memory() + used_, kMessageBytes}, type,
                   static_cast<std::uint16_t>(flags | NLM_F_REQUEST), sequence);
  return *builder_;
}

void Batch::end_request() {
  if (!builder_) return;
  if (const auto message = builder_->finish()) {
    requests_.back().length = message->size();
    used_ += align(message->size());
  }
  builder_.reset();
}

// The requests from `first` on that go out together.
Batch::Slice Batch::next_slice(std::size_t first) const {
  std::size_t end = first;
  std::size_t bytes = 0;
  while (end < requests_.size() && end - first < kPerSend) {
    bytes += align(requests_[end].length);
    if (bytes > kSendBytes) break;
    ++end;
  }
  return Slice{requests_}.subspan(first, end - first);
}

std::span<const Verdict> Batch::commit() {
  end_request();
  verdicts_.assign(requests_.size(), Verdict{});
  for (std::size_t first = 0; first < requests_.size();) {
    const Slice slice = next_slice(first);
    send(slice, std::span{verdicts_}.subspan(first, slice.size()));
    first += slice.size();
  }
  requests_.clear();
  used_ = 0;
  return verdicts_;
}

void Batch::send(Slice slice, std::span<Verdict> verdicts) {
  const Request* fence = nullptr;
  for (std::size_t i = 0; i < slice.size(); ++i) {
    if (slice[i].length == 0)
      verdicts[i].error = os_error(EMSGSIZE);
    else
      fence = &slice[i];
  }
  if (fence == nullptr) return;
  reinterpret_cast<nlmsghdr*>(memory() + fence->offset)->nlmsg_flags |= NLM_F_ACK;
  const std::size_t begin = slice.front().offset;
  const std::size_t end = fence->offset + align(fence->length);
  if (const auto sent = socket_.send({memory() + begin, end - begin}); !sent) {
    for (Verdict& verdict : verdicts)
      if (verdict.ok()) verdict.error = os_error(sent.error().os_error);
    return;
  }
  read_verdicts(slice.first(static_cast<std::size_t>(fence - slice.data()) + 1), verdicts);
}

// Up to and with the fence, which is the slice's last. Without it nobody knows: an error for all
// that were not refused by name.
void Batch::read_verdicts(Slice slice, std::span<Verdict> verdicts) {
  int trouble = 0;
  bool waiting = true;
  while (waiting) {
    // What was lost does not come any more: after an overrun only what is there is read.
    const auto received =
        socket_.wait(inbox_, trouble == 0 ? kFencePatience : std::chrono::milliseconds{0});
    if (!received) trouble = EIO;
    if (!received || (received->datagrams.empty() && !received->overrun)) break;
    if (received->overrun) trouble = ENOBUFS;
    for (ByteView rest : received->datagrams) {
      while (const auto message = Message::next(rest)) {
        const auto ack = decode_ack(*message);
        if (!ack) continue;
        const auto request = std::find_if(slice.begin(), slice.end(), [&](const Request& r) {
          return r.sequence == ack->sequence;
        });
        if (request == slice.end()) continue;  // of an earlier batch that was given up
        if (ack->error != 0)
          verdicts[static_cast<std::size_t>(request - slice.begin())] = {os_error(ack->error),
                                                                         std::string{ack->text}};
        waiting = waiting && request + 1 != slice.end();
      }
    }
  }
  if (!waiting && trouble == 0) return;
  for (Verdict& verdict : verdicts.first(slice.size()))
    if (verdict.ok()) verdict.error = os_error(trouble != 0 ? trouble : ETIMEDOUT);
}

Status Batch::commit_all(std::string_view what) {
  for (const Verdict& verdict : commit())
    if (!verdict.ok()) return system_error(what, verdict.error.value(), verdict.to_string());
  return {};
}

}  // namespace dove::netlink
