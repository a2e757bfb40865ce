// What the controller keeps, as values: one struct a kind of record, with its key and its stored
// form. See store/store.h for the keys and records.proto for the bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/binding.h"
#include "core/key.h"
#include "core/result.h"
#include "core/subnet.h"
#include "core/vtep.h"

namespace dove::controller {

struct Tenant {
  std::string name;
  bool routing_denied = false;
  friend bool operator==(const Tenant&, const Tenant&) = default;
};

// Between two networks of a tenant, in place of what the tenant says of all.
struct Policy {
  std::string tenant;
  std::string network;  // the lesser name
  std::string other;
  bool denied = false;
  friend bool operator==(const Policy&, const Policy&) = default;
};

struct Network {
  std::string name;
  std::string tenant;
  Vni vni;
  std::vector<Subnet> subnets;  // each with its gateway
  bool learn = false;
  friend bool operator==(const Network&, const Network&) = default;
};

// The network that has a VNI.
struct VniOwner {
  Vni vni;
  std::string network;
  friend bool operator==(const VniOwner&, const VniOwner&) = default;
};

struct Endpoint {
  std::string name;
  std::string network;
  Vni vni;
  MacAddress mac;
  bool dynamic = false;
  bool active = false;
  HostId host{};  // when active
  std::uint64_t generation = 0;
  MacKey key() const noexcept { return {vni, mac}; }
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

// The endpoint that has a MAC in a tenant.
struct MacOwner {
  std::string tenant;
  MacAddress mac;
  std::string endpoint;
  friend bool operator==(const MacOwner&, const MacOwner&) = default;
};

struct Address {
  enum class Kind : std::uint8_t { kOwned, kShared, kLinkLocal };
  IpKey key;
  Kind kind = Kind::kOwned;
  bool chosen = false;
  std::vector<std::string> endpoints;  // the present speaker first; never empty
  std::uint64_t generation = 0;
  bool router = false;  // the present speaker is an IPv6 router
  friend bool operator==(const Address&, const Address&) = default;
};

struct Host {
  std::string name;
  HostId id{};
  Vtep vtep;
  friend bool operator==(const Host&, const Host&) = default;
};

struct Quarantine {
  std::string of;  // the vni/ or address/ key that rests
  std::string tenant;
  friend bool operator==(const Quarantine&, const Quarantine&) = default;
};

// The last HostId given out.
struct HostIdCounter {
  std::uint32_t last = 0;
  friend bool operator==(const HostIdCounter&, const HostIdCounter&) = default;
};

using Value = std::variant<Tenant, Network, VniOwner, Endpoint, MacOwner, Address, Host, Quarantine,
                           HostIdCounter, Policy>;

std::string tenant_key(std::string_view name);
std::string policy_key(std::string_view name);  // by policy_name()
std::string network_key(std::string_view name);
std::string vni_key(Vni vni);
std::string endpoint_key(std::string_view name);
std::string mac_key(std::string_view tenant, const MacAddress& mac);
std::string address_key(const IpKey& key);
std::string address_key_prefix(Vni vni);  // of the keys of all its addresses
std::string host_key(std::string_view name);
std::string quarantine_key(std::string_view of);

// TENANT/NETWORK/OTHER: a policy is known by what it is between.
std::string policy_name(const Policy& policy);

// The VNI or address that a vni/ or address/ key is about; empty for any other text.
std::variant<std::monostate, Vni, IpKey> subject_of(std::string_view key);

std::string key_of(const Value& value);
std::string encode(const Value& value);
// The error names the key. A record that does not belong under its key is refused.
Result<Value> decode(const std::string& key, const std::string& bytes);

}  // namespace dove::controller
