#include "agent/datapath/difference_text.h"

#include <fmt/format.h>
#include <net/if.h>

#include <array>

namespace dove::agent {

std::string device_name(IfIndex device) {
  std::array<char, IF_NAMESIZE> name{};
  if (::if_indextoname(static_cast<unsigned>(device), name.data()) != nullptr) return name.data();
  return fmt::format("{}", static_cast<int>(device));
}

namespace {

using netlink::BridgePortFlags;
using netlink::FdbEntry;
using netlink::NeighbourEntry;
using netlink::State;

std::string fdb_state(State state) {
  switch (state) {
    case State::kReachable:
      return "dynamic";
    case State::kPermanent:
      return "permanent";
    case State::kStatic:
    case State::kNoArp:
      return "static";
    default:
      return fmt::format("state {:#x}", static_cast<unsigned>(state));
  }
}

std::string neighbour_state(State state) {
  switch (state) {
    case State::kReachable:
      return "reachable";
    case State::kPermanent:
      return "permanent";
    case State::kNoArp:
      return "noarp";
    case State::kStale:
      return "stale";
    case State::kFailed:
      return "failed";
    default:
      return fmt::format("{:#x}", static_cast<unsigned>(state));
  }
}

// Where it leads: "dst 192.0.2.2 vni 20 via dvpunt".
std::string place(const FdbEntry& entry) {
  std::string text =
      "dst " + (entry.destination ? entry.destination->to_string() : std::string{"0.0.0.0"});
  if (entry.port != 0) text += fmt::format(" port {}", entry.port);
  if (entry.vni) text += " vni " + entry.vni->to_string();
  if (entry.via) text += " via " + device_name(*entry.via);
  return text;
}

struct Text {
  std::string subject;  // "fdb 02:00:00:00:00:01"
  std::string value;    // "dst 192.0.2.2 dynamic"
  std::string put;      // the command that makes it
  std::string remove;
};

Text text_of(const FdbEntry& entry) {
  const auto mac = entry.mac.to_string();
  const bool list = !entry.mac.is_unicast();
  const auto dev = device_name(entry.device);
  const auto value = fmt::format("{} {}{}", place(entry), fdb_state(entry.state),
                                 (entry.flags & NTF_ROUTER) != 0 ? " router" : "");
  const auto what = list ? fmt::format(" {}", place(entry)) : std::string{};
  return {
      "fdb " + mac, value,
      fmt::format("bridge fdb {} {} dev {} {} self", list ? "append" : "replace", mac, dev, value),
      fmt::format("bridge fdb del {} dev {}{} self", mac, dev, what)};
}

Text text_of(const NeighbourEntry& entry) {
  const auto ip = entry.ip.to_string();
  const auto dev = device_name(entry.device);
  const auto lladdr = fmt::format("lladdr {}", entry.mac.to_string());
  return {"neighbour " + ip, fmt::format("{} {}", lladdr, neighbour_state(entry.state)),
          fmt::format("ip neigh replace {} {} dev {} nud permanent", ip, lladdr, dev),
          fmt::format("ip neigh del {} dev {}", ip, dev)};
}

Text text_of(const TableRow& row) {
  return std::visit([](const auto& one) { return text_of(one); }, row);
}

void add_flag(std::string& text, const char* name, const std::optional<bool>& on) {
  if (on) text += fmt::format("{}{} {}", text.empty() ? "" : " ", name, *on ? "on" : "off");
}

}  // namespace

Difference describe(Vni vni, const TableDifference& difference) {
  const auto& [should, is] = difference;
  Difference told{.vni = vni};
  if (!should) {
    const auto text = text_of(*is);
    told.what = fmt::format("{} {} is not dove's", text.subject, text.value);
    told.command = text.remove;
  } else if (!is) {
    const auto text = text_of(*should);
    told.what = fmt::format("{} {} is missing", text.subject, text.value);
    told.command = text.put;
  } else {
    const auto text = text_of(*should);
    told.what = fmt::format("{} {} instead of {}", text.subject, text_of(*is).value, text.value);
    told.command = text.put;
  }
  return told;
}

std::string flags_text(const BridgePortFlags& flags) {
  std::string text;
  add_flag(text, "learning", flags.learning);
  add_flag(text, "flood", flags.flood);
  add_flag(text, "mcast_flood", flags.multicast_flood);
  add_flag(text, "bcast_flood", flags.broadcast_flood);
  add_flag(text, "locked", flags.locked);
  add_flag(text, "isolated", flags.isolated);
  add_flag(text, "neigh_suppress", flags.neigh_suppress);
  add_flag(text, "hairpin", flags.hairpin);
  add_flag(text, "guard", flags.guard);
  add_flag(text, "fastleave", flags.fast_leave);
  if (flags.multicast_router) text += fmt::format(" mcast_router {}", *flags.multicast_router);
  return text;
}

}  // namespace dove::agent
