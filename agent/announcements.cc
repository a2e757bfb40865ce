#include "agent/announcements.h"

namespace dove::agent {

bool Announcements::add(const MacKey& guest, const IpAddress& address) {
  if (!address.is_v6() || !address.is_link_local()) return false;
  auto& addresses = guests_[guest];
  return addresses.size() < kPerGuest && addresses.insert(address).second;
}

void Announcements::remove(const MacKey& guest, const IpAddress& address) {
  if (const auto found = guests_.find(guest); found != guests_.end()) found->second.erase(address);
}

std::vector<std::pair<MacKey, IpAddress>> Announcements::all() const {
  std::vector<std::pair<MacKey, IpAddress>> list;
  for (const auto& [guest, addresses] : guests_)
    for (const auto& address : addresses) list.emplace_back(guest, address);
  return list;
}

}  // namespace dove::agent
