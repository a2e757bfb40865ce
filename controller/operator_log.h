// The controller's words for its operator: one line an event, with host, network, MAC, addresses
// and revision. Who makes the same event again and again gets few lines and a count.
//
// Thread-safe. Without a journal nothing is written.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "api/journal.h"
#include "controller/sessions.h"
#include "controller/state.h"

namespace dove::controller {

class OperatorLog {
 public:
  explicit OperatorLog(api::Journal* journal) noexcept : journal_{journal} {}

  void loaded(const State& state, std::uint64_t revision) const;
  // `registered`: for the first time, or with another VTEP than before.
  void connected(const Hello& hello, bool registered, std::uint64_t revision) const;
  void refused(const Hello& hello, const Error& why) const;
  // The store was restored from a copy, or the host's knowledge is very old.
  void knows_another_past(const Hello& hello, std::uint64_t revision) const;
  void disconnected(const Hello& hello, const std::string& why) const;
  // Who is suspect, or heard again.
  void silence(const std::string& line) const;

  struct Place {
    const Endpoint& endpoint;
    const std::set<IpAddress>& ips;
    std::string host;  // where it is now; empty: nowhere
    std::uint64_t revision = 0;
  };
  void attached(const Place& place) const;
  // `from` has it no longer.
  void lost(const Place& place, const std::string& from) const;
  // What a host asked for and did not get: "to have endpoint web1".
  void denied(const std::string& host, const std::string& what, const Error& why) const;
  void store_failed(std::uint64_t revision, const Error& why) const;
  // What has become of the change that the store could not tell about.
  void settled(bool made, std::uint64_t revision) const;
  // Now and then: what was held back.
  void tick() const {
    if (journal_ != nullptr) journal_->tick();
  }

 private:
  api::Journal* journal_;
};

}  // namespace dove::controller
