// What people ask the controller to change, as values: a management request behind its parser.
// What is left out is to be chosen, or is not compared when the thing is there already.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/key.h"
#include "core/result.h"
#include "core/subnet.h"
#include "dove/v1/management.pb.h"

namespace dove::controller {

struct TenantAdd {
  std::string name;
  std::optional<bool> routing_denied = {};
};
struct TenantSet {
  std::string name;
  std::optional<bool> routing_denied;
};
struct TenantDel {
  std::string name;
};
struct NetworkAdd {
  std::string name;
  std::string tenant;
  std::optional<Vni> vni;
  std::vector<Subnet> subnets;
  std::optional<bool> learn = {};
};
struct NetworkSet {
  std::string name;
  std::optional<bool> learn;
  std::vector<Subnet> subnets;  // the whole new list, unless empty
};
struct NetworkDel {
  std::string name;
};

struct WantedAddress {
  std::optional<IpAddress> ip;  // empty: "auto"
  bool shared = false;
};
struct EndpointAdd {
  std::string name;
  std::string network;
  std::optional<MacAddress> mac;
  std::vector<WantedAddress> addresses;
};
// A list, when there is any element of its kind, is the whole new list.
struct EndpointSet {
  std::string name;
  std::optional<MacAddress> mac;
  std::vector<WantedAddress> addresses;
  bool choose_mac = false;  // without `mac`
  bool no_ips = false;      // `addresses` has none of the kind, and they are all it is to have
  bool no_shared_ips = false;
};
struct EndpointDel {
  std::string name;
};
// The lesser name first.
struct PolicyPair {
  std::string tenant;
  std::string network;
  std::string other;
};
struct PolicyAdd : PolicyPair {
  bool denied = false;
};
struct PolicyDel : PolicyPair {
  std::optional<bool> denied = std::nullopt;  // only if it is this
};
struct HostDel {
  std::string name;
};

using Operation =
    std::variant<TenantAdd, TenantSet, TenantDel, NetworkAdd, NetworkSet, NetworkDel, EndpointAdd,
                 EndpointSet, EndpointDel, HostDel, PolicyAdd, PolicyDel>;

// Refuses names that break the rule of core/name.h and values of wrong length or range.
Result<Operation> parse_operation(const v1::Operation& message);
Result<std::vector<Operation>> parse_change(const v1::ChangeRequest& message);

}  // namespace dove::controller
