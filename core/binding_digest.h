// Digests by which two sides prove that they know the same of a network, without saying it. A set's
// digest is the sum of its bindings', so that their order does not matter. The same on every
// machine; not for anything an outsider can profit from guessing. Generations, revisions and times
// to live are not in it: two sides may rightly differ there.
#pragma once

#include <cstdint>

#include "core/binding.h"
#include "core/hash.h"

namespace dove {

inline std::uint64_t digest_part(Verdict verdict, std::uint64_t where,
                                 const std::optional<Vni>& target) noexcept {
  const bool found = verdict == Verdict::kFound;
  const auto what = mix(static_cast<std::uint64_t>(verdict) + 1);
  return found ? mix(what ^ mix(where) ^ (target ? target->value() : 0U)) : what;
}

inline std::uint64_t digest_of(const MacBinding& binding) noexcept {
  const auto host = static_cast<std::uint64_t>(binding.host);
  return mix(hash_bytes(binding.key.mac.wire(), binding.key.vni.value()) ^
             digest_part(binding.verdict, host, binding.target));
}

inline std::uint64_t digest_of(const IpBinding& binding) noexcept {
  const auto owner = hash_bytes(binding.mac.wire(), binding.router ? 2 : 1);
  return mix(hash_bytes(binding.key.ip.wire(), binding.key.vni.value()) ^
             digest_part(binding.verdict, owner, binding.target));
}

}  // namespace dove
