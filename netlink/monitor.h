// What changes in the kernel: devices, and entries that go away.
//
// The cost of our own doing is kept out in the kernel: RTM_NEWNEIGH (our own installs come back one
// for one) and RTM_GETNEIGH (misses) do not reach the socket unless asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <variant>
#include <vector>

#include "netlink/bridge_group.h"
#include "netlink/link.h"
#include "netlink/neighbour.h"
#include "netlink/socket.h"

namespace dove::netlink {

// A device is there, new or changed (any change: up, MTU, master, name, alias, ...).
struct LinkChanged {
  Link link;
};
struct LinkGone {
  IfIndex index{};
  std::string name;
};
// The flags of a bridge's port were changed, or it just became one.
struct PortChanged {
  IfIndex index{};
  IfIndex bridge{};
  BridgePortFlags flags;
};
// An entry was made or changed; only with MonitorOptions::installs. Who made it is
// told of a neighbour alone.
struct FdbSet {
  FdbEntry entry;
};
struct NeighbourSet {
  NeighbourEntry entry;
};
// An entry left the kernel's tables. `aged`: the kernel's own doing, nothing used it (state STALE).
// Otherwise somebody deleted it, or its device went down. The kernel does not say who: our own
// deletions look like anybody's (nlmsg_pid and sequence are 0; tested). So a reader who still wants
// the entry asks with find_fdb() whether it is there before he believes that it is gone: he may
// have deleted and made it again since. An entry with a list of destinations is told once for each;
// kernels before 6.14 tell of a deletion on request once more, without a destination.
struct FdbGone {
  FdbEntry entry;
  bool aged = false;
};
struct NeighbourGone {
  NeighbourEntry entry;
};
// Somebody behind a bridge's port listens to a group from now on, or no longer. Both may repeat.
struct GroupJoined {
  BridgeGroup group;
};
struct GroupLeft {
  BridgeGroup group;
};
// Changes were lost: only dumps tell the truth now.
struct Overrun {};

using KernelChange = std::variant<LinkChanged, LinkGone, PortChanged, FdbSet, NeighbourSet, FdbGone,
                                  NeighbourGone, GroupJoined, GroupLeft, Overrun>;

// Which of the entries that come are told. kForeign: what we make in numbers is dropped in the
// kernel, that is dynamic FDB entries (whoever makes them) and neighbours by `own_port`; entries of
// bridges' tables too.
enum class Installs : std::uint8_t { kNone, kForeign, kAll };

struct MonitorOptions {
  std::size_t receive_buffer = 16U << 20U;
  bool links = true;
  bool entries = true;  // FDB and neighbour entries that go
  Installs installs = Installs::kNone;
  std::uint32_t own_port = 0;  // the netlink port by which neighbours are made here
  bool groups = false;         // that bridges hear joined and left
};

class ChangeMonitor {
 public:
  static Result<ChangeMonitor> open(const MonitorOptions& options = {});

  int fd() const noexcept { return socket_.fd(); }
  // Appends what waits to `changes`, at most one inbox of it. True: there may be more. An overrun
  // stands before what was read after it.
  Result<bool> drain(std::vector<KernelChange>& changes);

 private:
  explicit ChangeMonitor(Socket socket);
  Socket socket_;
  Inbox inbox_;
};

// One message's meaning; nothing when it has none here.
void decode_change(const Message& message, std::vector<KernelChange>& changes);

}  // namespace dove::netlink
