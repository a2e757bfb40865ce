// What the agent decides to do: the outputs of the resolver, collected over one turn of the loop
// and carried out in this order: kernel changes (one batch, acknowledged), then replies and
// resends. Words to the controller depend on nothing and may go before everything else; among
// themselves the forgets of a turn go before its asks, so that a key forgotten and wanted again is
// asked for in the end.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "agent/event.h"
#include "core/binding.h"
#include "core/key.h"
#include "core/vtep.h"

namespace dove::agent {

// Changes of forwarding state, by network; the programmer knows the devices.

// Unicast MAC -> remote host. Ages in the kernel.
struct SetFdb {
  MacKey key;
  Vtep vtep;
  std::optional<Vni> target;  // the network it is in, when routed; then the host may be this one
};
// Unicast MAC of a guest on this host's bridge (`dst 0.0.0.0`). Does not age.
struct SetLocalFdb {
  MacKey key;
};
struct DeleteFdb {
  MacKey key;
};
struct SetNeighbour {
  IpKey key;
  MacAddress mac;
};
struct DeleteNeighbour {
  IpKey key;
};
// The whole list of a broadcast or multicast MAC; empty means: to nobody (`dst 0.0.0.0`). Does not
// age. The programmer makes the kernel's list equal to it, touching only what differs.
struct SetGroup {
  MacKey key;
  std::vector<Vtep> vteps;
};
struct DeleteGroup {
  MacKey key;
};

using KernelChange = std::variant<SetFdb, SetLocalFdb, DeleteFdb, SetNeighbour, DeleteNeighbour,
                                  SetGroup, DeleteGroup>;

// An ARP reply or neighbour advertisement into the asker's port: `target.ip` is at `mac`.
struct AnswerQuery {
  AddressQuery query;
  MacAddress mac;
  bool router = false;  // who has it is an IPv6 router
};

// To all guests of the network here: this address, which they may know at another MAC, is at `mac`.
struct TellGuests {
  IpKey address;
  MacAddress mac;
  bool router = false;
};

// A frame of a guest's for everybody, that the kernel kept from the other hosts.
struct CarryFrame {
  Vni vni;
  std::vector<std::byte> frame;
  std::vector<Vtep> vteps;
};

// What routing makes of a frame's addresses, as the kernel does where it routes by itself.
struct RoutedMacs {
  MacAddress destination;
  MacAddress source;  // the router's
};

// Send these punted packets on to a host. Of the frame inside only what is given changes.
struct Resend {
  PuntedPackets packets;
  Vtep vtep;
  std::optional<Vni> target;
  std::optional<RoutedMacs> macs;
};

// Give the frame in these punted packets to a guest of this host, out of its port.
struct Deliver {
  PuntedPackets packets;
  MacKey guest;
  std::optional<RoutedMacs> macs;
};

struct Actions {
  std::vector<Key> ask;
  std::optional<IpAddress> asker;  // of the guest whose query caused the first ask
  std::vector<Key> forget;
  std::vector<KernelChange> kernel;
  std::vector<AnswerQuery> answers;
  std::vector<TellGuests> moved;
  std::vector<CarryFrame> carried;
  std::vector<Resend> resends;
  std::vector<Deliver> deliveries;

  bool empty() const noexcept {
    return ask.empty() && forget.empty() && kernel.empty() && answers.empty() && moved.empty() &&
           carried.empty() && resends.empty() && deliveries.empty();
  }
  void clear() noexcept {
    ask.clear();
    asker.reset();
    forget.clear();
    kernel.clear();
    answers.clear();
    moved.clear();
    carried.clear();
    resends.clear();
    deliveries.clear();
  }
};

}  // namespace dove::agent
