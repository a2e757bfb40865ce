// Everything the controller knows, in memory, with the indexes that planning and showing need.
// put() and erase() are the only ways in: the same for what is loaded at start and for what has
// been committed, so the two cannot differ. A record is known by its key_of(): a put replaces what
// the key had, an erase removes it, whatever else the value says.
//
// Pointers and references into the state live until the next put() or erase().
// Not thread-safe: the registry's thread owns it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "controller/record.h"

namespace dove::controller {

using TimePoint = std::chrono::steady_clock::time_point;

// Whether an endpoint can have this address of the subnet: it is neither reserved nor the gateway.
bool is_for_endpoints(const Subnet& subnet, const IpAddress& ip) noexcept;

// A record and the revision of the commit that wrote it.
template <class T>
struct Kept : T {
  std::uint64_t revision = 0;
};

template <class T>
using ByName = std::map<std::string, Kept<T>, std::less<>>;
using Names = std::set<std::string, std::less<>>;

class State {
 public:
  static constexpr std::chrono::minutes kQuarantine{10};
  static constexpr std::uint32_t kFirstChosenVni = 4096;

  // `now` begins the rest of a quarantine record.
  void put(const Value& value, std::uint64_t revision, TimePoint now);
  void erase(const Value& value);

  struct Found {
    Value value;
    std::uint64_t revision;
  };
  std::optional<Found> find(const Value& same_key) const;
  // What records say of one another holds. To be checked once after loading; planning keeps it.
  Status check() const;

  // --- objects by name; null when there is none
  const Kept<Tenant>* tenant(std::string_view name) const;
  const Kept<Network>* network(std::string_view name) const;
  const Kept<Policy>* policy(std::string_view name) const;  // by policy_name()
  const Kept<Network>* network(Vni vni) const;
  const Kept<Endpoint>* endpoint(std::string_view name) const;
  const Kept<Host>* host(std::string_view name) const;
  const Kept<Host>* host(HostId id) const;
  const Kept<Address>* address(const IpKey& key) const;
  const Kept<Endpoint>* endpoint(const MacKey& key) const;
  // The endpoint that answers for an address: the first of its speakers that is active.
  const Kept<Endpoint>* speaker_of(const Address& address) const;
  const std::string* mac_owner(std::string_view tenant, const MacAddress& mac) const;
  std::uint32_t last_host_id() const noexcept { return last_host_id_.last; }

  // --- objects in order of their names
  const ByName<Tenant>& tenants() const noexcept { return tenants_; }
  const ByName<Network>& networks() const noexcept { return networks_; }
  const ByName<Policy>& policies() const noexcept { return policies_; }
  const ByName<Endpoint>& endpoints() const noexcept { return endpoints_; }
  const ByName<Host>& hosts() const noexcept { return hosts_; }

  // --- who belongs to whom; empty sets when there is nothing
  const Names& networks_of(std::string_view tenant) const;
  const Names& policies_of(std::string_view network) const;  // by policy_name()
  const Names& endpoints_of(std::string_view network) const;
  const Names& endpoints_at(HostId host) const;  // active ones
  const Names& dynamic_of(std::string_view network) const;
  const Names& dynamic_at(HostId host) const;
  const std::set<IpAddress>& ips_of(std::string_view endpoint) const;
  void each_address(Vni vni, const std::function<void(const Kept<Address>&)>& visit) const;

  // --- what is free. A key under quarantine is free again kQuarantine after it was put.
  const Quarantine* resting(const std::string& of, TimePoint now) const;
  std::vector<Quarantine> rested(TimePoint now, std::size_t limit) const;
  // The lowest VNI from kFirstChosenVni on, then from 1 on, that nobody has and that does not rest.
  std::optional<Vni> free_vni(TimePoint now) const;
  // The lowest address of the subnet that nobody has, that does not rest, and that is neither
  // reserved nor the gateway.
  std::optional<IpAddress> free_ip(Vni vni, const Subnet& subnet, TimePoint now) const;
  // Addresses of the network's subnets that are not free only because they rest.
  struct Rest {
    std::size_t addresses = 0;
    TimePoint first_ends;  // when there is any
  };
  Rest rest_in(const Network& network, TimePoint now) const;

 private:
  struct Resting {
    Quarantine record;
    std::uint64_t revision = 0;
    TimePoint until;
  };
  struct NetworkAddresses {
    std::unordered_map<IpAddress, Kept<Address>> by_ip;
    // Where the search for a free address of a subnet may begin: all before are not free.
    mutable std::map<Prefix, std::uint64_t> search_from;
  };

  void add(const Tenant& value, std::uint64_t revision);
  void add(const Network& value, std::uint64_t revision);
  void add(const Policy& value, std::uint64_t revision);
  void add(const VniOwner& value, std::uint64_t revision);
  void add(const Endpoint& value, std::uint64_t revision);
  void add(const MacOwner& value, std::uint64_t revision);
  void add(const Address& value, std::uint64_t revision);
  void add(const Host& value, std::uint64_t revision);
  void add(const HostIdCounter& value, std::uint64_t revision);
  // Each removes the very record, as find() gave it, from its map and indexes.
  void remove(const Tenant& value);
  void remove(const Network& value);
  void remove(const Policy& value);
  void remove(const VniOwner& value);
  void remove(const Endpoint& value);
  void remove(const MacOwner& value);
  void remove(const Address& value);
  void remove(const Host& value);
  void remove(const HostIdCounter& value);
  void remove(const Quarantine& value);
  void rest(const Quarantine& value, std::uint64_t revision, TimePoint now);
  void search_again(const IpKey& freed);
  void search_again(Vni freed);
  bool something_rested(TimePoint now) const;
  bool is_free(const IpKey& key, const Subnet& subnet, TimePoint now) const;
  Status check(const Network& network) const;
  Status check(const Policy& policy) const;
  Status check(const Endpoint& endpoint) const;
  Status check(const Address& address) const;

  ByName<Tenant> tenants_;
  ByName<Network> networks_;
  ByName<Policy> policies_;
  ByName<Endpoint> endpoints_;
  ByName<Host> hosts_;
  Kept<HostIdCounter> last_host_id_;
  std::map<std::uint32_t, Kept<VniOwner>> vnis_;
  std::unordered_map<std::string, std::unordered_map<MacAddress, Kept<MacOwner>>> macs_;
  std::unordered_map<Vni, NetworkAddresses> addresses_;
  std::map<std::string, Resting, std::less<>> resting_;  // by the key that rests

  std::map<std::string, Names, std::less<>> networks_of_;
  std::map<std::string, Names, std::less<>> policies_of_;
  std::map<std::string, Names, std::less<>> endpoints_of_;
  std::map<HostId, Names> endpoints_at_;
  std::map<std::string, Names, std::less<>> dynamic_of_;
  std::map<HostId, Names> dynamic_at_;
  std::map<HostId, std::string> host_names_;
  std::map<std::string, std::set<IpAddress>, std::less<>> ips_of_;
  std::set<std::pair<TimePoint, std::string>> rest_ends_;
  mutable std::uint32_t vni_search_from_ = kFirstChosenVni;
};

}  // namespace dove::controller
