#include <algorithm>

#include "agent/resolver/state.h"

namespace dove::agent {

const char* to_string(DropReason reason) noexcept {
  switch (reason) {
    case DropReason::kWaitTimeout:
      return "wait-timeout";
    case DropReason::kGuestLimit:
      return "guest-limit";
    case DropReason::kNetworkLimit:
      return "network-limit";
    case DropReason::kBytesLimit:
      return "bytes-limit";
    case DropReason::kAskLimit:
      return "ask-limit";
    case DropReason::kWaitersLimit:
      return "waiters-limit";
    case DropReason::kKeyLimit:
      return "key-limit";
    case DropReason::kGroupLimit:
      return "group-limit";
    case DropReason::kGroupCopyLimit:
      return "group-copy-limit";
    case DropReason::kRepairLimit:
      return "repair-limit";
    case DropReason::kUnknownNetwork:
      return "unknown-network";
    case DropReason::kNotFound:
      return "not-found";
    case DropReason::kDenied:
      return "denied";
    case DropReason::kLocal:
      return "local";
    case DropReason::kForgotten:
      return "forgotten";
    case DropReason::kUnroutable:
      return "unroutable";
    case DropReason::kUnrouted:
      return "unrouted";
    case DropReason::kCount:
      break;
  }
  return "unknown";
}

std::vector<Resolver::FdbRow> Resolver::fdb() const {
  std::vector<FdbRow> rows;
  state_->records.for_each_network([&](const Network& network) {
    network.macs.for_each([&](const MacRecord& record) {
      if (record.vtep) rows.push_back({key(record), *record.vtep, record.host, record.vtep_vni});
    });
  });
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
  return rows;
}

std::vector<MacKey> Resolver::locals() const {
  std::vector<MacKey> keys;
  state_->records.for_each_network([&](const Network& network) {
    network.macs.for_each([&](const MacRecord& record) {
      if (record.local) keys.push_back(key(record));
    });
  });
  std::sort(keys.begin(), keys.end());
  return keys;
}

std::vector<Resolver::NeighbourRow> Resolver::neighbours() const {
  std::vector<NeighbourRow> rows;
  state_->records.for_each_network([&](const Network& network) {
    network.ips.for_each([&](const IpRecord& record) {
      if (record.neighbour)
        rows.push_back({key(record), *record.neighbour,
                        record.owner != nullptr ? record.owner->vtep_vni : std::nullopt});
    });
  });
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
  return rows;
}

std::vector<Resolver::GroupRow> Resolver::groups() const {
  std::vector<GroupRow> rows;
  state_->records.for_each_network([&](const Network& network) {
    for (const Group& group : network.groups)
      rows.push_back({{network.vni, group.mac}, state_->flood_lists.vteps(network.vni)});
  });
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
  return rows;
}

std::map<MacAddress, std::vector<HostId>> Resolver::group_members(Vni vni) const {
  return state_->flood_lists.groups(vni);
}

std::optional<std::vector<HostId>> Resolver::members(Vni vni) const {
  return state_->flood_lists.members(vni);
}

const ResolverCounters& Resolver::counters() const noexcept { return state_->counters; }

ResolverUsage Resolver::usage() const noexcept {
  ResolverUsage usage{.keys = state_->records.keys(),
                      .waiting = state_->waiting.size(),
                      .waiting_bytes = state_->waiting.bytes(),
                      .guests = state_->waiting.guests()};
  state_->records.for_each_network([&](const Network& network) {
    usage.unresolved_keys += network.unresolved_size;
    usage.groups += network.groups.size();
  });
  return usage;
}

}  // namespace dove::agent
