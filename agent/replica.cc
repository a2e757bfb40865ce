#include "agent/replica.h"

#include <utility>

#include "core/binding_digest.h"

namespace dove::agent {
namespace {

template <class Map, class Address>
auto find_in(const Map& map, const Address& address) {
  const auto found = map.find(address);
  return found == map.end() ? nullptr : &found->second;
}

}  // namespace

Replica Replica::restored(std::uint64_t revision, std::span<const BindingRecord> bindings) {
  Replica replica;
  replica.revision_ = revision;
  for (const auto& binding : bindings) replica.set(binding);
  return replica;
}

void Replica::set(const BindingRecord& record) {
  if (const auto* mac = std::get_if<MacBinding>(&record))
    macs_.insert_or_assign(mac->key.mac, *mac);
  else if (const auto* ip = std::get_if<IpBinding>(&record))
    ips_.insert_or_assign(ip->key.ip, *ip);
}

void Replica::erase(const Key& key) {
  if (const auto* mac = std::get_if<MacKey>(&key))
    macs_.erase(mac->mac);
  else if (const auto* ip = std::get_if<IpKey>(&key))
    ips_.erase(ip->ip);
}

Replica::Taken Replica::take_part(const ReplicaWord& word) {
  if (word.first) {
    parts_.clear();
    coming_ = true;
  }
  if (!coming_) return Taken::kNothing;
  parts_.insert(parts_.end(), word.bindings.begin(), word.bindings.end());
  if (word.kind == ReplicaWord::Kind::kPart) return Taken::kNothing;
  const auto all = std::exchange(parts_, {});
  *this = restored(word.revision, all);
  whole_ = true;
  return Taken::kRenewed;
}

Replica::Taken Replica::take(const ReplicaWord& word) {
  using Kind = ReplicaWord::Kind;
  switch (word.kind) {
    case Kind::kPart:
    case Kind::kLast:
      return take_part(word);
    case Kind::kCurrent:
      revision_ = word.revision;
      return std::exchange(whole_, true) ? Taken::kNothing : Taken::kRenewed;
    case Kind::kDelta:
      break;
    default:
      return Taken::kNothing;
  }
  if (!whole_ || word.revision <= revision_) return Taken::kNothing;
  if (word.after != revision_) {
    whole_ = false;
    return Taken::kGap;
  }
  for (const auto& key : word.gone) erase(key);
  for (const auto& binding : word.bindings) set(binding);
  revision_ = word.revision;
  return Taken::kChanged;
}

std::uint64_t Replica::digest() const noexcept {
  std::uint64_t sum = 0;
  for (const auto& [mac, binding] : macs_) sum += digest_of(binding);
  for (const auto& [ip, binding] : ips_) sum += digest_of(binding);
  return sum;
}

const MacBinding* Replica::find(const MacAddress& mac) const { return find_in(macs_, mac); }
const IpBinding* Replica::find(const IpAddress& ip) const { return find_in(ips_, ip); }

std::vector<BindingRecord> Replica::bindings() const {
  std::vector<BindingRecord> all;
  all.reserve(macs_.size() + ips_.size());
  for (const auto& [mac, binding] : macs_) all.emplace_back(binding);
  for (const auto& [ip, binding] : ips_) all.emplace_back(binding);
  return all;
}

}  // namespace dove::agent
