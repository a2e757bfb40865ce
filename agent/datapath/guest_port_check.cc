#include <fmt/format.h>
#include <linux/if_bridge.h>

#include <algorithm>

#include "agent/datapath/difference_text.h"
#include "agent/datapath/guest_port.h"
#include "netlink/dump.h"
#include "netlink/sysctl.h"

namespace dove::agent {
namespace {

using netlink::FdbEntry;

// Collects what is wrong with one port.
class PortFaults {
 public:
  PortFaults(const std::string& device, std::vector<Difference>& out)
      : device_{device}, out_{out} {}

  void add(const std::string& what, const std::string& command) {
    out_.push_back({.what = fmt::format("port {} {}", device_, what), .command = command});
  }
  void settings(const netlink::Link& link, IfIndex bridge, std::uint32_t mtu) {
    if (link.master != bridge)
      add("is not on " + device_name(bridge),
          fmt::format("ip link set {} master {}", device_, device_name(bridge)));
    if (!link.up) add("is down", fmt::format("ip link set {} up", device_));
    // What is longer than the port it leaves by, a bridge loses without a word.
    if (link.mtu < mtu)
      add(fmt::format("mtu {} instead of {}", link.mtu, mtu),
          fmt::format("ip link set {} mtu {}", device_, mtu));
  }
  void flags(const netlink::Link& link, const netlink::BridgePortFlags& wanted) {
    const auto differs = link.port ? netlink::difference(*link.port, wanted) : std::string{};
    if (!differs.empty())
      add(differs, fmt::format("bridge link set dev {} {}", device_, flags_text(wanted)));
    if (link.blocked)
      add("does not forward",
          fmt::format("bridge link set dev {} state {}", device_, BR_STATE_FORWARDING));
  }
  void foreign_entry(const FdbEntry& entry) {
    add(fmt::format("lets {} in", entry.mac.to_string()),
        fmt::format("bridge fdb del {} dev {} master", entry.mac.to_string(), device_));
  }

 private:
  const std::string& device_;
  std::vector<Difference>& out_;
};

}  // namespace

Result<std::vector<FdbEntry>> GuestPorts::bridge_fdb(const OverlayLink& overlay) {
  return netlink::dump_bridge_fdb(query_, overlay.bridge);
}

std::vector<Difference> GuestPorts::differences(const GuestDevice& device,
                                                const OverlayLink& overlay, const Guests& guests,
                                                std::uint32_t mtu,
                                                const std::vector<FdbEntry>& bridge_fdb) {
  std::vector<Difference> out;
  const auto link = links_.find(device.index);
  if (!link || link->name != device.name) return out;
  PortFaults faults{device.name, out};
  faults.settings(*link, overlay.bridge, mtu);
  faults.flags(*link, port_flags(guests));
  auto missing = guests.macs;
  for (const auto& entry : bridge_fdb) {
    if (entry.device != device.index || entry.state != netlink::State::kNoArp) continue;
    std::erase(missing, entry.mac);
    if (std::find(guests.macs.begin(), guests.macs.end(), entry.mac) == guests.macs.end())
      faults.foreign_entry(entry);
  }
  for (const auto& mac : missing)
    faults.add(fmt::format("does not let {} in", mac.to_string()),
               fmt::format("bridge fdb replace {} dev {} master static sticky", mac.to_string(),
                           device.name));
  const auto ipv6 = netlink::read_sysctl(ipv6_setting(device.name));
  if (ipv6 && *ipv6 != "1" && !device.disable_ipv6.empty())
    faults.add("has IPv6 of the host's",
               fmt::format("sysctl -w net/{}=1", ipv6_setting(device.name)));
  return out;
}

Status GuestPorts::mend(const GuestDevice& device, const OverlayLink& overlay, const Guests& guests,
                        std::uint32_t mtu) {
  if (auto connected = connect(device, overlay, guests, mtu); !connected) return connected;
  if (const auto link = links_.find(device.index); link && link->blocked)
    if (auto status = links_.set_port_flags(device.index, {.state = BR_STATE_FORWARDING}); !status)
      return status;
  return drop_other_guests(device, overlay, guests.macs);
}

}  // namespace dove::agent
