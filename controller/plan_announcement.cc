#include <algorithm>

#include "controller/plan_internal.h"
#include "core/link_local.h"

namespace dove::controller {
namespace {

// The endpoint's link-local addresses, the one that was recorded first in front.
std::vector<Kept<Address>> link_locals(const Endpoint& endpoint, const State& state) {
  std::vector<Kept<Address>> list;
  for (const auto& ip : state.ips_of(endpoint.name)) {
    const auto* address = state.address({endpoint.vni, ip});
    if (address->kind == Address::Kind::kLinkLocal) list.push_back(*address);
  }
  std::sort(list.begin(), list.end(),
            [](const auto& a, const auto& b) { return a.revision < b.revision; });
  return list;
}

Error taken(const IpAddress& ip, const std::string& owner) {
  return exists(fmt::format("IP {} is endpoint \"{}\"'s", ip.to_string(), owner));
}

// A shared address goes to who speaks last.
Status announce_recorded(const Kept<Address>& present, const std::string& endpoint,
                         std::optional<bool> router, Draft& draft) {
  Address address = present;
  auto& speakers = address.endpoints;
  const auto speaker = std::find(speakers.begin(), speakers.end(), endpoint);
  if (speaker == speakers.end()) return taken(address.key.ip, speakers.front());
  if (speaker != speakers.begin()) {
    std::rotate(speakers.begin(), speaker, speaker + 1);
    address.router = false;  // what is known is the former one's
    ++address.generation;
  }
  address.router = router.value_or(address.router);
  if (address != static_cast<const Address&>(present)) draft.put(address);
  return {};
}

Status announce_link_local(const Endpoint& endpoint, const Announcement& said,
                           const Surroundings& around, Draft& draft) {
  const auto& state = draft.state();
  const auto mac = mac_of_link_local(said.ip);
  if (mac == around.router_mac)
    return exists(fmt::format("IP {} is every gateway's", said.ip.to_string()));
  if (mac == said.endpoint.mac && !said.router.value_or(false)) return {};  // needs no record
  if (mac && mac != said.endpoint.mac)
    if (const auto* other = state.endpoint(MacKey{endpoint.vni, *mac}))
      return taken(said.ip, other->name);
  const auto own = link_locals(endpoint, state);
  if (own.size() >= kLinkLocals) draft.erase(own.front());
  draft.put(Address{{endpoint.vni, said.ip},
                    Address::Kind::kLinkLocal,
                    false,
                    {endpoint.name},
                    around.revision + 1,
                    said.router.value_or(false)});
  return {};
}

}  // namespace

Status plan_announcement(HostId host, const Announcement& said, const Surroundings& around,
                         Draft& draft) {
  const auto& [key, ip, router] = said;
  const auto& state = draft.state();
  const auto* present = state.endpoint(key);
  if (present == nullptr || !present->active || present->host != host)
    return conflict(fmt::format("no endpoint with MAC {} in VNI {} is active at this host",
                                key.mac.to_string(), key.vni.to_string()));
  const Endpoint endpoint = *present;
  if (const auto* address = state.address({key.vni, ip}))
    return announce_recorded(Kept<Address>{*address}, endpoint.name, router, draft);
  if (ip.is_v6() && ip.is_link_local()) return announce_link_local(endpoint, said, around, draft);
  return Error{ErrorCode::kNotFound, fmt::format("IP {} is no endpoint's of network \"{}\"",
                                                 ip.to_string(), endpoint.network)};
}

}  // namespace dove::controller
