#include "agent/datapath/guest_log.h"

#include "agent/datapath/learning_ruleset.h"
#include "agent/frames/sender.h"

namespace dove::agent {

Result<GuestLog> GuestLog::open(std::uint16_t group) {
  auto listener = netlink::LogListener::open({.group = group, .copy_range = kLogBytes});
  if (!listener) return listener.error();
  return GuestLog{std::move(*listener)};
}

GuestLog::Heard GuestLog::decode(const netlink::LoggedPacket& packet) {
  if (!packet.port || packet.link_header.empty()) return {};
  const auto port = ports_.find(*packet.port);
  if (port == ports_.end()) return {};
  frame_.assign(packet.link_header.begin(), packet.link_header.end());
  frame_.insert(frame_.end(), packet.payload.begin(), packet.payload.end());
  Heard heard;
  if (const auto sender = read_sender(frame_))
    heard.sender = GuestHeard{.port = port->first,
                              .guest = {port->second, sender->mac},
                              .ip = sender->ip,
                              .claimed = sender->claimed,
                              .tentative = sender->tentative};
  if (packet.prefix.substr(0, packet.prefix.find('\0')) != kUnknownPrefix)
    heard.events = read_guest_frame(frame_, port->first, port->second);
  else if (heard.sender && packet.payload.size() < kLogBytes)
    heard.sender->held = frame_;  // all of it
  return heard;
}

Result<bool> GuestLog::read(const std::function<void(const Heard&)>& take) {
  const auto drained = listener_.drain(packets_);
  if (!drained) return drained.error();
  if (drained->overrun) ++counters_.overruns;
  for (const auto& packet : packets_) {
    ++counters_.frames;
    const auto heard = decode(packet);
    const bool held = heard.sender && !heard.sender->held.empty();
    if (!heard.events.query && !heard.events.seen && !held) ++counters_.meaningless;
    if (heard.sender) take(heard);
  }
  return drained->more;
}

}  // namespace dove::agent
