// Sends Ethernet frames out of devices, and hears nothing (AF_PACKET, protocol 0): a guest's port
// is written to as if the frame came from its bridge.
#pragma once

#include <cstddef>
#include <span>
#include <system_error>

#include "core/result.h"
#include "core/vtep.h"
#include "netlink/file_descriptor.h"
#include "netlink/message.h"

namespace dove::netlink {

// What became of many sends. Those that failed are skipped, the others are sent.
struct Sent {
  std::size_t sent = 0;
  std::size_t failed = 0;
  std::error_code first_error;
};

struct OutgoingFrame {
  IfIndex device{};
  ByteView frame;  // from the destination MAC on, without FCS
};

// Not thread-safe. Never blocks: a full queue is a failed send (no_buffer_space).
class PacketSocket {
 public:
  static Result<PacketSocket> open();
  // With this packet mark. Needs CAP_NET_ADMIN for another than 0: else all fail.
  Sent send(std::span<const OutgoingFrame> frames, std::uint32_t mark = 0);

 private:
  explicit PacketSocket(FileDescriptor fd) : fd_{std::move(fd)} {}
  FileDescriptor fd_;
  std::uint32_t mark_ = 0;
};

}  // namespace dove::netlink
