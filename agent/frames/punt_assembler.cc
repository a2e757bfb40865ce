#include <algorithm>
#include <utility>

#include "agent/frames/punt.h"

namespace dove::agent {
namespace {

// A datagram's fragments share source, destination and id; the destination is always the punt's.
std::uint64_t key_of(const OuterHeader& outer) noexcept {
  return std::uint64_t{outer.source.v4_host_order()} << 16U | outer.id;
}

}  // namespace

std::optional<PuntedFrame> PuntAssembler::add(std::vector<std::byte> packet, TimePoint now) {
  expire(now);
  const auto outer = parse_outer(packet);
  if (outer && !outer->is_whole()) return add_fragment(std::move(packet), *outer, now);

  const auto inner = outer ? parse_inner(packet, *outer) : std::nullopt;
  if (!inner) {
    ++counters_.malformed;
    return std::nullopt;
  }
  PuntedFrame frame{inner->destination, inner->source, {}, inner->ip};
  frame.packets.packets.push_back(std::move(packet));
  return frame;
}

std::optional<PuntedFrame> PuntAssembler::add_fragment(std::vector<std::byte> packet,
                                                       const OuterHeader& outer, TimePoint now) {
  make_room(0, packet.size());
  const auto datagram = find_or_make(outer, now);
  if (!take(*datagram, std::move(packet), outer)) {
    ++counters_.malformed;
    erase(datagram);
    return std::nullopt;
  }
  if (!datagram->inner || datagram->payload_bytes != datagram->covered_bytes) return std::nullopt;
  PuntedFrame frame{datagram->inner->destination, datagram->inner->source,
                    std::move(datagram->packets), datagram->inner->ip};
  bytes_ -= frame.packets.bytes();
  erase(datagram);
  return frame;
}

PuntAssembler::Datagrams::iterator PuntAssembler::find_or_make(const OuterHeader& outer,
                                                               TimePoint now) {
  const std::uint64_t key = key_of(outer);
  if (const auto found = by_key_.find(key); found != by_key_.end()) return found->second;
  make_room(1, 0);
  Datagram datagram;
  datagram.key = key;
  datagram.since = now;
  const auto made = datagrams_.insert(datagrams_.end(), std::move(datagram));
  by_key_.emplace(key, made);
  return made;
}

// False when it cannot be a fragment of this datagram: then none of it is trusted.
bool PuntAssembler::take(Datagram& datagram, std::vector<std::byte> packet,
                         const OuterHeader& outer) {
  const std::size_t begin = outer.fragment_offset;
  const std::size_t end = begin + outer.payload_bytes;
  const auto overlaps = [&](const auto& range) {
    return begin < range.second && range.first < end;
  };
  if (std::any_of(datagram.ranges.begin(), datagram.ranges.end(), overlaps)) return false;
  if (datagram.ranges.size() >= limits_.fragments_per_datagram) return false;

  if (begin == 0 && !(datagram.inner = parse_inner(packet, outer))) return false;
  if (!outer.more_fragments && std::exchange(datagram.payload_bytes, end)) return false;
  datagram.ranges.emplace_back(begin, end);
  datagram.covered_bytes += outer.payload_bytes;
  bytes_ += packet.size();
  datagram.packets.packets.push_back(std::move(packet));
  return std::all_of(datagram.ranges.begin(), datagram.ranges.end(), [&](const auto& range) {
    return !datagram.payload_bytes || range.second <= *datagram.payload_bytes;
  });
}

void PuntAssembler::expire(TimePoint now) {
  while (!datagrams_.empty() && datagrams_.front().since + limits_.wait <= now) {
    ++counters_.incomplete;
    erase(datagrams_.begin());
  }
}

void PuntAssembler::make_room(std::size_t datagrams, std::size_t bytes) {
  while (!datagrams_.empty() &&
         (datagrams_.size() + datagrams > limits_.datagrams || bytes_ + bytes > limits_.bytes)) {
    ++counters_.crowded;
    erase(datagrams_.begin());
  }
}

void PuntAssembler::erase(Datagrams::iterator datagram) {
  bytes_ -= datagram->packets.bytes();
  by_key_.erase(datagram->key);
  datagrams_.erase(datagram);
}

}  // namespace dove::agent
