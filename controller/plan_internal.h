// Shared by the plan_*.cc files only: one plan function a kind of object, and their wording.
#pragma once

#include <fmt/format.h>

#include <string_view>

#include "controller/plan.h"
#include "core/name.h"

namespace dove::controller {

using Planned = Result<std::optional<Made>>;

Planned plan_tenant(const TenantAdd& add, Draft& draft);
Planned plan_tenant(const TenantSet& set, Draft& draft);
Planned plan_tenant(const TenantDel& del, Draft& draft);
Planned plan_network(const NetworkAdd& add, Draft& draft);
Planned plan_network(const NetworkSet& set, Draft& draft);
Planned plan_network(const NetworkDel& del, Draft& draft);
Planned plan_endpoint(const EndpointAdd& add, const Surroundings& around, Draft& draft);
Planned plan_endpoint(const EndpointSet& set, const Surroundings& around, Draft& draft);
Planned plan_endpoint(const EndpointDel& del, Draft& draft);
Planned plan_policy(const PolicyAdd& add, Draft& draft);
Planned plan_policy(const PolicyDel& del, Draft& draft);
Planned plan_host(const HostDel& del, const Surroundings& around, Draft& draft);

inline Error invalid(std::string message) { return {ErrorCode::kInvalid, std::move(message)}; }
inline Error conflict(std::string message) { return {ErrorCode::kConflict, std::move(message)}; }
inline Error exists(std::string message) { return {ErrorCode::kExists, std::move(message)}; }

inline std::string_view routing_word(bool denied) { return denied ? "deny" : "allow"; }

// "a", "b", "c" and 4 more
std::string some_of(const Names& names);

// Takes a dynamic endpoint away: what is registered, or not learned any more, wins.
void forget_dynamic(const std::string& name, Draft& draft);
void forget_dynamic(const Names& names, Draft& draft);

// Why no endpoint of this network may have the address, if so.
Status check_address(const Network& network, const IpAddress& ip);

}  // namespace dove::controller
