#include "netlink/monitor.h"

#include <linux/filter.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>

#include "netlink/bridge_message.h"

namespace dove::netlink {
namespace {

// RTM_NEWLINK of family AF_BRIDGE: a port, its bridge and, in IFLA_PROTINFO, its flags.
std::optional<PortChanged> decode_port(const Message& message) {
  const auto header = message.family<ifinfomsg>();
  if (message.type() != RTM_NEWLINK || !header || header->ifi_family != AF_BRIDGE)
    return std::nullopt;
  const auto table = Attributes<IFLA_PROTINFO>::of<ifinfomsg>(message);
  if (!table) return std::nullopt;
  const auto flags = table->nested<IFLA_BRPORT_MAX>(IFLA_PROTINFO);
  const auto bridge = table->number<int>(IFLA_MASTER);
  if (!flags || !bridge) return std::nullopt;
  return PortChanged{.index = IfIndex{header->ifi_index},
                     .bridge = IfIndex{*bridge},
                     .flags = read_port_flags(*flags)};
}

void decode_link_change(const Message& message, std::vector<KernelChange>& changes) {
  if (auto port = decode_port(message)) changes.emplace_back(*port);
  auto link = decode_link(message);
  if (!link) return;
  if (message.type() == RTM_NEWLINK)
    changes.emplace_back(LinkChanged{*std::move(link)});
  else
    changes.emplace_back(LinkGone{.index = link->index, .name = std::move(link->name)});
}

void decode_entry_change(const Message& message, std::vector<KernelChange>& changes) {
  const bool gone = message.type() == RTM_DELNEIGH;
  if (const auto fdb = decode_fdb(message)) {
    if (gone)
      changes.emplace_back(FdbGone{.entry = *fdb, .aged = fdb->state == State::kStale});
    else
      changes.emplace_back(FdbSet{*fdb});
  }
  if (const auto neighbour = decode_neighbour(message)) {
    if (gone)
      changes.emplace_back(NeighbourGone{*neighbour});
    else
      changes.emplace_back(NeighbourSet{*neighbour});
  }
}

void decode_group_change(const Message& message, std::vector<KernelChange>& changes) {
  std::vector<BridgeGroup> groups;
  decode_groups(message, groups);
  for (const auto& group : groups) {
    if (message.type() == RTM_NEWMDB)
      changes.emplace_back(GroupJoined{group});
    else
      changes.emplace_back(GroupLeft{group});
  }
}

std::vector<std::uint16_t> wanted_types(const MonitorOptions& options) {
  std::vector<std::uint16_t> types;
  if (options.links) types.insert(types.end(), {RTM_NEWLINK, RTM_DELLINK});
  if (options.entries) types.push_back(RTM_DELNEIGH);
  if (options.installs == Installs::kAll) types.push_back(RTM_NEWNEIGH);
  if (options.groups) types.insert(types.end(), {RTM_NEWMDB, RTM_DELMDB});
  return types;
}

// Decides about RTM_NEWNEIGH and falls through for everything else. The ndmsg stands behind the
// header of 16 bytes: family at 16, state at 24, flags at 26.
std::vector<sock_filter> foreign_installs(std::uint32_t own_port) {
  constexpr auto load = [](int size, std::uint32_t at) {
    return sock_filter BPF_STMT(static_cast<std::uint16_t>(BPF_LD | size | BPF_ABS), at);
  };
  constexpr auto jump = [](int test, std::uint32_t value, std::uint8_t yes, std::uint8_t no) {
    return sock_filter BPF_JUMP(static_cast<std::uint16_t>(BPF_JMP | test | BPF_K), value, yes, no);
  };
  return {
      load(BPF_H, 4),
      jump(BPF_JEQ, htons(RTM_NEWNEIGH), 0, 10),
      load(BPF_B, 16),
      jump(BPF_JEQ, AF_BRIDGE, 2, 0),
      load(BPF_W, 12),
      jump(BPF_JEQ, htonl(own_port), 5, 4),
      load(BPF_B, 26),
      jump(BPF_JSET, NTF_SELF, 0, 3),
      load(BPF_H, 24),
      jump(BPF_JEQ, htons(NUD_REACHABLE), 1, 0),
      BPF_STMT(BPF_RET | BPF_K, 0xffffffffU),
      BPF_STMT(BPF_RET | BPF_K, 0),
  };
}

}  // namespace

void decode_change(const Message& message, std::vector<KernelChange>& changes) {
  switch (message.type()) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
      return decode_link_change(message, changes);
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH:
      return decode_entry_change(message, changes);
    case RTM_NEWMDB:
    case RTM_DELMDB:
      return decode_group_change(message, changes);
    default:
      return;
  }
}

Result<ChangeMonitor> ChangeMonitor::open(const MonitorOptions& options) {
  auto socket = Socket::open(NETLINK_ROUTE, {.receive_buffer = options.receive_buffer});
  if (!socket) return socket.error();
  // The filter first, the groups second: so nothing else is ever in the buffer.
  const auto types = wanted_types(options);
  const auto filtered = options.installs == Installs::kForeign
                            ? socket->accept_only(types, foreign_installs(options.own_port))
                            : socket->accept_only(types);
  if (!filtered) return filtered.error();
  if (options.links)
    if (auto joined = socket->join(RTNLGRP_LINK); !joined) return joined.error();
  if (options.entries || options.installs != Installs::kNone)
    if (auto joined = socket->join(RTNLGRP_NEIGH); !joined) return joined.error();
  if (options.groups)
    if (auto joined = socket->join(RTNLGRP_MDB); !joined) return joined.error();
  return ChangeMonitor{std::move(*socket)};
}

// A device's message has some 2 KiB, one with many addresses or virtual functions more.
ChangeMonitor::ChangeMonitor(Socket socket) : socket_{std::move(socket)}, inbox_{64, 16U << 10U} {}

Result<bool> ChangeMonitor::drain(std::vector<KernelChange>& changes) {
  const auto received = socket_.receive(inbox_);
  if (!received) return received.error();
  if (received->overrun) changes.emplace_back(Overrun{});
  for (ByteView rest : received->datagrams)
    while (const auto message = Message::next(rest)) decode_change(*message, changes);
  return received->more;
}

}  // namespace dove::netlink
