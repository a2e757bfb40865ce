#include "agent/frames/guest_frame.h"

#include "agent/frames/arp.h"
#include "agent/frames/nd.h"

namespace dove::agent {
namespace {

// Where a frame was heard, and the events that come of it.
class Listener {
 public:
  Listener(std::span<const std::byte> frame, IfIndex port, Vni vni, GuestEvents& events) noexcept
      : frame_{frame}, port_{port}, vni_{vni}, events_{events} {}

  void heard(const ArpFrame& arp) noexcept {
    if (!arp.ethernet_source.is_unicast() || arp.sender_mac != arp.ethernet_source) return;
    const bool to_all = arp.ethernet_destination == MacAddress::broadcast();
    if (arp.operation == ArpFrame::Operation::kReply || arp.is_announcement()) {
      saw(arp.sender_ip, arp.sender_mac, to_all ? How::kAnnounced : How::kUsed);
    } else if (arp.is_probe()) {
      asked(arp.target_ip, arp.sender_mac, std::nullopt);
      saw(arp.target_ip, arp.sender_mac, How::kTentative);
    } else if (arp.sender_ip.is_assignable()) {
      return asked(arp.target_ip, arp.sender_mac, arp.sender_ip);
    }
    if (to_all) eaten();
  }

  void heard(const NeighbourSolicitation& nd) noexcept {
    if (!speaks_for_itself(nd.ethernet_source, nd.source_link)) return;
    asked(nd.target, nd.ethernet_source, nd.source);
    if (!nd.source) {
      saw(nd.target, nd.ethernet_source, How::kTentative);
      eaten();
    } else if (nd.source->is_link_local()) {
      saw(*nd.source, nd.ethernet_source, How::kUsed);
    }
  }

  void heard(const NeighbourAdvertisement& nd) noexcept {
    if (!speaks_for_itself(nd.ethernet_source, nd.target_link)) return;
    saw(nd.target, nd.ethernet_source, nd.solicited ? How::kUsed : How::kAnnounced, nd.router);
  }

  void heard(const Ipv6Sender& sender) noexcept {
    if (sender.ethernet_source.is_unicast() && sender.source.is_link_local())
      saw(sender.source, sender.ethernet_source, How::kUsed,
          sender.router ? std::optional{true} : std::nullopt);
  }

  void heard(std::monostate) noexcept {}

 private:
  using How = AddressSeen::How;

  static bool speaks_for_itself(const MacAddress& sender,
                                const std::optional<MacAddress>& link) noexcept {
    return sender.is_unicast() && (!link || *link == sender);
  }
  void saw(const IpAddress& ip, const MacAddress& mac, How how,
           std::optional<bool> router = {}) noexcept {
    if (ip.is_assignable()) events_.seen = AddressSeen{port_, {vni_, ip}, mac, how, router, {}};
  }
  // What is addressed to one guest alone is not for all of them.
  void eaten() noexcept {
    const bool to_group = (std::to_integer<unsigned>(frame_.front()) & 1U) != 0;
    if (events_.seen && to_group) events_.seen->eaten.assign(frame_.begin(), frame_.end());
  }
  void asked(const IpAddress& target, const MacAddress& asker,
             const std::optional<IpAddress>& source) noexcept {
    if (target.is_assignable()) events_.query = AddressQuery{port_, {vni_, target}, asker, source};
  }

  std::span<const std::byte> frame_;
  IfIndex port_;
  Vni vni_;
  GuestEvents& events_;
};

}  // namespace

GuestEvents read_guest_frame(std::span<const std::byte> frame, IfIndex port, Vni vni) noexcept {
  GuestEvents events;
  Listener listener{frame, port, vni, events};
  if (const auto arp = parse_arp(frame))
    listener.heard(*arp);
  else
    std::visit([&](const auto& nd) { listener.heard(nd); }, parse_nd(frame));
  return events;
}

}  // namespace dove::agent
