// What comes out of the punt TUN: VXLAN as the kernel made it (RFC 7348), in outer IPv4, whole or
// in fragments, or in outer IPv6, always whole; and how it is sent on.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "agent/event.h"
#include "core/vtep.h"

namespace dove::agent {

// The outer header of one packet.
struct OuterHeader {
  IpAddress source;
  std::uint16_t id = 0;             // IPv4: of the datagram, among those of `source`
  std::size_t header_bytes = 0;     // of the IP header, options included
  std::size_t payload_bytes = 0;    // what follows it
  std::size_t fragment_offset = 0;  // of the payload in the datagram's
  bool more_fragments = false;

  bool is_whole() const noexcept { return fragment_offset == 0 && !more_fragments; }
};
// Empty when it is not a whole, valid packet with UDP inside.
std::optional<OuterHeader> parse_outer(std::span<const std::byte> packet) noexcept;

// Whose frame it is and where to. `packet` is a whole datagram or a first fragment; empty when
// there is no VXLAN header with a VNI and no inner Ethernet header in it.
struct InnerHeader {
  MacKey destination;
  MacAddress source;
  std::optional<IpAddress> ip;  // the destination of the IP packet inside, if there is one
};
std::optional<InnerHeader> parse_inner(std::span<const std::byte> packet,
                                       const OuterHeader& outer) noexcept;

// Makes packets into frames: a whole one at once, fragments when the last of their datagram has
// come, in order of arrival. Holds what is incomplete for a second, within bounds; the oldest goes
// first. Pure; not thread-safe.
class PuntAssembler {
 public:
  struct Limits {
    std::chrono::milliseconds wait{1000};
    std::size_t datagrams = 1024;
    std::size_t fragments_per_datagram = 64;
    std::size_t bytes = 4U << 20U;
  };
  struct Counters {
    std::uint64_t malformed = 0;   // packets
    std::uint64_t incomplete = 0;  // datagrams, given up after Limits::wait
    std::uint64_t crowded = 0;     // datagrams, given up for want of room
  };

  PuntAssembler() : PuntAssembler(Limits{}) {}
  explicit PuntAssembler(const Limits& limits) : limits_{limits} {}

  // The frame that `packet` is, or completes.
  std::optional<PuntedFrame> add(std::vector<std::byte> packet, TimePoint now);

  std::size_t held_datagrams() const noexcept { return datagrams_.size(); }
  std::size_t held_bytes() const noexcept { return bytes_; }
  const Counters& counters() const noexcept { return counters_; }

 private:
  struct Datagram {
    std::uint64_t key;
    TimePoint since;
    std::optional<InnerHeader> inner;          // once the first fragment is there
    std::optional<std::size_t> payload_bytes;  // once the last one is
    std::size_t covered_bytes = 0;
    std::vector<std::pair<std::size_t, std::size_t>> ranges;  // [offset, end) of each
    PuntedPackets packets;
  };
  using Datagrams = std::list<Datagram>;  // oldest first

  std::optional<PuntedFrame> add_fragment(std::vector<std::byte> packet, const OuterHeader& outer,
                                          TimePoint now);
  Datagrams::iterator find_or_make(const OuterHeader& outer, TimePoint now);
  bool take(Datagram& datagram, std::vector<std::byte> packet, const OuterHeader& outer);
  void expire(TimePoint now);
  void make_room(std::size_t datagrams, std::size_t bytes);
  void erase(Datagrams::iterator datagram);

  Limits limits_;
  Counters counters_;
  Datagrams datagrams_;
  std::unordered_map<std::uint64_t, Datagrams::iterator> by_key_;
  std::size_t bytes_ = 0;
};

// What a UDP socket could have sent as well: a whole datagram in a header without options, that may
// be fragmented on its way. Empty for any other.
struct PlainDatagram {
  std::uint8_t hop_limit;
  std::uint8_t traffic_class;
  std::span<const std::byte> payload;  // UDP's, within the packet
};
std::optional<PlainDatagram> parse_plain(std::span<const std::byte> packet) noexcept;

// Sends one packet of a frame elsewhere, in place: the outer destination address, in a first
// fragment also the UDP port, and the checksums over them (UDP's only where there is one). False,
// and the packet is unchanged, when it is not what parse_outer() takes or `vtep` is of another
// family.
bool set_outer_destination(std::span<std::byte> packet, const Vtep& vtep) noexcept;

}  // namespace dove::agent
