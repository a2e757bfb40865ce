// Answers the two questions, and remembers who asked: a reader that has asked about a key is told
// every later change of it, until it forgets the key. Holds a binding for every active endpoint and
// every address of one; what it does not hold is nobody's. Pure: no locks, no sessions, no clock.
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

  // Where the endpoint that an address leads to is active; empty: the address leads nowhere.
  std::optional<HostId> host_of(const IpKey& key) const;
  // As if `reader` had asked, and marked as an introduction. Says nothing to whom is told anyway.
  void introduce(ReaderId reader, const IpKey& key, Listener& listener);

  // The commit `revision` made these so. Readers are told what differs from before.
  void update(std::uint64_t revision, std::span<const MacBinding> macs,
              std::span<const IpUpdate> ips, Listener& listener);

 private:
  struct MacSlot {
    MacBinding binding;
    std::vector<ReaderId> readers;
  };
  struct IpSlot {
    IpBinding binding;
    bool recorded = false;
    std::vector<ReaderId> readers;
  };
  struct Interest {
    std::unordered_set<MacSlot*> macs;
    std::unordered_set<IpSlot*> ips;
  };

  // A slot is there while it is found or somebody reads it. Pointers to slots are stable.
  MacSlot& slot(const MacKey& key);
  IpSlot& slot(const IpKey& key);
  void drop_if_idle(MacSlot& slot);
  void drop_if_idle(IpSlot& slot);
  void derive(IpSlot& slot) const;
  void update(const MacBinding& binding, Listener& listener);
  void update(const IpUpdate& update, Listener& listener);
  void tell_all(IpSlot& slot, Listener& listener);
  void tell_owner(ReaderId reader, const IpBinding& binding, Listener& listener);

  std::chrono::milliseconds negative_ttl_;
  std::uint64_t revision_ = 0;
  std::unordered_map<MacKey, MacSlot> macs_;
  std::unordered_map<IpKey, IpSlot> ips_;
  std::unordered_map<ReaderId, Interest> interests_;
};

}  // namespace dove::controller
