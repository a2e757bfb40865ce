// Sends UDP datagrams of one length to one address, many in one system call (UDP_SEGMENT, udp(7)):
// they pass through the host's stack as one packet and are divided where a device or a receiver
// wants them apart. All have the socket's own source port.
#pragma once

#include <cstdint>
#include <span>
#include <system_error>

#include "core/result.h"
#include "core/vtep.h"
#include "netlink/file_descriptor.h"
#include "netlink/message.h"

namespace dove::netlink {

struct Segments {
  Vtep to;
  std::uint8_t hop_limit = 64;         // IPv4's TTL
  std::uint8_t traffic_class = 0;      // IPv4's TOS
  std::span<const ByteView> payloads;  // of one length; only the last may be shorter
};

// Receives nothing. Not thread-safe; never blocks.
class SegmentSocket {
 public:
  // UDP_MAX_SEGMENTS of the oldest kernels that can (linux/udp.h), and the most that fits into one
  // IP packet, headers of every kind counted.
  static constexpr std::size_t kAtMost = 64;
  static constexpr std::size_t kBytesAtMost = 65535 - 128;

  // `source` need not be an address of this host yet; until it is, sends fail.
  static Result<SegmentSocket> open(const IpAddress& source);

  // All of them, or none: message_size or invalid_argument when a datagram does not fit into the
  // route's MTU, no_buffer_space when the queue is full.
  std::error_code send(const Segments& segments);

 private:
  explicit SegmentSocket(FileDescriptor fd) : fd_{std::move(fd)} {}
  FileDescriptor fd_;
};

}  // namespace dove::netlink
