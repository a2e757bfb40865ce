#include "agent/datapath/guest_log.h"

#include "agent/datapath/ruleset.h"

namespace dove::agent {

Result<GuestLog> GuestLog::open(std::uint16_t group) {
  auto listener = netlink::LogListener::open({.group = group, .copy_range = kLogBytes});
  if (!listener) return listener.error();
  return GuestLog{std::move(*listener)};
}

GuestEvents GuestLog::decode(const netlink::LoggedPacket& packet) {
  if (!packet.port || packet.link_header.empty()) return {};
  const auto port = ports_.find(*packet.port);
  if (port == ports_.end()) return {};
  frame_.assign(packet.link_header.begin(), packet.link_header.end());
  frame_.insert(frame_.end(), packet.payload.begin(), packet.payload.end());
  return read_guest_frame(frame_, port->first, port->second);
}

Result<bool> GuestLog::read(const std::function<void(const GuestEvents&)>& take) {
  const auto drained = listener_.drain(packets_);
  if (!drained) return drained.error();
  if (drained->overrun) ++counters_.overruns;
  for (const auto& packet : packets_) {
    ++counters_.frames;
    const auto events = decode(packet);
    if (events.query || events.seen)
      take(events);
    else
      ++counters_.meaningless;
  }
  return drained->more;
}

}  // namespace dove::agent
