// What this host remembers, compared with its kernel and with what the controller says.
#include <fmt/format.h>

#include "agent/agent.h"

namespace dove::agent {

void Agent::check(const std::string& network, bool fix, Completion<Checked> done) {
  std::optional<Vni> only;
  for (const auto& settings : ports_.networks())
    if (settings.name == network) only = settings.vni;
  if (!network.empty() && !only)
    return done(
        Error{ErrorCode::kNotFound, fmt::format("this host has no network \"{}\"", network)});
  std::vector<Scope> scopes{only};
  if (!only) scopes.insert(scopes.end(), networks_.begin(), networks_.end());
  if (only) scopes.emplace_back();  // the endpoints of this host are told together
  datapath_->audit(only, fix, [this, only, fix, scopes, done = std::move(done)](auto found) {
    audit_.run(scopes, fix, [=, this, here = std::move(found)](BeliefAudit::Outcome outcome) {
      std::erase_if(outcome.found, [&](const auto& one) { return only && one.vni != only; });
      auto all = here;
      for (const auto& port : unmade_ports())
        if (!only || port.vni == *only)
          all.push_back(
              {.vni = port.vni,
               .what = fmt::format("port {} is not made, though its device is there", port.dev),
               .command = "dovectl check",
               .problem = port.problem});
      all.insert(all.end(), outcome.found.begin(), outcome.found.end());
      done(Checked{std::move(all), std::move(outcome.unasked)});
    });
  });
}

std::string Agent::refusals() const {
  const auto& entries = resolver_.refused();
  if (refused() == 0) return {};
  return fmt::format("the kernel refuses {} {}: {}", refused(),
                     refused() == 1 ? "entry" : "entries",
                     entries.empty() ? refused_routers_.begin()->second.problem
                                     : entries.begin()->second.error.message());
}

std::size_t Agent::refused() const { return resolver_.refused().size() + refused_routers_.size(); }

}  // namespace dove::agent
