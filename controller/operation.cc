#include "controller/operation.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/convert.h"
#include "core/name.h"

namespace dove::controller {
namespace {

Error invalid(std::string message) { return {ErrorCode::kInvalid, std::move(message)}; }

Result<std::optional<bool>> parse_routing(bool given, v1::Tenant::Routing routing) {
  if (!given) return std::optional<bool>{};
  if (!v1::Tenant::Routing_IsValid(routing))
    return invalid(fmt::format("routing {} is wrong, expected allow or deny", routing));
  return std::optional{routing == v1::Tenant::DENY};
}

Result<std::vector<Subnet>> parse_subnets(
    const google::protobuf::RepeatedPtrField<v1::Subnet>& list) {
  std::vector<Subnet> subnets;
  for (const auto& message : list) {
    auto subnet = api::parse_subnet(message);
    if (!subnet) return subnet.error();
    subnets.push_back(*std::move(subnet));
  }
  return subnets;
}

Result<std::optional<MacAddress>> parse_endpoint_mac(const std::string& bytes) {
  if (bytes.empty()) return std::optional<MacAddress>{};
  const auto mac = api::parse_mac(bytes);
  if (!mac) return invalid(fmt::format("MAC has {} bytes, expected 6", bytes.size()));
  if (!mac->is_unicast())
    return invalid(fmt::format("MAC \"{}\" is wrong: expected a unicast address other than zero",
                               mac->to_string()));
  return std::optional{*mac};
}

template <class Message>
Result<std::vector<WantedAddress>> parse_addresses(const Message& message) {
  std::vector<WantedAddress> wanted;
  for (const auto& bytes : message.ips()) {
    const auto ip = api::parse_ip(bytes);
    if (!ip && !bytes.empty())
      return invalid(fmt::format("IP has {} bytes, expected 4 or 16", bytes.size()));
    wanted.push_back({ip, false});
  }
  for (const auto& bytes : message.shared_ips()) {
    const auto ip = api::parse_ip(bytes);
    if (!ip) return invalid(fmt::format("shared IP has {} bytes, expected 4 or 16", bytes.size()));
    wanted.push_back({ip, true});
  }
  return wanted;
}

Result<Operation> parse(const v1::Tenant& message) {
  if (auto name = check_name("tenant name", message.name()); !name) return name.error();
  const auto routing = parse_routing(message.has_routing(), message.routing());
  if (!routing) return routing.error();
  return Operation{TenantAdd{message.name(), *routing}};
}

Result<Operation> parse(const v1::TenantSet& message) {
  const auto routing = parse_routing(message.has_routing(), message.routing());
  if (!routing) return routing.error();
  return Operation{TenantSet{message.name(), *routing}};
}

Result<Operation> parse(const v1::Network& message) {
  if (auto name = check_name("network name", message.name()); !name) return name.error();
  if (auto name = check_name("tenant name", message.tenant()); !name) return name.error();
  NetworkAdd add{message.name(), message.tenant(), {}, {}, {}};
  if (message.has_learn()) add.learn = message.learn();
  if (message.vni() != 0) {
    const auto vni = api::parse_vni(message.vni());
    if (!vni) return vni.error();
    add.vni = *vni;
  }
  auto subnets = parse_subnets(message.subnets());
  if (!subnets) return subnets.error();
  add.subnets = *std::move(subnets);
  return Operation{std::move(add)};
}

Result<Operation> parse(const v1::NetworkSet& message) {
  auto subnets = parse_subnets(message.subnets());
  if (!subnets) return subnets.error();
  const auto learn = message.has_learn() ? std::optional{message.learn()} : std::nullopt;
  return Operation{NetworkSet{message.name(), learn, *std::move(subnets)}};
}

Result<Operation> parse(const v1::EndpointAdd& message) {
  if (auto name = check_name("endpoint name", message.name()); !name) return name.error();
  if (auto name = check_name("network name", message.network()); !name) return name.error();
  const auto mac = parse_endpoint_mac(message.mac());
  if (!mac) return mac.error();
  auto addresses = parse_addresses(message);
  if (!addresses) return addresses.error();
  return Operation{EndpointAdd{message.name(), message.network(), *mac, *std::move(addresses)}};
}

Result<Operation> parse(const v1::EndpointSet& message) {
  const auto mac = parse_endpoint_mac(message.mac());
  if (!mac) return mac.error();
  auto addresses = parse_addresses(message);
  if (!addresses) return addresses.error();
  if (*mac && message.choose_mac()) return invalid("a MAC is given and is to be chosen as well");
  if ((message.no_ips() && message.ips_size() != 0) ||
      (message.no_shared_ips() && message.shared_ips_size() != 0))
    return invalid("addresses are given, and none of the kind are wanted");
  return Operation{EndpointSet{message.name(), *mac, *std::move(addresses), message.choose_mac(),
                               message.no_ips(), message.no_shared_ips()}};
}

Result<PolicyPair> parse_pair(const v1::Policy& message) {
  for (const auto* network : {&message.network(), &message.other()})
    if (auto name = check_name("network name", *network); !name) return name.error();
  if (message.network() == message.other())
    return invalid(fmt::format("policy between network \"{}\" and itself: expected two networks",
                               message.network()));
  const auto& [lesser, greater] = std::minmax(message.network(), message.other());
  return PolicyPair{message.tenant(), lesser, greater};
}

Result<Operation> parse_add(const v1::Policy& message) {
  auto pair = parse_pair(message);
  if (!pair) return pair.error();
  const auto routing = parse_routing(true, message.routing());
  if (!routing) return routing.error();
  return Operation{PolicyAdd{*std::move(pair), **routing}};
}

Result<Operation> parse_del(const v1::Policy& message) {
  auto pair = parse_pair(message);
  if (!pair) return pair.error();
  const auto routing = parse_routing(message.has_routing(), message.routing());
  if (!routing) return routing.error();
  return Operation{PolicyDel{*std::move(pair), *routing}};
}

}  // namespace

Result<Operation> parse_operation(const v1::Operation& message) {
  switch (message.operation_case()) {
    case v1::Operation::kTenantAdd:
      return parse(message.tenant_add());
    case v1::Operation::kTenantSet:
      return parse(message.tenant_set());
    case v1::Operation::kTenantDel:
      return Operation{TenantDel{message.tenant_del()}};
    case v1::Operation::kNetworkAdd:
      return parse(message.network_add());
    case v1::Operation::kNetworkSet:
      return parse(message.network_set());
    case v1::Operation::kNetworkDel:
      return Operation{NetworkDel{message.network_del()}};
    case v1::Operation::kEndpointAdd:
      return parse(message.endpoint_add());
    case v1::Operation::kEndpointSet:
      return parse(message.endpoint_set());
    case v1::Operation::kEndpointDel:
      return Operation{EndpointDel{message.endpoint_del()}};
    case v1::Operation::kHostDel:
      return Operation{HostDel{message.host_del()}};
    case v1::Operation::kPolicyAdd:
      return parse_add(message.policy_add());
    case v1::Operation::kPolicyDel:
      return parse_del(message.policy_del());
    default:
      break;
  }
  return invalid("the operation is unknown to this controller");
}

Result<std::vector<Operation>> parse_change(const v1::ChangeRequest& message) {
  if (message.operations().empty()) return invalid("the change has no operation, expected one");
  std::vector<Operation> operations;
  operations.reserve(static_cast<std::size_t>(message.operations_size()));
  for (const auto& one : message.operations()) {
    auto operation = parse_operation(one);
    if (!operation) return operation.error();
    operations.push_back(*std::move(operation));
  }
  return operations;
}

}  // namespace dove::controller
