#include "controller/plan.h"

#include "controller/plan_internal.h"

namespace dove::controller {
namespace {

struct Planner {
  const Surroundings& around;
  Draft& draft;
  Planned operator()(const TenantAdd& v) const { return plan_tenant(v, draft); }
  Planned operator()(const TenantSet& v) const { return plan_tenant(v, draft); }
  Planned operator()(const TenantDel& v) const { return plan_tenant(v, draft); }
  Planned operator()(const NetworkAdd& v) const { return plan_network(v, draft); }
  Planned operator()(const NetworkSet& v) const { return plan_network(v, draft); }
  Planned operator()(const NetworkDel& v) const { return plan_network(v, draft); }
  Planned operator()(const EndpointAdd& v) const { return plan_endpoint(v, around, draft); }
  Planned operator()(const EndpointSet& v) const { return plan_endpoint(v, around, draft); }
  Planned operator()(const EndpointDel& v) const { return plan_endpoint(v, draft); }
  Planned operator()(const PolicyAdd& v) const { return plan_policy(v, draft); }
  Planned operator()(const PolicyDel& v) const { return plan_policy(v, draft); }
  Planned operator()(const HostDel& v) const { return plan_host(v, around, draft); }
};

}  // namespace

Result<std::optional<Made>> plan(const Operation& operation, const Surroundings& around,
                                 Draft& draft) {
  return std::visit(Planner{around, draft}, operation);
}

void sweep(Draft& draft) {
  constexpr std::size_t kAtOnce = 64;
  for (const auto& rested : draft.state().rested(draft.now(), kAtOnce)) draft.erase(rested);
}

std::string some_of(const Names& names) {
  constexpr std::size_t kNamed = 5;
  std::string text;
  auto name = names.begin();
  for (std::size_t i = 0; i < kNamed && name != names.end(); ++i, ++name)
    text += fmt::format("{}\"{}\"", i == 0 ? "" : ", ", *name);
  if (names.size() > kNamed) text += fmt::format(" and {} more", names.size() - kNamed);
  return text;
}

}  // namespace dove::controller
