// Sends UDP datagrams, each to an address of its own, and hears nothing.
#pragma once

#include <span>

#include "core/result.h"
#include "core/vtep.h"
#include "netlink/file_descriptor.h"
#include "netlink/message.h"
#include "netlink/packet_socket.h"

namespace dove::netlink {

struct OutgoingDatagram {
  Vtep to;
  ByteView bytes;
};

// Not thread-safe. Never blocks: a full queue is a failed send (no_buffer_space).
class DatagramSocket {
 public:
  // From this address of the host, and a port that the kernel chooses. What is sent has to be to
  // addresses of the same family; another fails as invalid_argument.
  static Result<DatagramSocket> open(const IpAddress& from);
  Sent send(std::span<const OutgoingDatagram> datagrams);

 private:
  DatagramSocket(FileDescriptor fd, int family) : fd_{std::move(fd)}, family_{family} {}
  FileDescriptor fd_;
  int family_;
};

}  // namespace dove::netlink
