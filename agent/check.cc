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
  const auto& refused = resolver_.refused();
  if (refused.empty()) return {};
  return fmt::format("the kernel refuses {} {}: {}", refused.size(),
                     refused.size() == 1 ? "entry" : "entries",
                     refused.begin()->second.error.message());
}

}  // namespace dove::agent
