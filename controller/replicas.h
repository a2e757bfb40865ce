// Which networks agents get as a whole, and which of their agents do. A network is replicated while
// it is small: up to a number of endpoints, and after it was larger again from half of it on. What
// one agent gets is bounded too. Pure.
//
// Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "controller/directory.h"

namespace dove::controller {

class Replicas {
 public:
  struct Limits {
    std::size_t network = 4096;  // endpoints; 0: no network is replicated
    std::size_t agent = 65536;   // endpoints of all networks that one agent gets
  };
  // How large a network is.
  using Size = Directory::Size;

  explicit Replicas(const Limits& limits) : limits_{limits} {}

  // The network has this size now. Whether it may be replicated has changed, or has not.
  bool resize(Vni vni, const Size& size);
  bool is_small(Vni vni) const { return !large_.contains(vni) && limits_.network != 0; }

  // The agent keeps the network from now on, if it may.
  bool begin(ReaderId reader, Vni vni, std::uint64_t revision);
  void end(ReaderId reader, Vni vni);
  void end_all(ReaderId reader) { kept_.erase(reader); }
  bool is_kept(ReaderId reader, Vni vni) const { return last_told(reader, vni).has_value(); }
  bool has_too_much(ReaderId reader) const;
  // How many endpoints more it may keep, less some that those may grow by: what is just too much
  // now and then is not begun again and again.
  std::size_t room(ReaderId reader) const;
  std::size_t size_of(Vni vni) const;

  // The revision of what the agent was told last; empty: it does not keep it.
  std::optional<std::uint64_t> last_told(ReaderId reader, Vni vni) const;
  void tell(ReaderId reader, Vni vni, std::uint64_t revision) { kept_[reader][vni] = revision; }

 private:
  std::size_t held_by(ReaderId reader) const;

  const Limits limits_;
  std::unordered_map<Vni, std::size_t> sizes_;  // endpoints; 0 is not in it
  std::set<Vni> large_;
  std::unordered_map<ReaderId, std::map<Vni, std::uint64_t>> kept_;
};

}  // namespace dove::controller
