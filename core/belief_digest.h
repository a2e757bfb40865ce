// Digests of what the controller tells its agents besides bindings: of networks, hosts and
// endpoints. As those of bindings (binding_digest.h): a set's is the sum of its members', and they
// are the same on every machine.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "core/binding.h"
#include "core/hash.h"
#include "core/subnet.h"
#include "core/vtep.h"

namespace dove {

inline std::uint64_t digest_of(std::string_view text) noexcept {
  return hash_bytes(std::as_bytes(std::span{text}));
}

inline std::uint64_t digest_of(HostId host) noexcept {
  return hash_number(static_cast<std::uint32_t>(host));
}

inline std::uint64_t digest_of(const Prefix& prefix) noexcept {
  return hash_bytes(prefix.network().wire(), prefix.length());
}

inline std::uint64_t digest_of(const Vtep& vtep) noexcept {
  return hash_bytes(vtep.address.wire(), vtep.port);
}

inline std::uint64_t digest_of(const Subnet& subnet) noexcept {
  const auto gateway = subnet.gateway ? hash_bytes(subnet.gateway->wire(), 1) : 0;
  return mix(digest_of(subnet.prefix) + gateway);
}

// Of a range of any of the above.
template <class Range>
std::uint64_t digest_of_all(const Range& range) noexcept {
  std::uint64_t sum = 0;
  for (const auto& one : range) sum += digest_of(one);
  return sum;
}

struct NetworkFacts {
  std::string_view name;
  std::string_view tenant;
  std::uint64_t subnets = 0;  // digest_of_all()
  std::uint64_t denied = 0;   // likewise, of prefixes
  bool learn = false;
};
inline std::uint64_t digest_of(const NetworkFacts& network) noexcept {
  const auto who = mix(digest_of(network.name)) + digest_of(network.tenant);
  return mix(mix(who + network.subnets) + mix(network.denied + (network.learn ? 2 : 1)));
}

// The hosts where guests listen to a group: digest_of_all().
inline std::uint64_t digest_of_group(const MacAddress& group, std::uint64_t hosts) noexcept {
  return mix(hash_bytes(group.wire()) ^ mix(hosts));
}

inline std::uint64_t digest_of_host(HostId id, std::string_view name, const Vtep& vtep) noexcept {
  return mix(digest_of(id) ^ mix(digest_of(name) + digest_of(vtep)));
}

// An endpoint that is active at a host. `ips`: the sum of digest_of_own() of its addresses.
struct AttachedFacts {
  std::string_view endpoint;
  MacKey guest;
  std::uint64_t generation = 0;
  std::uint64_t ips = 0;
};
inline std::uint64_t digest_of_own(const IpAddress& ip, bool shared) noexcept {
  return hash_bytes(ip.wire(), shared ? 2 : 1);
}
inline std::uint64_t digest_of(const AttachedFacts& attached) noexcept {
  const auto who = hash_bytes(attached.guest.mac.wire(), attached.guest.vni.value());
  return mix(mix(who ^ digest_of(attached.endpoint)) + mix(attached.ips) + attached.generation);
}

}  // namespace dove
