#include "tests/bench/vxlan_table.h"

#include <cerrno>
#include <stdexcept>
#include <utility>

#include "netlink/dump.h"
#include "netlink/neighbour.h"
#include "tests/bench/must.h"
#include "tests/bench/netns.h"

namespace dove::bench {
namespace {

bool leads_elsewhere(const netlink::FdbEntry& entry) {
  return entry.destination && !entry.destination->is_unspecified() && entry.mac.is_unicast();
}

}  // namespace

struct VxlanTable::Opened {
  IfIndex device;
  netlink::Query query;
  netlink::Batch batch;
};

VxlanTable::Opened VxlanTable::open_inside(const std::string& netns, const std::string& device) {
  const Inside inside{netns};
  return {device_index(device), must(netlink::Query::open()), must(netlink::Batch::open())};
}

VxlanTable::VxlanTable(const std::string& netns, const std::string& device)
    : VxlanTable{open_inside(netns, device)} {}

VxlanTable::VxlanTable(Opened&& opened)
    : device_{opened.device}, query_{std::move(opened.query)}, batch_{std::move(opened.batch)} {}

bool VxlanTable::forwards(const MacAddress& mac) {
  const auto entry = must(netlink::find_fdb(query_, device_, mac));
  return entry && leads_elsewhere(*entry);
}

bool VxlanTable::resolves(const IpAddress& ip) {
  const auto entry = must(netlink::find_neighbour(query_, device_, ip));
  return entry && entry->state != netlink::State::kFailed;
}

std::unordered_set<MacAddress> VxlanTable::forwarded() {
  std::unordered_set<MacAddress> macs;
  for (const auto& entry : must(netlink::dump_fdb(query_, device_))) {
    if (leads_elsewhere(entry)) macs.insert(entry.mac);
  }
  return macs;
}

void VxlanTable::remove(std::span<const MacAddress> macs) {
  for (const MacAddress& mac : macs) {
    add(batch_, netlink::Change::kDelete, netlink::FdbEntry{.device = device_, .mac = mac});
  }
  for (const auto& verdict : batch_.commit()) {
    if (!verdict.ok() && verdict.error.value() != ENOENT) {
      throw std::runtime_error("cannot delete an FDB entry: " + verdict.to_string());
    }
  }
}

}  // namespace dove::bench
