// What a host's kernel knows of guests elsewhere, on one VXLAN device.
#pragma once

#include <span>
#include <string>
#include <unordered_set>

#include "core/ip_address.h"
#include "core/mac_address.h"
#include "core/vtep.h"
#include "netlink/batch.h"
#include "netlink/query.h"

namespace dove::bench {

// Throws std::runtime_error when the kernel does not answer. Not thread-safe.
class VxlanTable {
 public:
  VxlanTable(const std::string& netns, const std::string& device);

  // An entry that leads to another host. One for this host's own bridge (`dst 0.0.0.0`) is no
  // knowledge of others.
  bool forwards(const MacAddress& mac);
  // A deleted entry that somebody looked at in that moment stays for a while, failed: it is none.
  bool resolves(const IpAddress& ip);
  // All that forwards() would say of unicast MACs. Slow for many entries.
  std::unordered_set<MacAddress> forwarded();

  // Absent is fine.
  void remove(std::span<const MacAddress> macs);

 private:
  struct Opened;
  explicit VxlanTable(Opened&& opened);
  static Opened open_inside(const std::string& netns, const std::string& device);

  IfIndex device_;
  netlink::Query query_;
  netlink::Batch batch_;
};

}  // namespace dove::bench
