#include "netlink/neighbour.h"

#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>

namespace dove::netlink {
namespace {

struct Verb {
  std::uint16_t type;
  std::uint16_t flags;
};

Verb verb(Change change) {
  switch (change) {
    case Change::kCreate:
      return {RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_EXCL};
    case Change::kReplace:
      return {RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE};
    case Change::kAppend:
      return {RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_APPEND};
    case Change::kDelete:
      break;
  }
  return {RTM_DELNEIGH, 0};
}

ndmsg header(int family, IfIndex device, State state, std::uint8_t flags) {
  ndmsg message{};
  message.ndm_family = static_cast<std::uint8_t>(family);
  message.ndm_ifindex = static_cast<int>(device);
  message.ndm_state = static_cast<std::uint16_t>(state);
  message.ndm_flags = flags;
  return message;
}

bool is_neighbour_message(const Message& message) noexcept {
  return message.type() == RTM_NEWNEIGH || message.type() == RTM_DELNEIGH ||
         message.type() == RTM_GETNEIGH;
}

using NeighbourAttributes = Attributes<NDA_MAX>;

}  // namespace

void put(Builder& builder, const FdbEntry& entry) {
  builder.family(header(AF_BRIDGE, entry.device, entry.state, entry.flags))
      .put(NDA_LLADDR, entry.mac.wire());
  if (entry.destination) builder.put(NDA_DST, entry.destination->wire());
  if (entry.port != 0) builder.put_number(NDA_PORT, htons(entry.port));
  if (entry.vni) builder.put_number(NDA_VNI, entry.vni->value());
  if (entry.via) builder.put_number(NDA_IFINDEX, *entry.via);
}

void put(Builder& builder, const NeighbourEntry& entry) {
  builder.family(header(entry.ip.family(), entry.device, entry.state, entry.flags))
      .put(NDA_DST, entry.ip.wire())
      .put(NDA_LLADDR, entry.mac.wire());
}

void add(Batch& batch, Change change, const FdbEntry& entry) {
  const Verb how = verb(change);
  put(batch.begin(how.type, how.flags), entry);
}

void add(Batch& batch, Change change, const NeighbourEntry& entry) {
  const Verb how = verb(change);
  put(batch.begin(how.type, how.flags), entry);
}

std::optional<FdbEntry> decode_fdb(const Message& message) noexcept {
  if (!is_neighbour_message(message)) return std::nullopt;
  const auto family = message.family<ndmsg>();
  if (!family || family->ndm_family != AF_BRIDGE) return std::nullopt;
  const auto attributes = NeighbourAttributes::of<ndmsg>(message);
  if (!attributes) return std::nullopt;
  const auto mac = MacAddress::from_wire((*attributes)[NDA_LLADDR]);
  if (!mac) return std::nullopt;

  FdbEntry entry{.device = IfIndex{family->ndm_ifindex},
                 .mac = *mac,
                 .destination = IpAddress::from_wire((*attributes)[NDA_DST]),
                 .state = State{family->ndm_state},
                 .flags = family->ndm_flags};
  if (const auto vni = attributes->number<std::uint32_t>(NDA_VNI)) entry.vni = Vni::from(*vni);
  entry.port = ntohs(attributes->number<std::uint16_t>(NDA_PORT).value_or(0));
  if (const auto via = attributes->number<int>(NDA_IFINDEX)) entry.via = IfIndex{*via};
  return entry;
}

std::optional<NeighbourEntry> decode_neighbour(const Message& message) noexcept {
  if (!is_neighbour_message(message)) return std::nullopt;
  const auto family = message.family<ndmsg>();
  if (!family || (family->ndm_family != AF_INET && family->ndm_family != AF_INET6))
    return std::nullopt;
  const auto attributes = NeighbourAttributes::of<ndmsg>(message);
  if (!attributes) return std::nullopt;
  const auto ip = IpAddress::from_wire((*attributes)[NDA_DST]);
  if (!ip || ip->family() != family->ndm_family) return std::nullopt;
  return NeighbourEntry{
      .device = IfIndex{family->ndm_ifindex},
      .ip = *ip,
      .mac = MacAddress::from_wire((*attributes)[NDA_LLADDR]).value_or(MacAddress{}),
      .state = State{family->ndm_state},
      .flags = family->ndm_flags};
}

std::string FdbEntry::to_string() const {
  auto text = fmt::format("{} dev {}", mac.to_string(), static_cast<int>(device));
  if (destination) text += fmt::format(" dst {}", destination->to_string());
  if (port != 0) text += fmt::format(" port {}", port);
  if (vni) text += fmt::format(" vni {}", vni->value());
  if (via) text += fmt::format(" via {}", static_cast<int>(*via));
  return text;
}

std::string NeighbourEntry::to_string() const {
  return fmt::format("{} dev {} lladdr {}", ip.to_string(), static_cast<int>(device),
                     mac.to_string());
}

}  // namespace dove::netlink
