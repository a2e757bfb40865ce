// The groups that guests of this host listen to, by network, from what the bridges heard at their
// ports. Several groups can have one MAC, and several ports one group; what is told is when the
// first listener of a MAC comes and when the last has gone. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "core/ip_address.h"
#include "core/mac_address.h"
#include "core/vni.h"
#include "core/vtep.h"

namespace dove::agent {

struct Listener {
  Vni vni;
  IfIndex port{};
  IpAddress group;
  MacAddress mac;  // the group's
};

class Memberships {
 public:
  struct Change {
    Vni vni;
    MacAddress group;
    bool listened = false;
  };
  // Groups that one port may listen to; of more nobody is told.
  static constexpr std::uint32_t kPerPort = 256;
  // Repeating either is nothing. Groups that are not followed by membership are left out.
  std::optional<Change> join(const Listener& listener);
  std::optional<Change> leave(const Listener& listener);
  bool has(const Listener& listener) const;
  bool is_full(IfIndex port) const;  // kPerPort
  // These are all there are now.
  std::vector<Change> replace(std::span<const Listener> all);
  std::vector<MacAddress> groups(Vni vni) const;

 private:
  using Listeners = std::set<std::pair<IfIndex, IpAddress>>;
  std::map<Vni, std::map<MacAddress, Listeners>> networks_;
  std::map<IfIndex, std::uint32_t> groups_of_;  // how many each port listens to
};

}  // namespace dove::agent
