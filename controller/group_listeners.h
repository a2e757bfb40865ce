// On which hosts guests listen to which multicast groups, by network. Pure.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <span>
#include <unordered_map>
#include <vector>

#include "core/binding.h"
#include "core/mac_address.h"
#include "core/vni.h"

namespace dove::controller {

class GroupListeners {
 public:
  // Beyond, a host's further groups are not taken: they have no listener there.
  static constexpr std::size_t kGroupsPerHost = 1024;  // of one network
  static constexpr std::size_t kGroupsPerNetwork = 8192;

  using Hosts = std::set<HostId>;
  struct Word {
    Vni vni;
    bool full = false;  // groups not in `add` have no listener on the host
    std::vector<MacAddress> add;
    std::vector<MacAddress> remove;
  };
  struct Change {
    MacAddress group;
    bool added = false;  // the host; else removed
  };

  std::vector<Change> change(HostId host, const Word& word);
  std::vector<Change> remove(Vni vni, HostId host) { return change(host, {vni, true, {}, {}}); }
  void remove(Vni vni) { networks_.erase(vni); }
  // Group -> the hosts, never none.
  const std::map<MacAddress, Hosts>& of(Vni vni) const;

 private:
  struct Network {
    std::map<MacAddress, Hosts> groups;
    std::map<HostId, std::set<MacAddress>> hosts;  // the same the other way round
  };
  static bool add(Network& network, HostId host, const MacAddress& group);
  static bool remove(Network& network, HostId host, const MacAddress& group);

  std::unordered_map<Vni, Network> networks_;
};

}  // namespace dove::controller
