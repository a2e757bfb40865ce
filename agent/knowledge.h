// What this host can answer without asking a controller: the bindings of networks that are
// replicated to it, also as networks of the same tenant see them, and, while no controller can be
// reached, where its own guests are. Pure.
//
// An answer is what the controller would say, or none. That something does not exist is said only
// by a replica that is whole, of an address that could be nowhere but in its network.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "agent/directory.h"
#include "agent/replica.h"

namespace dove::agent {

class Knowledge {
 public:
  // --- networks of this host
  // Whether anything that it says differs from before.
  bool set_network(const NetworkSettings& settings);
  void remove_network(Vni vni);
  bool has_network(Vni vni) const { return networks_.contains(vni); }
  // It and the other networks of its tenant that this host has: those whose answers depend on it.
  std::vector<Vni> together_with(Vni vni) const;

  // --- replicas; there while the network is
  Replica* replica(Vni vni);
  const Replica* replica(Vni vni) const;
  void set_replica(Vni vni, Replica replica);
  void drop_replica(Vni vni);
  std::vector<Vni> replicas() const;
  // Nothing of what is known may be said to be all and true until it is told again.
  void doubt_all();
  void drop_all();

  // --- guests of this host
  void set_guest(const MacKey& guest, std::vector<IpAddress> ips);
  void remove_guest(const MacKey& guest) { guests_.erase(guest); }
  void set_self(HostId self) { self_ = self; }

  // --- answers
  // An address's comes with that of the MAC it leads to. `live`: a controller can be asked, so that
  // nothing doubtful is said.
  struct Answer {
    std::optional<IpBinding> ip;
    std::optional<MacBinding> mac;
  };
  std::optional<Answer> answer(const Key& key, bool live) const;
  bool may_answer(bool live) const noexcept {
    return !replicas_.empty() || (!live && !guests_.empty());
  }

 private:
  std::optional<Answer> answer_mac(const MacKey& key, bool live) const;
  std::optional<Answer> answer_ip(const IpKey& key, bool live) const;
  std::optional<Answer> answer_at_home(const IpKey& key, bool live) const;
  std::optional<Answer> found(const MacKey& key, bool live) const;
  std::optional<Answer> owned(const IpBinding& address, bool live) const;
  std::optional<MacBinding> guest_mac(const MacKey& key) const;
  std::optional<IpBinding> guest_ip(const IpKey& key) const;
  const Replica* usable(Vni vni, bool live) const;
  std::optional<Answer> no_such(const IpKey& key) const;
  std::optional<Vni> home_of(const IpKey& key) const;
  std::optional<bool> routes(Vni from, Vni to) const;
  std::optional<Answer> seen_from(Vni vni, Answer there) const;

  std::map<Vni, NetworkSettings> networks_;
  std::map<Vni, Replica> replicas_;
  std::map<MacKey, std::vector<IpAddress>> guests_;
  HostId self_{};
};

}  // namespace dove::agent
