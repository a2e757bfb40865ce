#include "netlink/socket.h"

#include <fmt/format.h>
#include <linux/filter.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>

#include "netlink/system_error.h"

namespace dove::netlink {
namespace {

// Returns what it got. The kernel doubles what it is asked for, for its own overhead.
std::size_t set_receive_buffer(int fd, std::size_t wanted) {
  const int asked = static_cast<int>(std::min<std::size_t>(wanted, 1U << 29U));
  if (asked != 0 && ::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &asked, sizeof asked) != 0)
    ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &asked, sizeof asked);
  int got = 0;
  socklen_t size = sizeof got;
  ::getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &size);
  return static_cast<std::size_t>(got);
}

}  // namespace

Inbox::Inbox(std::size_t slots, std::size_t slot_bytes)
    : slot_bytes_{(slot_bytes + 7) & ~std::size_t{7}},
      memory_(slots * slot_bytes_ / sizeof(std::uint64_t)),
      headers_(slots),
      vectors_(slots),
      senders_(slots) {
  auto* const memory = reinterpret_cast<std::byte*>(memory_.data());
  for (std::size_t i = 0; i < slots; ++i) {
    vectors_[i] = {memory + i * slot_bytes_, slot_bytes_};
    headers_[i].msg_hdr.msg_iov = &vectors_[i];
    headers_[i].msg_hdr.msg_iovlen = 1;
    headers_[i].msg_hdr.msg_name = &senders_[i];
  }
  datagrams_.reserve(slots);
}

Result<Socket> Socket::open(int protocol, const SocketOptions& options) {
  Socket socket{mnl_socket_open2(protocol, SOCK_CLOEXEC | SOCK_NONBLOCK)};
  if (!socket.socket_)
    return system_error(fmt::format("open a netlink socket (protocol {})", protocol), errno);
  if (mnl_socket_bind(socket.socket_.get(), 0, MNL_SOCKET_AUTOPID) != 0)
    return system_error("bind a netlink socket", errno);
  socket.buffer_ = set_receive_buffer(socket.fd(), options.receive_buffer);
  // Older kernels do without: their refusals then come with the whole request, or without words.
  static_cast<void>(socket.set_option(NETLINK_CAP_ACK, 1));
  static_cast<void>(socket.set_option(NETLINK_EXT_ACK, 1));
  if (options.strict) {
    if (auto set = socket.set_option(NETLINK_GET_STRICT_CHK, 1); !set) return set.error();
  }
  for (const unsigned group : options.groups)
    if (auto joined = socket.join(group); !joined) return joined.error();
  return socket;
}

int Socket::fd() const noexcept { return mnl_socket_get_fd(socket_.get()); }

std::uint32_t Socket::port_id() const noexcept { return mnl_socket_get_portid(socket_.get()); }

Status Socket::set_option(int option, int value) {
  if (mnl_socket_setsockopt(socket_.get(), option, &value, sizeof value) != 0)
    return system_error(fmt::format("set netlink socket option {}", option), errno);
  return {};
}

Status Socket::join(unsigned group) {
  return set_option(NETLINK_ADD_MEMBERSHIP, static_cast<int>(group));
}

// Loads nlmsg_type (two bytes at offset 4; the filter's loads are big-endian, the field is not) and
// compares it with each type in turn: a hit jumps to the last instruction.
Status Socket::accept_only(std::span<const std::uint16_t> types,
                           std::span<const sock_filter> before) {
  std::vector<sock_filter> program{before.begin(), before.end()};
  program.push_back(BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 4));
  for (std::size_t i = 0; i < types.size(); ++i) {
    const auto hit = static_cast<std::uint8_t>(types.size() - i);
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(types[i]), hit, 0));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, 0));
  program.push_back(BPF_STMT(BPF_RET | BPF_K, 0xffffffffU));
  const sock_fprog attached{static_cast<unsigned short>(program.size()), program.data()};
  if (::setsockopt(fd(), SOL_SOCKET, SO_ATTACH_FILTER, &attached, sizeof attached) != 0)
    return system_error("attach a filter to a netlink socket", errno);
  return {};
}

Status Socket::send(ByteView messages) {
  for (;;) {
    const ssize_t sent = mnl_socket_sendto(socket_.get(), messages.data(), messages.size());
    if (sent >= 0) return {};
    if (errno != EINTR) return system_error("send to the kernel by netlink", errno);
  }
}

Result<Received> Socket::receive(Inbox& inbox) {
  inbox.datagrams_.clear();
  for (mmsghdr& header : inbox.headers_) header.msg_hdr.msg_namelen = sizeof(sockaddr_nl);
  int count = 0;
  do {
    count = ::recvmmsg(fd(), inbox.headers_.data(), static_cast<unsigned>(inbox.slots()),
                       MSG_DONTWAIT, nullptr);
  } while (count < 0 && errno == EINTR);
  if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return Received{};
  if (count < 0 && errno == ENOBUFS) return Received{.overrun = true, .more = true};
  if (count < 0) return system_error("receive by netlink", errno);

  Received received{.more = static_cast<std::size_t>(count) == inbox.slots()};
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    const msghdr& header = inbox.headers_[i].msg_hdr;
    const bool from_kernel =
        header.msg_namelen == sizeof(sockaddr_nl) && inbox.senders_[i].nl_pid == 0;
    if (!from_kernel) continue;
    if ((header.msg_flags & MSG_TRUNC) != 0) {
      received.overrun = true;
      continue;
    }
    inbox.datagrams_.emplace_back(static_cast<const std::byte*>(inbox.vectors_[i].iov_base),
                                  inbox.headers_[i].msg_len);
  }
  received.datagrams = inbox.datagrams_;
  return received;
}

Result<Received> Socket::wait(Inbox& inbox, std::chrono::milliseconds patience) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + patience;
  for (;;) {
    auto received = receive(inbox);
    if (!received || !received->datagrams.empty() || received->overrun) return received;
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) return received;
    pollfd readable{.fd = fd(), .events = POLLIN, .revents = 0};
    if (::poll(&readable, 1, static_cast<int>(left.count())) < 0 && errno != EINTR)
      return system_error("wait for netlink", errno);
  }
}

}  // namespace dove::netlink
