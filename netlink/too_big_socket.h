// Hears what routers say of this host's UDP packets over IPv6 that were too big for the way (ICMPv6
// Packet Too Big, RFC 4443 3.2). Anybody may send such a message: it is a hint.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/result.h"
#include "core/vtep.h"
#include "netlink/file_descriptor.h"
#include "netlink/message.h"

namespace dove::netlink {

struct TooBig {
  Vtep to;                // where the packet went
  std::uint32_t mtu = 0;  // that it did not fit into
  friend bool operator==(const TooBig&, const TooBig&) = default;
};

// A message, and behind it as much of the packet as fitted; of packets from `own` only.
std::optional<TooBig> parse_too_big(ByteView message, const IpAddress& own);

// Not thread-safe. Never blocks.
class TooBigSocket {
 public:
  // Of packets from this address of the host's.
  static Result<TooBigSocket> open(const IpAddress& own);
  int fd() const noexcept { return fd_.get(); }
  // Appends what has come, some at a time; whether there may be more.
  Result<bool> read(std::vector<TooBig>& out);

 private:
  TooBigSocket(FileDescriptor fd, const IpAddress& own) : fd_{std::move(fd)}, own_{own} {}
  FileDescriptor fd_;
  IpAddress own_;
};

}  // namespace dove::netlink
