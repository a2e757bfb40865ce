// Makes a device of the host the port of a guest, and gives it back.
//
// A port hears and says nothing before it is right: it is down until its walls stand, it is on its
// bridge, and unknown frames do not leave by it. With port security only its guest's MAC may enter
// (`locked`, where the kernel has it); without, the bridge learns who is behind it, but nothing can
// draw the MAC of another port's guest there (`sticky`). The device's own IPv6 is off, so that the
// host has no address on the guest's wire.
//
// Belongs to the loop thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "agent/action.h"
#include "agent/datapath/overlay_devices.h"
#include "agent/datapath/underlay.h"
#include "agent/difference.h"
#include "core/result.h"
#include "netlink/batch.h"
#include "netlink/link.h"
#include "netlink/neighbour.h"
#include "netlink/packet_socket.h"
#include "netlink/query.h"

namespace dove::agent {

// A device on its way to be a port, or being one, and what it was before.
struct GuestDevice {
  std::string name;
  IfIndex index{};
  bool was_ours = false;  // it was on its bridge already: taken over, not made
  bool was_up = false;
  std::uint32_t mtu = 0;
  std::string disable_ipv6;  // the setting; empty where the kernel has none
};

class GuestPorts {
 public:
  static Result<GuestPorts> open(netlink::Links& links);

  // Checks that the device can be the port of a guest on that bridge, and takes it down unless it
  // is on the bridge already. The error names the device and why not: it does not exist, is no
  // Ethernet device, is ours, carries the underlay, is a port of another bridge, or has an address
  // of the host.
  Result<GuestDevice> take(const std::string& name, const OverlayLink& overlay,
                           const Underlay& underlay);
  // Precondition: its walls stand. The port is up when this succeeds; otherwise as take() left it.
  struct Guests {
    std::vector<MacAddress> macs;
    bool secured = true;  // only these
    bool one = true;      // there are no others behind it
  };
  Status connect(const GuestDevice& device, const OverlayLink& overlay, const Guests& guests,
                 std::uint32_t mtu);
  // Of a port that is connected.
  Status change_guests(const GuestDevice& device, const std::vector<MacAddress>& add,
                       const std::vector<MacAddress>& remove);
  // What of a connected device is not as connect() made it. None when it has gone. `bridge_fdb` is
  // the bridge's table.
  std::vector<Difference> differences(const GuestDevice& device, const OverlayLink& overlay,
                                      const Guests& guests, std::uint32_t mtu,
                                      const std::vector<netlink::FdbEntry>& bridge_fdb);
  Result<std::vector<netlink::FdbEntry>> bridge_fdb(const OverlayLink& overlay);
  // As connect(), and no other guest's entry stays at its port.
  Status mend(const GuestDevice& device, const OverlayLink& overlay, const Guests& guests,
              std::uint32_t mtu);
  // As it was before take(). One that was taken over stays down: what it was before, nobody knows.
  Status give_back(const GuestDevice& device);

 private:
  GuestPorts(netlink::Links& links, netlink::Query query, netlink::Batch batch)
      : links_{links}, query_{std::move(query)}, batch_{std::move(batch)} {}
  Status check(const netlink::Link& link, const OverlayLink& overlay, const Underlay& underlay);
  Status check_addresses(const netlink::Link& link);
  Status set_guest_macs(const GuestDevice& device, const OverlayLink& overlay,
                        const std::vector<MacAddress>& guests);
  Status drop_other_guests(const GuestDevice& device, const OverlayLink& overlay,
                           const std::vector<MacAddress>& guests);

  static netlink::BridgePortFlags port_flags(const Guests& guests);
  static std::string ipv6_setting(const std::string& device);
  static netlink::FdbEntry guest_entry(IfIndex port, const MacAddress& guest);

  netlink::Links& links_;
  netlink::Query query_;
  netlink::Batch batch_;
};

// Says to a guest, out of its own port, what it asked: as if the owner of the address had.
class Answerer {
 public:
  struct Counters {
    std::uint64_t sent = 0;
    std::uint64_t errors = 0;
    std::uint64_t delivered = 0;
    std::uint64_t delivery_errors = 0;
  };
  static Result<Answerer> open();
  void send(std::span<const AnswerQuery> answers);
  // Frames of others, out of guests' ports; with the mark of their sender's port, if any.
  void deliver(std::span<const netlink::OutgoingFrame> frames, std::uint32_t mark = 0);
  const Counters& counters() const noexcept { return counters_; }

 private:
  explicit Answerer(netlink::PacketSocket socket) : socket_{std::move(socket)} {}
  netlink::PacketSocket socket_;
  Counters counters_;
};

}  // namespace dove::agent
