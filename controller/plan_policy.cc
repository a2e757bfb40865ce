#include "controller/plan_internal.h"

namespace dove::controller {
namespace {

Policy policy_of(const PolicyPair& pair, bool denied) {
  return {pair.tenant, pair.network, pair.other, denied};
}

std::string between(const PolicyPair& pair) {
  return fmt::format("between networks \"{}\" and \"{}\" of tenant \"{}\"", pair.network,
                     pair.other, pair.tenant);
}

// Both are there, are the tenant's, and stay so until this is committed.
Status require_networks(const PolicyPair& pair, Draft& draft) {
  if (draft.state().tenant(pair.tenant) == nullptr) return unknown("tenant", pair.tenant);
  for (const auto* name : {&pair.network, &pair.other}) {
    const auto* network = draft.state().network(*name);
    if (network == nullptr) return unknown("network", *name);
    if (network->tenant != pair.tenant)
      return invalid(fmt::format("network \"{}\" is tenant \"{}\"'s, not tenant \"{}\"'s", *name,
                                 network->tenant, pair.tenant));
    draft.require(Network{*network});
  }
  return {};
}

}  // namespace

Planned plan_policy(const PolicyAdd& add, Draft& draft) {
  if (auto status = require_networks(add, draft); !status) return status.error();
  const auto wanted = policy_of(add, add.denied);
  const auto* present = draft.state().policy(policy_name(wanted));
  if (present == nullptr)
    draft.put(wanted);
  else if (present->denied != add.denied)
    return exists(fmt::format("the policy {} exists with routing {}, not {}", between(add),
                              routing_word(present->denied), routing_word(add.denied)));
  return std::optional{Made{Made::Kind::kPolicy, policy_name(wanted)}};
}

Planned plan_policy(const PolicyDel& del, Draft& draft) {
  if (auto status = require_networks(del, draft); !status) return status.error();
  const auto* present = draft.state().policy(policy_name(policy_of(del, false)));
  if (present == nullptr)
    return Error{ErrorCode::kNotFound, fmt::format("there is no policy {}", between(del))};
  if (del.denied && present->denied != *del.denied)
    return conflict(fmt::format("the policy {} is {}, not {}", between(del),
                                routing_word(present->denied), routing_word(*del.denied)));
  draft.erase(Policy{*present});
  return std::optional<Made>{};
}

}  // namespace dove::controller
