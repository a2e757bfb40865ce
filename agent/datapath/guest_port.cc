#include "agent/datapath/guest_port.h"

#include <fmt/format.h>
#include <linux/neighbour.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include "agent/datapath/punt_device.h"
#include "agent/datapath/ruleset.h"
#include "agent/frames/arp.h"
#include "agent/frames/nd.h"
#include "agent/memberships.h"
#include "netlink/dump.h"
#include "netlink/neighbour.h"
#include "netlink/sysctl.h"

namespace dove::agent {
namespace {

// Kinds of devices that lead somewhere else.
constexpr std::array<std::string_view, 6> kNoPorts{"bridge",  "vxlan",  "macvlan",
                                                   "macvtap", "ipvlan", "ipvtap"};

Error unfit(const std::string& device, std::string_view why,
            ErrorCode code = ErrorCode::kConflict) {
  return Error{code, fmt::format("{} cannot be a port: {}", device, why)};
}

}  // namespace

netlink::BridgePortFlags GuestPorts::port_flags(const Guests& guests) {
  return {.learning = !guests.secured,
          .flood = false,
          .multicast_flood = true,
          .broadcast_flood = true,
          .locked = guests.secured,
          .isolated = false,
          .neigh_suppress = false,
          .hairpin = false,
          .fast_leave = guests.secured && guests.one,
          .group_limit = Memberships::kPerPort};
}

std::string GuestPorts::ipv6_setting(const std::string& device) {
  return fmt::format("ipv6/conf/{}/disable_ipv6", device);
}

// The bridge's own entry for a guest's MAC at its port: `static sticky`, as bridge(8) calls it.
netlink::FdbEntry GuestPorts::guest_entry(IfIndex port, const MacAddress& guest) {
  return {.device = port,
          .mac = guest,
          .state = netlink::State::kNoArp,
          .flags = NTF_MASTER | NTF_STICKY};
}

Result<GuestPorts> GuestPorts::open(netlink::Links& links) {
  auto query = netlink::Query::open();
  if (!query) return query.error();
  auto batch = netlink::Batch::open();
  if (!batch) return batch.error();
  return GuestPorts{links, std::move(*query), std::move(*batch)};
}

Result<GuestDevice> GuestPorts::take(const std::string& name, const OverlayLink& overlay,
                                     const Underlay& underlay) {
  if (auto status = check_device_name(name); !status) return status.error();
  const auto link = links_.find(name);
  if (!link && link.error().code == ErrorCode::kNotFound)
    return unfit(name, "there is no such device", ErrorCode::kNotFound);
  if (!link) return link.error();
  if (auto status = check(*link, overlay, underlay); !status) return status.error();

  GuestDevice device{.name = name,
                     .index = link->index,
                     .was_ours = link->master == overlay.bridge,
                     .was_up = link->up,
                     .mtu = link->mtu,
                     .disable_ipv6 = {}};
  if (auto setting = netlink::read_sysctl(ipv6_setting(name))) device.disable_ipv6 = *setting;
  if (!device.was_ours)
    if (auto status = links_.change(device.index, {.up = false}); !status) return status.error();
  return device;
}

Status GuestPorts::check(const netlink::Link& link, const OverlayLink& overlay,
                         const Underlay& underlay) {
  if (!link.mac || link.mac->is_zero())
    return unfit(link.name, "it is not an Ethernet device", ErrorCode::kInvalid);
  if (network_of(link) || link.name == kPuntDevice)
    return unfit(link.name, "it is a device of dove's own", ErrorCode::kInvalid);
  if (std::find(kNoPorts.begin(), kNoPorts.end(), link.kind) != kNoPorts.end())
    return unfit(link.name, fmt::format("it is a {} device, which leads to no guest", link.kind),
                 ErrorCode::kInvalid);
  if (link.index == underlay.device)
    return unfit(link.name, "it carries the underlay (it has the VTEP's address)");
  if (link.master && *link.master != overlay.bridge) {
    const auto master = links_.find(*link.master);
    return unfit(link.name, fmt::format("it belongs to {}",
                                        master ? master->name : std::string{"another device"}));
  }
  return check_addresses(link);
}

// A device with an address of the host is the host's own way to somewhere.
Status GuestPorts::check_addresses(const netlink::Link& link) {
  const auto addresses = netlink::dump_addresses(query_);
  if (!addresses) return addresses.error();
  for (const auto& address : *addresses)
    if (address.device == link.index && !(address.ip.is_v6() && address.ip.is_link_local()))
      return unfit(link.name, fmt::format("it has the address {}, so it is the host's own",
                                          address.ip.to_string()));
  return {};
}

Status GuestPorts::connect(const GuestDevice& device, const OverlayLink& overlay,
                           const Guests& guests, std::uint32_t mtu) {
  // What the kernel brings to the guest may be as long as the underlay's MTU allows; somebody may
  // have given the device more.
  const auto link = links_.find(device.index);
  if (!link) return link.error();
  netlink::LinkSettings settings{.master = overlay.bridge,
                                 .mtu = std::max({mtu, device.mtu, link->mtu})};
  if (auto status = links_.change(device.index, settings); !status) return status;
  // Only now: a device whose MTU was too small for IPv6 had no such setting.
  if (!device.disable_ipv6.empty())
    if (auto status = netlink::write_sysctl(ipv6_setting(device.name), "1"); !status) return status;
  if (auto status = links_.set_port_flags(device.index, port_flags(guests)); !status) return status;
  if (auto status = set_guest_macs(device, overlay, guests.macs); !status) return status;
  return links_.change(device.index, {.up = true});
}

Status GuestPorts::set_guest_macs(const GuestDevice& device, const OverlayLink& overlay,
                                  const std::vector<MacAddress>& guests) {
  if (device.was_ours)  // perhaps other guests' before
    if (auto dropped = drop_other_guests(device, overlay, guests); !dropped) return dropped;
  return change_guests(device, guests, {});
}

Status GuestPorts::change_guests(const GuestDevice& device, const std::vector<MacAddress>& add,
                                 const std::vector<MacAddress>& remove) {
  for (const auto& mac : remove)
    netlink::add(batch_, netlink::Change::kDelete, guest_entry(device.index, mac));
  if (!remove.empty()) (void)batch_.commit();  // what has gone meanwhile is gone
  for (const auto& mac : add)
    netlink::add(batch_, netlink::Change::kReplace, guest_entry(device.index, mac));
  if (add.empty()) return {};
  return batch_.commit_all(fmt::format("let {} in at {}", add.front().to_string(), device.name));
}

Status GuestPorts::drop_other_guests(const GuestDevice& device, const OverlayLink& overlay,
                                     const std::vector<MacAddress>& guests) {
  const auto entries = bridge_fdb(overlay);
  if (!entries) return entries.error();
  for (const auto& entry : *entries)
    if (entry.device == device.index && entry.state == netlink::State::kNoArp &&
        std::find(guests.begin(), guests.end(), entry.mac) == guests.end())
      netlink::add(batch_, netlink::Change::kDelete, guest_entry(device.index, entry.mac));
  (void)batch_.commit();  // what has gone meanwhile is gone
  return {};
}

Status GuestPorts::give_back(const GuestDevice& device) {
  Status first = links_.change(device.index, {.up = false});
  const auto keep_first = [&first](Status status) {
    if (first && !status) first = std::move(status);
  };
  keep_first(links_.release(device.index));
  const std::string before = device.was_ours ? "0" : device.disable_ipv6;
  if (!device.disable_ipv6.empty())
    keep_first(netlink::write_sysctl(ipv6_setting(device.name), before));
  if (!device.was_ours)
    keep_first(links_.change(device.index, {.mtu = device.mtu, .up = device.was_up}));
  return first;
}

Result<Answerer> Answerer::open() {
  auto socket = netlink::PacketSocket::open();
  if (!socket) return socket.error();
  return Answerer{std::move(*socket)};
}

void Answerer::send(std::span<const AnswerQuery> answers) {
  std::vector<std::vector<std::byte>> frames;
  std::vector<netlink::OutgoingFrame> outgoing;
  frames.reserve(answers.size());
  for (const auto& [query, mac, router] : answers) {
    if (query.target.ip.is_v4()) {
      const auto frame = build_arp_reply(
          {query.asker, query.source.value_or(IpAddress::v4(0)), query.target.ip, mac});
      frames.emplace_back(frame.begin(), frame.end());
    } else {
      const auto frame =
          build_neighbour_advertisement({query.asker, query.source, query.target.ip, mac, router});
      frames.emplace_back(frame.begin(), frame.end());
    }
    outgoing.push_back({query.port, frames.back()});
  }
  if (outgoing.empty()) return;
  const auto outcome = socket_.send(outgoing);
  counters_.sent += outcome.sent;
  counters_.errors += outcome.failed;
}

void Answerer::deliver(std::span<const netlink::OutgoingFrame> frames, std::uint32_t mark) {
  const auto outcome = socket_.send(frames, mark);
  counters_.delivered += outcome.sent;
  counters_.delivery_errors += outcome.failed;
}

}  // namespace dove::agent
