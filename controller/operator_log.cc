#include "controller/operator_log.h"

#include <fmt/format.h>

namespace dove::controller {
namespace {

std::string text_of(const Hello& hello) {
  return fmt::format("host {} with VTEP {}", hello.host, hello.vtep.to_string());
}

std::string text_of(const OperatorLog::Place& place) {
  const auto& endpoint = place.endpoint;
  auto text = fmt::format("endpoint {} of network {} (VNI {}), MAC {}", endpoint.name,
                          endpoint.network, endpoint.vni.value(), endpoint.mac.to_string());
  for (const auto& ip : place.ips) text += ", " + ip.to_string();
  return text;
}

}  // namespace

void OperatorLog::loaded(const State& state, std::uint64_t revision) const {
  if (journal_ == nullptr) return;
  journal_->info(fmt::format(
      "the store has {} tenants, {} networks, {} endpoints and {} hosts, at revision {}",
      state.tenants().size(), state.networks().size(), state.endpoints().size(),
      state.hosts().size(), revision));
}

void OperatorLog::connected(const Hello& hello, bool registered, std::uint64_t revision) const {
  if (journal_ == nullptr) return;
  journal_->notice("host " + hello.host,
                   fmt::format("{}, version {}, is connected{}, revision {}", text_of(hello),
                               hello.version, registered ? " and registered" : "", revision));
}

void OperatorLog::knows_another_past(const Hello& hello, std::uint64_t revision) const {
  if (journal_ == nullptr) return;
  journal_->complain(
      "past " + hello.host,
      fmt::format("host {} knows revision {} of a past that this store, at revision {}, has not "
                  "had: was it restored from a copy? The host asks for everything anew",
                  hello.host, hello.revision, revision));
}

void OperatorLog::refused(const Hello& hello, const Error& why) const {
  if (journal_ == nullptr) return;
  journal_->complain("refused " + hello.host,
                     fmt::format("{} is refused: {}", text_of(hello), why.message));
}

void OperatorLog::disconnected(const Hello& hello, const std::string& why) const {
  if (journal_ == nullptr) return;
  journal_->notice("host " + hello.host,
                   fmt::format("{} is disconnected: {}", text_of(hello), why));
}

void OperatorLog::silence(const std::string& line) const {
  if (journal_ != nullptr) journal_->complain(line);
}

void OperatorLog::attached(const Place& place) const {
  if (journal_ == nullptr) return;
  journal_->notice("endpoint " + place.endpoint.name,
                   fmt::format("{}, is at host {}, generation {}, revision {}", text_of(place),
                               place.host, place.endpoint.generation, place.revision));
}

void OperatorLog::lost(const Place& place, const std::string& from) const {
  if (journal_ == nullptr) return;
  const auto where = place.host.empty() ? std::string{"nowhere"} : "at host " + place.host;
  journal_->notice(
      "endpoint " + place.endpoint.name,
      fmt::format("{}, is {} now, no longer at host {}, generation {}, revision {}", text_of(place),
                  where, from, place.endpoint.generation, place.revision));
}

void OperatorLog::denied(const std::string& host, const std::string& what, const Error& why) const {
  if (journal_ == nullptr) return;
  journal_->complain(fmt::format("denied {} {}", host, static_cast<int>(why.code)),
                     fmt::format("host {} asks in vain {}: {}", host, what, why.message));
}

void OperatorLog::store_failed(std::uint64_t revision, const Error& why) const {
  if (journal_ == nullptr) return;
  journal_->complain("store", fmt::format("the store takes no commit after revision {}: {}",
                                          revision, why.message));
}

void OperatorLog::settled(bool made, std::uint64_t revision) const {
  if (journal_ == nullptr) return;
  journal_->notice("settled",
                   fmt::format("the store answers again: the change that was uncertain was {}",
                               made ? fmt::format("made, revision {}", revision) : "not made"));
}

}  // namespace dove::controller
