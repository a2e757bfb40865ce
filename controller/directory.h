// Answers the two questions, and remembers who asked: a reader that has asked about a key is told
// every later change of its answer, until it forgets the key. Holds a binding for every active
// endpoint and every address of one; what it does not hold is nobody's. Pure: no locks, no
// sessions, no clock.
//
// A key whose endpoint is in another network of the tenant is answered as what it is there, with
// that network as its target, or is denied, as the tenant's routing says; its revision is then not
// less than that of the routing. Nothing else is known of a tenant here but its topology.
//
// An IP leads to a MAC, so whoever is told an IP's owner is told, and from then on interested in,
// that MAC as well. A link-local IPv6 address that no record names is looked up by the MAC that its
// interface identifier was made from.
//
// Not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "controller/topology.h"
#include "core/binding.h"

namespace dove::controller {

using ReaderId = std::uint32_t;

// What an address leads to now. `recorded`: there is a record of it, so that nothing is derived.
struct IpUpdate {
  IpBinding binding;
  bool recorded = false;
};

class Directory {
 public:
  // Who is told. Must not call back into the directory.
  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void tell(ReaderId reader, const MacBinding& binding) = 0;
    virtual void tell(ReaderId reader, const IpBinding& binding) = 0;
  };

  // `negative_ttl` goes with every answer other than kFound.
  explicit Directory(std::chrono::milliseconds negative_ttl) : negative_ttl_{negative_ttl} {}

  void ask(ReaderId reader, const MacKey& key, Listener& listener);
  void ask(ReaderId reader, const IpKey& key, Listener& listener);
  void forget(ReaderId reader, const MacKey& key);
  void forget(ReaderId reader, const IpKey& key);
  void forget_all(ReaderId reader);
  std::size_t interest(ReaderId reader) const;  // how many keys

  // Where the endpoint that an address leads to is active, and its own network; empty: the address
  // leads nowhere, or one may not reach it from the key's network.
  struct Place {
    HostId host;
    Vni vni;
  };
  std::optional<Place> place_of(const IpKey& key) const;
  // As if `reader` had asked, and marked as an introduction. Says nothing to whom is told anyway.
  void introduce(ReaderId reader, const IpKey& key, Listener& listener);

  // The commit `revision` made these so. Readers are told what differs from before. Of a commit
  // that does both, the routing comes first.
  void route(std::uint64_t revision, std::span<const Routing> tenants, Listener& listener);
  void update(std::uint64_t revision, std::span<const MacBinding> macs,
              std::span<const IpUpdate> ips, Listener& listener);

  const Topology& topology() const noexcept { return topology_; }

  // --- a network as a whole: what its own records say
  struct Size {
    std::size_t endpoints = 0;
    std::size_t addresses = 0;
  };
  Size size(Vni vni) const;
  std::uint64_t digest(Vni vni) const;
  template <class Visit>
  void visit(Vni vni, Visit visit) const;
  // What who asks is told of a key.
  MacBinding answer(const MacKey& key) const;
  IpBinding answer(const IpKey& key) const;
  // What its own record says of a key; null when there is none. Valid until the next change.
  const MacBinding* own(const MacKey& key) const;
  const IpBinding* own(const IpKey& key) const;
  // How many keys of a network a reader is interested in, and the digest of their answers.
  struct Digest {
    std::uint32_t keys = 0;
    std::uint64_t sum = 0;
    friend bool operator==(const Digest&, const Digest&) = default;
  };
  Digest interest_in(ReaderId reader, Vni vni) const;
  void forget_network(ReaderId reader, Vni vni);

