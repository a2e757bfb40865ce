// Reads what the kernel did not know where to send.
//
// Belongs to the loop thread. Does not block.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "agent/event.h"
#include "agent/frames/punt.h"
#include "core/result.h"
#include "netlink/tun.h"

namespace dove::agent {

class PuntReader {
 public:
  // Packets read in one turn of the loop: enough to be fast, too few to starve the rest of it.
  static constexpr std::size_t kPerTurn = 128;
  struct Counters {
    std::uint64_t packets = 0;
    std::uint64_t malformed = 0;
    std::uint64_t given_up = 0;  // datagrams that were not complete in time, or had no room
    std::uint64_t ignored = 0;   // of the other IP version, the TUN's own chatter
  };

  // `tun` must outlive it; `mtu` is its MTU, `family` of the fabric.
  PuntReader(netlink::Tun& tun, int family, std::uint32_t mtu);

  // Gives every frame that is complete to `take`. True: there may be more; call again at the next
  // turn. An error is of the device, not of a packet.
  Result<bool> read(TimePoint now, const std::function<void(PuntedFrame&&)>& take);
  // Before a longer one is the device's. Packets of the one before may still wait.
  void set_mtu(std::uint32_t mtu) { buffer_.resize(std::max<std::size_t>(mtu, buffer_.size())); }

  Counters counters() const noexcept;

 private:
  bool is_ours(std::span<const std::byte> packet) const noexcept;

  netlink::Tun& tun_;
  int family_;
  PuntAssembler assembler_;
  std::vector<std::byte> buffer_;
  Counters counters_;
};

}  // namespace dove::agent
