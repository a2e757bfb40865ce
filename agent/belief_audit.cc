#include "agent/belief_audit.h"

#include <algorithm>

namespace dove::agent {
namespace {

// Long enough for what is on its way, and for an answer to what is asked anew.
constexpr std::chrono::milliseconds kPause{300};
constexpr unsigned kTries = 5;

bool contains(const std::vector<Difference>& all, const Difference& one) {
  return std::any_of(all.begin(), all.end(),
                     [&](const Difference& other) { return other.what == one.what; });
}

Difference untold(const Scope& scope, const char* what) {
  return {.with = Difference::With::kController, .vni = scope, .what = what, .command = {}};
}

}  // namespace

void BeliefAudit::run(std::vector<Scope> scopes, bool fix, Done done) {
  jobs_.push_back({{scopes.begin(), scopes.end()}, fix, std::move(done), {}});
  if (jobs_.size() == 1) next();
}

void BeliefAudit::next() {
  auto& job = jobs_.front();
  if (job.scopes.empty()) return finish({});
  scope_ = job.scopes.front();
  job.scopes.pop_front();
  ++counters_.audits;
  lasting_.clear();
  look([this] {
    if (look_.found.empty()) return next();
    lasting_ = std::move(look_.found);
    later([this] { look([this] { judge(); }); });
  });
}

void BeliefAudit::finish(std::string unasked) {
  auto job = std::move(jobs_.front());
  jobs_.pop_front();
  job.outcome.unasked = std::move(unasked);
  if (!jobs_.empty()) next();
  job.done(std::move(job.outcome));
}

// --- one look

void BeliefAudit::look(Then then) {
  look_ = {};
  source_.audit(believer_.beliefs(scope_), [this, then = std::move(then)](const auto& truth) {
    if (!truth) return finish(truth.error().message);
    look_.truth = *truth;
    add(believer_.compare(scope_, *truth));
    look_at_replica(then);
  });
}

void BeliefAudit::look_at_replica(Then then) {
  if (!look_.truth.replica_differs) return look_at_interest(std::move(then));
  source_.look_up(*scope_, [this, then = std::move(then)](const auto& all) {
    auto found = all ? believer_.compare(*scope_, *all) : std::vector<Difference>{};
    if (found.empty())
      found.push_back(
          untold(scope_, "the network is not kept as a whole, by the controller's account"));
    add(std::move(found));
    look_at_interest(then);
  });
}

void BeliefAudit::look_at_interest(Then then) {
  if (!look_.truth.interest_differs) return then();
  const auto keys = believer_.counted(*scope_);
  look_.keys.assign(keys.begin(), keys.end());
  const auto before = look_.found.size();
  look_at_keys([this, before, then = std::move(then)] {
    if (look_.found.size() == before)
      add({untold(scope_, "other keys are asked for than the controller tells changes of")});
    then();
  });
}

void BeliefAudit::look_at_keys(Then then) {
  if (look_.keys.empty()) return then();
  const auto count = std::min(look_.keys.size(), TruthSource::kKeysAtOnce);
  const std::vector<Key> keys{look_.keys.begin(), look_.keys.begin() + static_cast<long>(count)};
  look_.keys.erase(look_.keys.begin(), look_.keys.begin() + static_cast<long>(count));
  source_.look_up(keys, [this, keys, then = std::move(then)](const auto& all) {
    if (!all) return finish(all.error().message);
    add(believer_.compare(*scope_, keys, *all));
    look_at_keys(then);
  });
}

void BeliefAudit::add(std::vector<Difference> found) {
  look_.found.insert(look_.found.end(), std::make_move_iterator(found.begin()),
                     std::make_move_iterator(found.end()));
}

void BeliefAudit::later(Then then) {
  timer_.expires_after(kPause);
  timer_.async_wait([then = std::move(then)](const std::error_code& error) {
    if (!error) then();
  });
}

// --- what follows

void BeliefAudit::judge() {
  std::erase_if(lasting_, [this](const auto& one) { return !contains(look_.found, one); });
  counters_.differences += lasting_.size();
  if (lasting_.empty()) return next();
  if (!jobs_.front().fix) return record();
  believer_.mend(scope_, look_.truth);
  verify(1);
}

void BeliefAudit::verify(unsigned tries) {
  later([this, tries] {
    look([this, tries] {
      bool left = false;
      for (auto& one : lasting_) {
        one.mended = !contains(look_.found, one);
        left = left || !one.mended;
      }
      if (left && tries < kTries) return verify(tries + 1);
      record();
    });
  });
}

void BeliefAudit::record() {
  for (auto& one : lasting_) {
    if (one.mended) ++counters_.mended;
    if (one.mended || !jobs_.front().fix)
      one.problem.clear();
    else if (one.problem.empty())
      one.problem = "asking the controller anew did not help";
    jobs_.front().outcome.found.push_back(std::move(one));
  }
  next();
}

}  // namespace dove::agent
