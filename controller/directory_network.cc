// What the directory says of a network as a whole, and of what a reader has asked for in one.
#include "controller/directory.h"
#include "core/binding_digest.h"

namespace dove::controller {
Directory::Size Directory::size(Vni vni) const {
  const auto at = own_.find(vni);
  if (at == own_.end()) return {};
  return {.endpoints = at->second.macs.size(), .addresses = at->second.ips.size()};
}

std::uint64_t Directory::digest(Vni vni) const {
  std::uint64_t sum = 0;
  visit(vni, [&](const auto& binding) { sum += digest_of(binding); });
  return sum;
}

const MacBinding* Directory::own(const MacKey& key) const {
  const auto at = macs_.find(key);
  return at != macs_.end() && at->second.own ? &at->second.binding : nullptr;
}

const IpBinding* Directory::own(const IpKey& key) const {
  const auto at = ips_.find(key);
  return at != ips_.end() && at->second.own ? &at->second.binding : nullptr;
}

Directory::Digest Directory::interest_in(ReaderId reader, Vni vni) const {
  Digest digest;
  const auto at = interests_.find(reader);
  if (at == interests_.end()) return digest;
  const auto count = [&](const auto* slot) {
    if (slot->binding.key.vni != vni) return;
    ++digest.keys;
    digest.sum += digest_of(slot->binding);
  };
  for (const auto* slot : at->second.macs) count(slot);
  for (const auto* slot : at->second.ips) count(slot);
  return digest;
}

void Directory::forget_network(ReaderId reader, Vni vni) {
  const auto at = interests_.find(reader);
  if (at == interests_.end()) return;
  std::vector<MacKey> macs;
  std::vector<IpKey> ips;
  for (const auto* slot : at->second.macs)
    if (slot->binding.key.vni == vni) macs.push_back(slot->binding.key);
  for (const auto* slot : at->second.ips)
    if (slot->binding.key.vni == vni) ips.push_back(slot->binding.key);
  for (const auto& key : macs) forget(reader, key);
  for (const auto& key : ips) forget(reader, key);
}

}  // namespace dove::controller
