// What the resolver knows of one key: what the controller said, what the kernel has, who waits.
// Values and links only; the rules are in state.h and its sources.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "agent/event.h"
#include "agent/resolver/list.h"
#include "core/binding.h"
#include "core/vtep.h"

namespace dove::agent {

struct Network;
struct Waiter;

struct InReview {};      // looked at again in a while: asked, or of no use to the kernel
struct InUnresolved {};  // counted against Limits::keys_per_network, oldest first
struct InExpected {};    // MACs whose binding should come by itself
struct InOwner {};       // IPs that lead to a MAC

enum class Known : std::uint8_t { kNothing, kFound, kNotFound, kDenied };

struct Record : ListNode<InReview>, ListNode<InUnresolved> {
  enum class Kind : std::uint8_t { kMac, kIp };

  Record(Kind the_kind, Network& in, std::uint32_t number) noexcept
      : kind{the_kind}, network{&in}, id{number} {}

  Kind kind;
  Known known = Known::kNothing;
  bool asking = false;      // an answer is owed to us
  std::uint8_t rounds = 0;  // reviews since the first ask
  Network* network;
  std::uint32_t id;           // in its slab
  std::uint32_t session = 0;  // the last one in which the controller heard of our interest
  std::uint64_t revision = 0;
  TimePoint review_at{};
  TimePoint wanted_until{};
  TimePoint negative_until{};
  TimePoint installed_at{};
  TimePoint refused_until{};

  Waiter* first_waiter = nullptr;  // in order of arrival
  Waiter* last_waiter = nullptr;
  std::uint32_t waiting = 0;

  bool is_negative() const noexcept { return known == Known::kNotFound || known == Known::kDenied; }
};

struct IpRecord;

struct MacRecord : Record, ListNode<InExpected> {
  MacRecord(Network& in, std::uint32_t number, const MacAddress& key) noexcept
      : Record{Kind::kMac, in, number}, mac{key} {}

  MacAddress mac;
  bool local = false;           // a guest of this host
  HostId host{};                // when found
  std::optional<Vni> target;    // likewise: the network it is in, when not this one
  std::optional<Vtep> vtep;     // what the kernel's entry says, when there is one; never when local
  std::optional<Vni> vtep_vni;  // likewise
  TimePoint expected_at{};
  List<IpRecord, InOwner> ips;
};

struct IpRecord : Record, ListNode<InOwner> {
  IpRecord(Network& in, std::uint32_t number, const IpAddress& key) noexcept
      : Record{Kind::kIp, in, number}, ip{key} {}

  IpAddress ip;
  bool routed = false;                  // packets to it came to the router
  MacRecord* owner = nullptr;           // when found or adopted
  bool router = false;                  // its guest is one: no neighbour then, see settle.cc
  std::optional<MacAddress> neighbour;  // what the kernel's entry says, when there is one
};

}  // namespace dove::agent
