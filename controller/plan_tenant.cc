#include "controller/plan_internal.h"

namespace dove::controller {
namespace {

Made tenant_made(const std::string& name) { return {Made::Kind::kTenant, name}; }

}  // namespace

Planned plan_tenant(const TenantAdd& add, Draft& draft) {
  const auto* present = draft.state().tenant(add.name);
  if (present == nullptr)
    draft.put(Tenant{add.name, add.routing_denied.value_or(false)});
  else if (add.routing_denied && present->routing_denied != *add.routing_denied)
    return exists(fmt::format("tenant \"{}\" exists with routing {}, not {}", add.name,
                              routing_word(present->routing_denied),
                              routing_word(*add.routing_denied)));
  return std::optional{tenant_made(add.name)};
}

Planned plan_tenant(const TenantSet& set, Draft& draft) {
  const auto* present = draft.state().tenant(set.name);
  if (present == nullptr) return unknown("tenant", set.name);
  Tenant tenant = *present;
  tenant.routing_denied = set.routing_denied.value_or(tenant.routing_denied);
  draft.put(tenant);
  return std::optional{tenant_made(set.name)};
}

Planned plan_tenant(const TenantDel& del, Draft& draft) {
  const auto* present = draft.state().tenant(del.name);
  if (present == nullptr) return unknown("tenant", del.name);
  if (const auto& networks = draft.state().networks_of(del.name); !networks.empty())
    return conflict(
        fmt::format("tenant \"{}\" still has networks: {}", del.name, some_of(networks)));
  draft.erase(Tenant{*present});
  return std::optional<Made>{};
}

}  // namespace dove::controller
