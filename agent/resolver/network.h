// One network that this host has: its records and its groups.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "agent/resolver/key_table.h"
#include "agent/router.h"

namespace dove::agent {

// A broadcast or multicast MAC with a list of its own.
struct Group {
  MacAddress mac;
  TimePoint set_at{};
  bool leads = false;  // to some host, as it was set
};

struct Network {
  using Macs = KeyTable<MacRecord, MacAddress>;
  using Ips = KeyTable<IpRecord, IpAddress>;

  Network(Vni number, Macs mac_table, Ips ip_table) noexcept
      : vni{number}, macs{std::move(mac_table)}, ips{std::move(ip_table)} {}
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;
  ~Network() {
    ips.destroy_all();
    macs.destroy_all();
  }

  Vni vni;
  Macs macs;
  Ips ips;
  List<Record, InUnresolved> unresolved;
  std::size_t unresolved_size = 0;
  std::size_t waiting = 0;
  std::optional<Router> router;
  std::vector<Group> groups;          // the broadcast one first
  std::size_t well_known_groups = 0;  // of these, the first ones
};

}  // namespace dove::agent
