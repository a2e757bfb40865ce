// A state that is planned upon and committed to without store or threads.
#pragma once

#include "api/convert.h"
#include "controller/draft.h"
#include "controller/plan.h"
#include "controller/topology.h"
#include "tests/catch.h"
#include "tests/unit/controller/memory_store.h"

namespace dove::controller {

class Model {
 public:
  // The error, or what was made. Effective as a whole or not at all.
  Result<std::vector<Made>> change(const std::vector<Operation>& operations) {
    Draft draft{state_, now_};
    std::vector<Made> made;
    for (const auto& operation : operations) {
      const auto planned = plan(operation, surroundings(), draft);
      if (!planned) return planned.error();
      if (*planned) made.push_back(**planned);
    }
    commit(draft);
    return made;
  }
  void must(const Operation& operation) {
    const auto made = change({operation});
    INFO((made ? "" : made.error().message));
    REQUIRE(made);
  }
  // The message of the error that must come, and come without a trace.
  std::string refusal(const Operation& operation, ErrorCode code) {
    const auto before = everything();
    const auto made = change({operation});
    REQUIRE_FALSE(made);
    CHECK(made.error().code == code);
    CHECK(everything() == before);
    return made.error().message;
  }

  template <class Plan>
  Status host_asks(Plan plan_it) {
    Draft draft{state_, now_};
    auto status = plan_it(draft);
    if (status) commit(draft);
    return status;
  }
  HostId register_host(const std::string& name, const std::string& vtep) {
    HostId id{};
    REQUIRE(host_asks([&](Draft& draft) -> Status {
      const auto host = plan_registration({name, {*IpAddress::parse(vtep)}}, draft);
      if (!host) return host.error();
      id = *host;
      return {};
    }));
    return id;
  }
  Status activate(HostId host, const std::string& endpoint) {
    const auto generation = state_.endpoint(endpoint)->generation;
    return host_asks([&](Draft& d) { return plan_activation(host, endpoint, generation, d); });
  }

  const State& state() const { return state_; }
  MemoryStore& store() { return store_; }
  std::vector<Record> records() { return store_.read_all()->records; }
  std::uint64_t revision() const { return revision_; }
  TimePoint now() const { return now_; }
  void pass(std::chrono::seconds time) { now_ += time; }
  void on_commit(std::function<void(const std::vector<Change>&)> told) {
    on_commit_ = std::move(told);
  }
  void set_connected(bool connected) { connected_ = connected; }

  // What a controller that starts now would know.
  static State load(Store& store, TimePoint now) {
    State state;
    const auto snapshot = store.read_all();
    for (const auto& record : snapshot->records) {
      const auto value = decode(record.key, record.value);
      INFO((value ? "" : value.error().message));
      REQUIRE(value);
      state.put(*value, record.revision, now);
    }
    const auto status = state.check();
    INFO((status ? "" : status.error().message));
    REQUIRE(status);
    return state;
  }

  Surroundings surroundings() const {
    return {store_.id(), revision_, [this](HostId) { return connected_; }, kDefaultRouterMac};
  }

 private:
  std::vector<std::string> everything() {
    std::vector<std::string> all;
    for (const auto& record : records())
      all.push_back(record.key + record.value + std::to_string(record.revision));
    return all;
  }
  void commit(Draft& draft) {
    if (draft.changes().empty()) return;
    sweep(draft);
    const auto transaction = draft.transaction();
    const auto changes = draft.changes();
    draft.roll_back();
    const auto revision = store_.commit(transaction);
    REQUIRE(revision);
    revision_ = *revision;
    apply(state_, changes, revision_, now_);
    if (on_commit_) on_commit_(changes);
  }

  MemoryStore store_;
  State state_;
  std::uint64_t revision_ = 0;
  TimePoint now_{std::chrono::hours{1}};
  bool connected_ = false;
  std::function<void(const std::vector<Change>&)> on_commit_;
};

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}
inline IpAddress ip(const char* text) { return *IpAddress::parse(text); }
inline MacAddress mac(const char* text) { return *MacAddress::parse(text); }
inline Vni vni(std::uint32_t raw) { return *Vni::from(raw); }
inline Subnet subnet(const char* prefix) { return {*Prefix::parse(prefix), std::nullopt}; }
inline Subnet subnet(const char* prefix, const char* gateway) {
  return {*Prefix::parse(prefix), ip(gateway)};
}
inline WantedAddress own(const char* text) { return {ip(text), false}; }
inline WantedAddress shared(const char* text) { return {ip(text), true}; }
inline const WantedAddress kAuto{};

}  // namespace dove::controller
