// Sends IP packets that are already built, header and all: what a tunnel made, on to where it
// should go. They are routed by their own destination; the kernel fills in IPv4's total length and
// header checksum, and its source and ID only where they are zero.
#pragma once

#include <cstdint>
#include <span>

#include "core/result.h"
#include "netlink/file_descriptor.h"
#include "netlink/message.h"
#include "netlink/packet_socket.h"

namespace dove::netlink {

struct RawSocketOptions {
  std::uint32_t mark = 0;
};

// Not thread-safe. Never blocks.
class RawSocket {
 public:
  // `family` is AF_INET or AF_INET6.
  static Result<RawSocket> open(int family, const RawSocketOptions& options = {});

  // A packet that is not of the family, or too short for its header, fails as invalid_argument; one
  // longer than the route's MTU as message_size: these packets are not fragmented.
  Sent send(std::span<const ByteView> packets);

 private:
  RawSocket(FileDescriptor fd, int family) : fd_{std::move(fd)}, family_{family} {}
  FileDescriptor fd_;
  int family_;
};

}  // namespace dove::netlink
