// A host that is nothing but doved's own session with a controller: it joins a network, has
// endpoints there, asks for keys, keeps the network as a whole, and compares all that it is told
// with what must be true.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/session.h"

namespace dove::bench {

// Agents 0, 1, ... are spread over networks; agent i has the endpoints i * endpoints, ... of all.
struct Population {
  std::uint32_t agents = 1000;
  std::uint32_t networks = 50;
  std::uint32_t endpoints = 4;  // of each agent
  std::uint32_t keys = 100;     // that each asks for: its network's, and others that are not there

  std::uint32_t network_of(std::uint32_t agent) const { return agent % networks; }
  std::uint32_t agents_in(std::uint32_t network) const {
    return agents / networks + (network < agents % networks ? 1 : 0);
  }
  static Vni vni_of(std::uint32_t network) { return *Vni::from(100 + network); }
  static std::string network_name(std::uint32_t network) { return "n" + std::to_string(network); }
  static std::string endpoint_name(std::uint32_t n) { return "e" + std::to_string(n); }
  static std::string host_name(std::uint32_t agent) { return "h" + std::to_string(agent); }
  static MacAddress mac_of(std::uint32_t endpoint);
};

class PlayedAgent final : private agent::DirectoryListener {
 public:
  using Clock = std::chrono::steady_clock;

  // `ids`: of all agents, in which each writes its own; all outlive the object.
  PlayedAgent(const Population& population, std::uint32_t number, std::vector<HostId>& ids);

  // Connects, and comes back whenever the session is lost.
  void start(asio::io_context& loop, grpc::CompletionQueue& queue, const api::Address& controller);
  void stop() { session_.reset(); }
  // From now on every endpoint of the population is where it was claimed.
  void expect_all() { expect_all_ = true; }

  // All that it has asked for since its last hello is here and right. When that was so.
  std::optional<Clock::time_point> settled() const { return settled_; }
  std::uint64_t revision() const { return session_->revision(); }
  std::uint64_t attempts() const {
    return session_->counters().sessions + session_->counters().failures;
  }
  std::uint32_t activations() const noexcept { return activations_; }
  // What it still waits for, and why there is no session.
  std::string missing() const;
  const std::vector<std::string>& wrongs() const noexcept { return wrongs_; }

 private:
  void on_session_ready(bool new_store, HostId self) override;
  void on_session_lost(const Error& reason, bool refused) override;
  void on_hosts(std::span<const agent::HostRecord> hosts, bool full) override;
  void on_bindings(std::span<const agent::BindingRecord> bindings) override;
  void on_flood_list(Vni vni, std::span<const HostId> add, std::span<const HostId> remove,
                     bool full) override;
  void on_group_list(Vni, const std::optional<MacAddress>&, std::span<const HostId>,
                     std::span<const HostId>, bool) override {}
  void on_network(const agent::NetworkSettings&) override {}
  void on_lost(const agent::Attachment& attachment) override;
  void on_network_gone(Vni) override {}
  void on_readdressed(const agent::Attachment&) override {}
  void on_replica(const agent::ReplicaWord& word) override;
  void on_sync(std::uint64_t number, std::uint64_t revision) override {
    session_->applied({number, revision}, {});
  }
  void on_resync(const std::optional<Vni>&) override { wrong("was resynced"); }

  void claim(std::uint32_t endpoint);
  void ask();
  void judge(const MacBinding& binding);
  void done_with(const std::string& what);
  void wrong(const std::string& what);

  const Population& population_;
  const std::uint32_t number_;
  const Vni vni_;
  std::vector<HostId>& ids_;
  std::optional<agent::Session> session_;
  HostId self_{};
  std::set<std::string> waiting_;  // for these
  std::set<MacKey> asked_;         // not yet answered
  std::optional<Clock::time_point> settled_;
  bool expect_all_ = false;
  std::uint32_t activations_ = 0;
  std::vector<std::string> wrongs_;
};

}  // namespace dove::bench
