// What a VXLAN device with l2miss/l3miss asks for, one notification a packet.
//
// The kernel's message is odd in two ways that stop here: its family is AF_INET even for a MAC
// miss, and its NDA_VNI is filler. So the kind of miss is read from which address is present, and
// only the device says which network it is about.
#pragma once

#include <cstddef>
#include <optional>
#include <variant>
#include <vector>

#include "core/ip_address.h"
#include "core/mac_address.h"
#include "core/vtep.h"
#include "netlink/socket.h"

namespace dove::netlink {

// No forwarding entry for this destination; the frame is gone.
struct MacMiss {
  IfIndex device{};
  MacAddress mac;
  friend bool operator==(const MacMiss&, const MacMiss&) = default;
};

// No neighbour entry for this address: an ARP request or neighbour solicitation that `proxy` ate,
// or a routed packet that followed the router's entry.
struct IpMiss {
  IfIndex device{};
  IpAddress ip;
  friend bool operator==(const IpMiss&, const IpMiss&) = default;
};

using Miss = std::variant<MacMiss, IpMiss>;

// Empty when the message is not a miss: another type, malformed, or addresses absent or both there.
std::optional<Miss> decode_miss(const Message& message) noexcept;

// Hears every miss of the network namespace it was opened in, and nothing else: other messages are
// dropped in the kernel.
class MissMonitor {
 public:
  static constexpr std::size_t kReceiveBuffer = 16U << 20U;
  static Result<MissMonitor> open(std::size_t receive_buffer = kReceiveBuffer);

  int fd() const noexcept { return socket_.fd(); }
  std::size_t receive_buffer() const noexcept { return socket_.receive_buffer(); }

  struct Drained {
    // Misses were lost. No harm but delay: each comes again with the guest's next packet.
    bool overrun = false;
    bool more = false;  // there may be more: drain again before going to sleep
  };
  // Appends what waits to `misses`, at most kAtOnce of them, in one system call.
  static constexpr std::size_t kAtOnce = 1024;
  Result<Drained> drain(std::vector<Miss>& misses);

 private:
  explicit MissMonitor(Socket socket);
  Socket socket_;
  Inbox inbox_;
};

}  // namespace dove::netlink
