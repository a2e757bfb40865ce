#include "controller/replicas.h"

namespace dove::controller {
namespace {

// A few addresses an endpoint are what networks have; one with many more is as large as it looks.
constexpr std::size_t kAddresses = 4;

}  // namespace

bool Replicas::resize(Vni vni, const Size& size) {
  const auto larger = std::max(size.endpoints, size.addresses / kAddresses);
  if (larger == 0)
    sizes_.erase(vni);
  else
    sizes_.insert_or_assign(vni, larger);
  if (larger > limits_.network) return large_.insert(vni).second;
  return larger <= limits_.network / 2 && large_.erase(vni) != 0;
}

std::size_t Replicas::size_of(Vni vni) const {
  const auto at = sizes_.find(vni);
  return at == sizes_.end() ? 0 : at->second;
}

std::size_t Replicas::held_by(ReaderId reader) const {
  std::size_t sum = 0;
  const auto at = kept_.find(reader);
  if (at == kept_.end()) return sum;
  for (const auto& [vni, revision] : at->second) sum += size_of(vni);
  return sum;
}

bool Replicas::begin(ReaderId reader, Vni vni, std::uint64_t revision) {
  const auto more = is_kept(reader, vni) ? 0 : size_of(vni);
  if (!is_small(vni) || held_by(reader) + more > limits_.agent) return false;
  tell(reader, vni, revision);
  return true;
}

void Replicas::end(ReaderId reader, Vni vni) {
  const auto at = kept_.find(reader);
  if (at != kept_.end()) at->second.erase(vni);
}

std::size_t Replicas::room(ReaderId reader) const {
  const auto most = limits_.agent - limits_.agent / 8;
  return most - std::min(most, held_by(reader));
}

bool Replicas::has_too_much(ReaderId reader) const { return held_by(reader) > limits_.agent; }

std::optional<std::uint64_t> Replicas::last_told(ReaderId reader, Vni vni) const {
  const auto at = kept_.find(reader);
  if (at == kept_.end()) return std::nullopt;
  const auto told = at->second.find(vni);
  return told == at->second.end() ? std::nullopt : std::optional{told->second};
}

}  // namespace dove::controller
