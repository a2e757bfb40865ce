// Compares what this host believes with what the controller says: digests first, and in detail
// where they differ. What differs is looked at twice, a moment apart, and only what differs in the
// same way both times is a difference: the rest was on its way.
//
// Belongs to the loop thread. One network at a time.
#pragma once

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "agent/difference.h"
#include "agent/truth.h"

namespace dove::agent {

// A network, or the host as a whole.
using Scope = std::optional<Vni>;

// Who believes.
class Believer {
 public:
  virtual ~Believer() = default;
  virtual Beliefs beliefs(const Scope& scope) const = 0;
  // Everything but bindings.
  virtual std::vector<Difference> compare(const Scope& scope, const Truth& truth) const = 0;
  // The keys that were counted in Beliefs::interest.
  virtual std::vector<Key> counted(Vni vni) const = 0;
  // What is believed of these keys.
  virtual std::vector<Difference> compare(Vni vni, std::span<const Key> keys,
                                          std::span<const BindingRecord> truth) const = 0;
  // What is believed of a network as a whole.
  virtual std::vector<Difference> compare(Vni vni, std::span<const BindingRecord> truth) const = 0;
  // Asks anew for what is otherwise.
  virtual void mend(const Scope& scope, const Truth& truth) = 0;
};

class BeliefAudit {
 public:
  struct Counters {
    std::uint64_t audits = 0;
    std::uint64_t differences = 0;
    std::uint64_t mended = 0;
  };
  struct Outcome {
    std::vector<Difference> found;
    std::string unasked;  // why the controller was not asked to the end, if it was not
  };
  using Done = std::function<void(Outcome)>;

  // Both outlive it.
  BeliefAudit(asio::io_context& io, TruthSource& source, Believer& believer)
      : source_{source}, believer_{believer}, timer_{io} {}

  // Behind the others that wait.
  void run(std::vector<Scope> scopes, bool fix, Done done);
  bool idle() const noexcept { return jobs_.empty(); }
  const Counters& counters() const noexcept { return counters_; }

 private:
  struct Job {
    std::deque<Scope> scopes;
    bool fix;
    Done done;
    Outcome outcome;
  };
  struct Look {
    Truth truth;
    std::vector<Difference> found;
    std::deque<Key> keys;  // still to be looked up
  };
  using Then = std::function<void()>;

  void next();
  void finish(std::string unasked);
  // Each ends in then(), with the look in look_; or the whole job with the error.
  void look(Then then);
  void look_at_replica(Then then);
  void look_at_interest(Then then);
  void look_at_keys(Then then);
  void add(std::vector<Difference> found);
  void later(Then then);
  void judge();
  void verify(unsigned tries);
  void record();

  TruthSource& source_;
  Believer& believer_;
  asio::steady_timer timer_;
  std::deque<Job> jobs_;  // the first is under way
  Scope scope_;
  Look look_;
  std::vector<Difference> lasting_;
  Counters counters_;
};

}  // namespace dove::agent
