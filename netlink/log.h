// Packets that nftables (`log group N`) or iptables (`NFLOG`) copies to user space.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "core/mac_address.h"
#include "core/vtep.h"
#include "netlink/socket.h"

namespace dove::netlink {

// The views are valid until the listener's next drain().
struct LoggedPacket {
  std::uint8_t family = 0;       // NFPROTO_BRIDGE, NFPROTO_IPV4, ...
  std::uint16_t ether_type = 0;  // host order
  // Where it came in. In the bridge family `port` is the bridge's port and `device` the bridge;
  // elsewhere `port` is empty unless the packet was bridged.
  std::optional<IfIndex> device;
  std::optional<IfIndex> port;
  std::optional<MacAddress> source;  // sender's hardware address
  std::uint32_t mark = 0;
  std::string_view prefix;  // of the rule
  ByteView link_header;     // the Ethernet header, where the kernel has it
  ByteView payload;         // from the network header on, up to the copy range
};

// Empty: another message, or malformed.
std::optional<LoggedPacket> decode_logged(const Message& message) noexcept;

struct LogOptions {
  std::uint16_t group = 0;
  std::uint32_t copy_range = 2048;  // bytes of the payload
  std::size_t receive_buffer = 16U << 20U;
};

// One listener a group and network namespace: a second is refused (kDenied). Every packet arrives
// at once (queue threshold 1).
class LogListener {
 public:
  static Result<LogListener> open(const LogOptions& options);

  int fd() const noexcept { return socket_.fd(); }

  struct Drained {
    bool overrun = false;  // packets were lost
    bool more = false;     // there may be more: drain again before going to sleep
  };
  // Replaces `packets` by what waits, at most kAtOnce of them, in one system call.
  static constexpr std::size_t kAtOnce = 256;
  Result<Drained> drain(std::vector<LoggedPacket>& packets);

 private:
  LogListener(Socket socket, std::size_t slot_bytes);
  Status bind(const LogOptions& options);
  Socket socket_;
  Inbox inbox_;
};

}  // namespace dove::netlink
