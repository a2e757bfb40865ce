#include "agent/datapath/punt.h"

#include <sys/socket.h>

#include "agent/frames/outer_ipv6.h"

namespace dove::agent {

PuntReader::PuntReader(netlink::Tun& tun, int family, std::uint32_t mtu)
    : tun_{tun}, family_{family}, buffer_(mtu) {}

bool PuntReader::is_ours(std::span<const std::byte> packet) const noexcept {
  return family_ == AF_INET ? std::to_integer<unsigned>(packet[0]) >> 4U == 4U
                            : is_ipv6_udp(packet);
}

Result<bool> PuntReader::read(TimePoint now, const std::function<void(PuntedFrame&&)>& take) {
  for (std::size_t i = 0; i < kPerTurn; ++i) {
    const auto length = tun_.read(buffer_);
    if (!length) return length.error();
    if (!*length) return false;
    const auto packet = std::span{buffer_}.first(**length);
    ++counters_.packets;
    if (packet.empty() || !is_ours(packet)) {
      ++counters_.ignored;
      continue;
    }
    if (auto frame = assembler_.add({packet.begin(), packet.end()}, now)) take(std::move(*frame));
  }
  return true;
}

PuntReader::Counters PuntReader::counters() const noexcept {
  Counters counters = counters_;
  counters.malformed = assembler_.counters().malformed;
  counters.given_up = assembler_.counters().incomplete + assembler_.counters().crowded;
  return counters;
}

}  // namespace dove::agent
