// What the controller says about a key. An IP leads to a MAC, a MAC leads to a host, a host has a
// VTEP: three records, so that an address can move between MACs, an endpoint between hosts, and a
// host between underlay addresses, each by one change.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "core/key.h"

namespace dove {

// Given by the store to a host when it first registers; never reused within a store.
enum class HostId : std::uint32_t {};

enum class Verdict : std::uint8_t {
  kFound,
  kNotFound,  // nobody has it, or it is attached nowhere; ask again after `ttl`, or be told
  kDenied,    // it exists, and the asker may not reach it; likewise
};

// Of two bindings of one key the one with the larger revision is true, whichever came first.
struct MacBinding {
  MacKey key;
  Verdict verdict = Verdict::kNotFound;
  HostId host{};                     // where the endpoint is attached; when kFound
  std::uint64_t generation = 0;      // of the attachment
  std::optional<Vni> target;         // the network it is in, when the key's only routes there
  std::uint64_t revision = 0;        // of the store, when this became so
  std::chrono::milliseconds ttl{0};  // of a verdict other than kFound

  friend bool operator==(const MacBinding&, const MacBinding&) = default;
};

struct IpBinding {
  IpKey key;
  Verdict verdict = Verdict::kNotFound;
  MacAddress mac;                // who answers for the address; when kFound
  std::uint64_t generation = 0;  // of the (VNI, IP) record
  std::optional<Vni> target;     // the network it is in, when the key's only routes there
  bool router = false;           // the guest is an IPv6 router
  std::uint64_t revision = 0;
  std::chrono::milliseconds ttl{0};
  // Nobody asked: a guest that has it wants to talk to one of this host's, which will have to
  // answer.
  bool introduced = false;

  friend bool operator==(const IpBinding&, const IpBinding&) = default;
};

}  // namespace dove
