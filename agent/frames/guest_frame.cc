#include "agent/frames/guest_frame.h"

#include "agent/frames/arp.h"
#include "agent/frames/nd.h"

namespace dove::agent {
namespace {

// Where a frame was heard, and the events that come of it.
class Listener {
 public:
  Listener(IfIndex port, Vni vni) noexcept : port_{port}, vni_{vni} {}

  GuestEvents take() const noexcept { return events_; }

  void heard(const ArpFrame& arp) noexcept {
    if (!arp.ethernet_source.is_unicast() || arp.sender_mac != arp.ethernet_source) return;
    if (arp.operation == ArpFrame::Operation::kReply || arp.is_announcement())
      saw(arp.sender_ip, arp.sender_mac);
    else if (arp.is_probe() || arp.sender_ip.is_assignable())
      asked(arp.target_ip, arp.sender_mac,
            arp.is_probe() ? std::nullopt : std::optional{arp.sender_ip});
  }

  void heard(const NeighbourSolicitation& nd) noexcept {
    if (!speaks_for_itself(nd.ethernet_source, nd.source_link)) return;
    asked(nd.target, nd.ethernet_source, nd.source);
    if (!nd.source)
      saw(nd.target, nd.ethernet_source);
    else if (nd.source->is_link_local())
      saw(*nd.source, nd.ethernet_source);
  }

  void heard(const NeighbourAdvertisement& nd) noexcept {
    if (speaks_for_itself(nd.ethernet_source, nd.target_link)) saw(nd.target, nd.ethernet_source);
  }

  void heard(const Ipv6Sender& sender) noexcept {
    if (sender.ethernet_source.is_unicast() && sender.source.is_link_local())
      saw(sender.source, sender.ethernet_source);
  }

  void heard(std::monostate) noexcept {}

 private:
  static bool speaks_for_itself(const MacAddress& sender,
                                const std::optional<MacAddress>& link) noexcept {
    return sender.is_unicast() && (!link || *link == sender);
  }
  void saw(const IpAddress& ip, const MacAddress& mac) noexcept {
    if (ip.is_assignable()) events_.seen = AddressSeen{port_, {vni_, ip}, mac};
  }
  void asked(const IpAddress& target, const MacAddress& asker,
             const std::optional<IpAddress>& source) noexcept {
    if (target.is_assignable()) events_.query = AddressQuery{port_, {vni_, target}, asker, source};
  }

  IfIndex port_;
  Vni vni_;
  GuestEvents events_;
};

}  // namespace

GuestEvents read_guest_frame(std::span<const std::byte> frame, IfIndex port, Vni vni) noexcept {
  Listener listener{port, vni};
  if (const auto arp = parse_arp(frame))
    listener.heard(*arp);
  else
    std::visit([&](const auto& nd) { listener.heard(nd); }, parse_nd(frame));
  return listener.take();
}

}  // namespace dove::agent