 private:
  // An own slot holds what a record of its very network says; any other's answer is computed, and
  // computed again when what it depends on changes. There while it is own or somebody reads it.
  // Pointers to slots are stable.
  struct Reader {
    ReaderId id;
    std::uint32_t place;  // of the slot, in the list of what this reader reads
  };
  struct MacSlot {
    MacBinding binding;
    bool own = false;
    std::uint32_t tenant = 0;  // of an own one, as it was numbered then
    std::vector<Reader> readers;
  };
  struct IpSlot {
    IpBinding binding;
    bool own = false;
    std::vector<Reader> readers;
  };
  struct Interest {  // in no order
    std::vector<MacSlot*> macs;
    std::vector<IpSlot*> ips;
  };
  // The slots of a network that are not own.
  struct Views {
    std::unordered_set<MacSlot*> macs;
    std::unordered_set<IpSlot*> ips;
  };
  // The own slots of a network.
  struct Own {
    std::unordered_set<const MacSlot*> macs;
    std::unordered_set<const IpSlot*> ips;
  };
  struct TenantMac {
    std::uint32_t tenant;
    MacAddress mac;
    friend bool operator==(const TenantMac&, const TenantMac&) = default;
  };
  struct TenantMacHash {
    std::size_t operator()(const TenantMac& key) const noexcept { return key.mac.hash(key.tenant); }
  };

  Vni home_of(const MacKey& key) const;
  MacBinding computed(const MacKey& key) const;
  IpBinding computed(const IpKey& key) const;
  IpBinding derived(const IpKey& key) const;
  template <class Binding>
  Binding seen_from(Vni vni, const Binding& there) const;
  template <class Key>
  auto nothing(const Key& key) const;

  template <class Slot>
  static bool add_reader(Slot& slot, std::vector<Slot*>& read, ReaderId reader);
  template <class Slot>
  static bool remove_reader(Slot& slot, std::vector<Slot*>& read, ReaderId reader);
  template <class Slot>
  void leave(std::vector<Slot*>& read, ReaderId reader);

  MacSlot& slot(const MacKey& key);
  IpSlot& slot(const IpKey& key);
  void set_own(MacSlot& slot, bool own);
  void set_own(IpSlot& slot, bool own);
  template <class Slot>
  void leave_views(Slot& slot);
  template <class Slot>
  void drop_if_idle(Slot& slot);
  void update(const MacBinding& binding, Listener& listener);
  void update(const IpUpdate& update, Listener& listener);
  template <class Slot, class Binding>
  void become(Slot& slot, const Binding& binding, Listener& listener);
  template <class Slot>
  void refresh(Slot& slot, Listener& listener);
  template <class Slots, class Key>
  void refresh_elsewhere(Slots& slots, const Key& key, Listener& listener);
  void tell_all(MacSlot& slot, Listener& listener);
  void tell_all(IpSlot& slot, Listener& listener);
  void tell_owner(ReaderId reader, const IpBinding& binding, Listener& listener);

  std::unordered_map<MacKey, MacSlot>& slots_like(const MacSlot&) { return macs_; }
  std::unordered_map<IpKey, IpSlot>& slots_like(const IpSlot&) { return ips_; }
  template <class Lists>
  static auto& list_like(const MacSlot&, Lists& lists) {
    return lists.macs;
  }
  template <class Lists>
  static auto& list_like(const IpSlot&, Lists& lists) {
    return lists.ips;
  }
  template <class Slot>
  void enter_own(const Slot& slot);
  template <class Slot>
  void leave_own(const Slot& slot);

  std::chrono::milliseconds negative_ttl_;
  std::uint64_t revision_ = 0;
  Topology topology_;
  std::unordered_map<MacKey, MacSlot> macs_;
  std::unordered_map<IpKey, IpSlot> ips_;
  std::unordered_map<Vni, Views> views_;                     // none is empty
  std::unordered_map<Vni, Own> own_;                         // none is empty
  std::unordered_map<TenantMac, Vni, TenantMacHash> homes_;  // where a tenant's own MAC slots are
  std::unordered_map<ReaderId, Interest> interests_;
};

template <class Visit>
void Directory::visit(Vni vni, Visit visit) const {
  const auto at = own_.find(vni);
  if (at == own_.end()) return;
  for (const auto* slot : at->second.macs) visit(slot->binding);
  for (const auto* slot : at->second.ips) visit(slot->binding);
}

}  // namespace dove::controller
