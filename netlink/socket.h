// A netlink socket: an open, bound file descriptor with its port id, on libmnl.
//
// Receiving never blocks and never tells less than happened: what the kernel had to drop is an
// overrun, a value beside the datagrams and not an error, because it will happen one day and the
// socket works on after it. Only datagrams sent by the kernel are given out.
//
// Not thread-safe; movable; the descriptor is closed with the object.
#pragma once

#include <libmnl/libmnl.h>
#include <sys/socket.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/result.h"
#include "netlink/message.h"

struct sock_filter;  // <linux/filter.h>

namespace dove::netlink {

// Where datagrams are received: a number of equal slots, filled by one system call. The views given
// out by a receive are valid until the next receive into the same inbox.
class Inbox {
 public:
  Inbox(std::size_t slots, std::size_t slot_bytes);
  Inbox(Inbox&&) = default;  // a copy would receive into the original
  Inbox& operator=(Inbox&&) = default;
  std::size_t slots() const noexcept { return headers_.size(); }

 private:
  friend class Socket;
  std::size_t slot_bytes_;
  std::vector<std::uint64_t> memory_;  // 64 bits: every slot is aligned for any header
  std::vector<mmsghdr> headers_;
  std::vector<iovec> vectors_;
  std::vector<sockaddr_nl> senders_;
  std::vector<ByteView> datagrams_;
};

struct Received {
  std::span<const ByteView> datagrams;  // from the kernel, whole; none means nothing waits
  // The kernel dropped messages before these could be read (ENOBUFS), or one was longer than a slot
  // and is lost. Everything the socket was to tell may be incomplete since the last receive.
  bool overrun = false;
  bool more = false;  // the inbox was filled: receive again before going to sleep
};

struct SocketOptions {
  // What the socket asks for; 0: the system's default. Beyond net.core.rmem_max only with
  // CAP_NET_ADMIN, else cut. receive_buffer() says what it got: twice that, for the kernel counts
  // its own overhead, 0.8 KiB and more a message.
  std::size_t receive_buffer = 0;
  std::vector<unsigned> groups;  // RTNLGRP_...; by number, so those beyond 31 work too
  bool strict = false;           // NETLINK_GET_STRICT_CHK: the kernel honours filters in dumps
};

class Socket {
 public:
  // `protocol` is NETLINK_ROUTE, NETLINK_NETFILTER, ... Extended acknowledgements are on.
  static Result<Socket> open(int protocol, const SocketOptions& options = {});

  int fd() const noexcept;                 // for an event loop; not to close
  std::uint32_t port_id() const noexcept;  // ours, from the kernel
  std::size_t receive_buffer() const noexcept { return buffer_; }  // bytes, as SO_RCVBUF has it

  // From now on only messages whose nlmsg_type is one of `types` reach the socket; the others are
  // dropped in the kernel and take no room (classic BPF). An ENOBUFS of before may still come.
  // `before` stands in front: what it does not decide falls through its end.
  Status accept_only(std::span<const std::uint16_t> types,
                     std::span<const sock_filter> before = {});
  Status set_option(int option, int value);  // SOL_NETLINK
  Status join(unsigned group);

  // Sequence numbers for requests: 1, 2, 3, ...; never 0, which is what notifications carry.
  std::uint32_t next_sequence() noexcept { return ++sequence_ == 0 ? ++sequence_ : sequence_; }
  // One datagram, of one message or several. The kernel carries out requests before this returns.
  Status send(ByteView messages);

  // What is there now, as many as the inbox has slots, in one system call.
  Result<Received> receive(Inbox& inbox);
  // As receive(), but waits up to `patience` until there is something to say. Neither datagram nor
  // overrun: the time is over.
  Result<Received> wait(Inbox& inbox, std::chrono::milliseconds patience);

 private:
  struct Close {
    void operator()(mnl_socket* socket) const noexcept { mnl_socket_close(socket); }
  };
  explicit Socket(mnl_socket* socket) noexcept : socket_{socket} {}
  std::unique_ptr<mnl_socket, Close> socket_;
  std::size_t buffer_ = 0;
  std::uint32_t sequence_ = 0;
};

}  // namespace dove::netlink
