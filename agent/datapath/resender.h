// Sends punted packets on, when it is known where to.
//
// A packet is sent as the kernel made it, but for the outer destination and what routing changes of
// the frame inside: its source port, and so
// its flow's path through the underlay, stays. In a storm of misses, runs of equal datagrams for
// one host go together, which costs a small part of it; such a run has one source port, and its
// packets go by one path.
//
// Belongs to the loop thread. Does not block.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "agent/action.h"
#include "agent/frames/punt.h"
#include "core/result.h"
#include "netlink/raw_socket.h"
#include "netlink/segment_socket.h"

namespace dove::agent {

class Resender {
 public:
  struct Counters {
    std::uint64_t sent = 0;
    std::uint64_t errors = 0;
  };
  // `source` is the host's own VTEP.
  static Result<Resender> open(const IpAddress& source);

  // Takes the packets. To each host they go in the order given.
  void send(std::span<Resend> resends);
  const Counters& counters() const noexcept { return counters_; }

 private:
  struct Item {
    std::vector<std::byte> packet;
    Vtep to;
    std::optional<PlainDatagram> plain;  // of `packet`, once it was looked at
  };
  using Items = std::span<Item>;

  Resender(netlink::RawSocket raw, netlink::SegmentSocket segments)
      : raw_{std::move(raw)}, segments_{std::move(segments)} {}
  void collect(std::span<Resend> resends);
  void send_in_runs();
  static std::size_t run_length(Items items);
  bool send_together(Items run);
  void put_off(Items items);
  void send_one_by_one();

  netlink::RawSocket raw_;
  netlink::SegmentSocket segments_;
  std::vector<Item> items_;
  std::vector<netlink::ByteView> one_by_one_;  // those put off
  Counters counters_;
};

}  // namespace dove::agent
