// A controller and a host that keep state, record what was asked of them, and fail on demand.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/ports.h"

namespace dove::agent {

// What was called, in order, over all fakes of a test.
using Calls = std::vector<std::string>;

inline NetworkSettings network_named(const std::string& name, std::uint32_t vni) {
  return {.vni = *Vni::from(vni), .name = name, .tenant = "t"};
}

class FakeDirectory final : public Directory {
 public:
  explicit FakeDirectory(Calls& calls) : calls_{calls} {}

  // --- the controller's objects
  void add_endpoint(const std::string& name, const std::string& network, std::uint32_t vni,
                    const char* mac) {
    networks.insert_or_assign(network, network_named(network, vni));
    endpoints.insert_or_assign(
        name, Attachment{.endpoint = name, .vni = *Vni::from(vni), .mac = *MacAddress::parse(mac)});
    network_of[name] = network;
  }
  std::map<std::string, Attachment> endpoints;
  std::map<std::string, std::string> network_of;
  std::map<std::string, NetworkSettings> networks;
  std::set<std::uint32_t> joined;
  HostId self{1};
  bool up = true;
  std::string fail;  // the call that fails
  ErrorCode fail_code = ErrorCode::kConflict;

  // Runs what is answered, until there is nothing more.
  void run() {
    while (!answers_.empty()) {
      const auto answer = std::move(answers_.front());
      answers_.pop_front();
      answer();
    }
  }
  // The answers that wait come to nothing, as when the session dies; what was asked for is done.
  void lose_session() { up = false; }

  bool connected() const override { return up; }
  void join(const std::string& network, Completion<NetworkSettings> done) override {
    if (const auto found = networks.find(network); found != networks.end())
      return join(found->second.vni, std::move(done));
    answer<NetworkSettings>("join " + network, std::move(done), [=] {
      return Error{ErrorCode::kNotFound, "no network " + network};
    });
  }
  void join(Vni vni, Completion<NetworkSettings> done) override {
    answer<NetworkSettings>("join", std::move(done), [this, vni]() -> Result<NetworkSettings> {
      joined.insert(vni.value());
      for (const auto& [name, network] : networks)
        if (network.vni == vni) return network;
      return Error{ErrorCode::kNotFound, "no such network"};
    });
  }
  void leave(Vni vni, Completion<void> done) override {
    answer<void>("leave", std::move(done), [this, vni]() -> Status {
      joined.erase(vni.value());
      return {};
    });
  }
  void prepare(const std::string& endpoint, Completion<Prepared> done) override {
    answer<Prepared>("prepare", std::move(done), [this, endpoint]() -> Result<Prepared> {
      const auto found = endpoints.find(endpoint);
      if (found == endpoints.end()) return Error{ErrorCode::kNotFound, "no endpoint " + endpoint};
      return Prepared{found->second, networks.at(network_of.at(endpoint))};
    });
  }
  void activate(const std::string& endpoint, std::uint64_t generation,
                Completion<Attachment> done) override {
    answer<Attachment>("activate", std::move(done), [=, this]() -> Result<Attachment> {
      auto& there = endpoints.at(endpoint);
      if (there.generation != generation) return Error{ErrorCode::kConflict, "older generation"};
      if (there.state == Attachment::State::kActive && there.host == self) return there;
      ++there.generation;
      there.state = Attachment::State::kActive;
      there.host = self;
      return there;
    });
  }
  void detach(const std::string& endpoint, std::uint64_t generation,
              Completion<void> done) override {
    answer<void>("detach", std::move(done), [=, this]() -> Status {
      const auto found = endpoints.find(endpoint);
      if (found == endpoints.end() || found->second.generation != generation)
        return Error{ErrorCode::kConflict, "older generation"};
      found->second.state = Attachment::State::kGone;
      return {};
    });
  }
  void announce(const IpKey& /*address*/, MacAddress /*mac*/, std::optional<bool> /*router*/,
                Completion<void> done) override {
    answer<void>("announce", std::move(done), [] { return Status{}; });
  }
  void learn(const MacKey& guest, const Heard& heard, Completion<Attachment> done) override {
    answer<Attachment>(heard.check ? "check" : "learn", std::move(done),
                       [=, this] { return learned(guest, heard); });
  }
  void unlearn(const MacKey& guest, std::span<const IpAddress> ips,
               Completion<void> done) override {
    const std::vector<IpAddress> gone{ips.begin(), ips.end()};
    answer<void>("unlearn", std::move(done), [=, this]() -> Status {
      const auto name = dynamic_name(guest);
      if (gone.empty()) endpoints.erase(name);
      if (const auto found = endpoints.find(name); found != endpoints.end())
        std::erase_if(found->second.ips, [&](const auto& ip) {
          return std::find(gone.begin(), gone.end(), ip) != gone.end();
        });
      return {};
    });
  }
  void keep(std::span<const MacKey> guests, Completion<void> done) override {
    kept = {guests.begin(), guests.end()};
    answer<void>("keep", std::move(done), [] { return Status{}; });
  }
  static std::string dynamic_name(const MacKey& guest) { return "dyn-" + guest.mac.to_string(); }
  std::set<MacAddress> registered;  // by others: never learned
  std::map<IpAddress, bool> taken;  // by others; whether a claim may take it
  std::vector<MacKey> kept;         // as it was told last
  void ask(std::span<const Key> /*keys*/) override {}
  void forget(std::span<const Key> /*keys*/) override {}

 private:
  Result<Attachment> learned(const MacKey& guest, const Heard& heard) {
    if (registered.contains(guest.mac)) return Error{ErrorCode::kExists, "it is registered"};
    const auto name = dynamic_name(guest);
    const auto known = endpoints.find(name);
    Attachment there = known != endpoints.end() ? known->second
                                                : Attachment{.endpoint = name,
                                                             .vni = guest.vni,
                                                             .mac = guest.mac,
                                                             .ips = {},
                                                             .shared_ips = {},
                                                             .state = Attachment::State::kActive,
                                                             .host = self,
                                                             .generation = 1};
    if (std::exchange(there.host, self) != self) ++there.generation;
    for (const auto& ip : heard.ips) {
      const auto other = taken.find(ip);
      if (other != taken.end() && !(heard.claimed && other->second)) continue;
      if (std::find(there.ips.begin(), there.ips.end(), ip) == there.ips.end())
        there.ips.push_back(ip);
    }
    if (heard.check) return there;
    networks.try_emplace("learned", network_named("learned", guest.vni.value()));
    network_of[name] = "learned";
    endpoints.insert_or_assign(name, there);
    return there;
  }

  template <class T>
  void answer(const std::string& what, Completion<T> done, std::function<Result<T>()> act) {
    calls_.push_back(what);
    answers_.push_back([=, this] {
      if (!up) return done(Error{ErrorCode::kUnavailable, "no session"});
      if (fail == what) return done(Error{fail_code, what + " failed"});
      const auto result = act();
      // The session may end between the controller's doing it and our hearing of it.
      if (fail == "lose " + what) up = false;
      done(up ? result : Result<T>{Error{ErrorCode::kUnavailable, "session lost"}});
    });
  }

  Calls& calls_;
  std::deque<std::function<void()>> answers_;
};

class FakeHost final : public PortHost {
 public:
  FakeHost(Calls& calls, FakeDirectory& directory) : calls_{calls}, directory_{directory} {}

  std::set<std::string> devices;
  std::map<std::string, MacKey> ports;                // on their bridges
  std::map<std::string, std::vector<IpAddress>> own;  // what the guests may send from
  std::set<MacKey> locals;
  std::set<Vni> networks;
  std::vector<std::string> troubles;
  std::vector<NetworkSettings> heard;
  mutable std::map<HostId, std::string> names;
  std::map<std::string, Port::State> shown;
  std::string fail;
  int saves = 0;
  std::function<void()> on_save;  // looks at what would be saved

  Status check_device(const std::string& dev) const override {
    if (devices.contains(dev)) return {};
    return Error{ErrorCode::kNotFound, "there is no device \"" + dev + "\""};
  }
  Status add_network(Vni vni) override {
    if (auto status = call("add_network"); !status) return status;
    networks.insert(vni);
    return {};
  }
  void remove_network(Vni vni) override {
    calls_.push_back("remove_network");
    networks.erase(vni);
  }
  void add_port(const Port& port, Completion<void> done) override {
    const auto status = call("add_port");
    if (status) {
      ports.insert_or_assign(port.dev, port.guest());
      locals.insert(port.guest());
      own.insert_or_assign(port.dev, port.ips);
    }
    done(status);
  }
  void set_addresses(const Port& port) override { own.insert_or_assign(port.dev, port.ips); }
  void remove_port(const std::string& dev, const MacKey& guest, Completion<void> done) override {
    const auto status = call("remove_port");
    if (status) {
      ports.erase(dev);
      locals.erase(guest);
    }
    done(status);
  }
  void set_local(const MacKey& guest, bool here) override {
    here ? void(locals.insert(guest)) : void(locals.erase(guest));
  }
  void save(Completion<void> done) override {
    ++saves;
    if (on_save) on_save();
    done(call("save"));
  }
  HostId self() const override { return directory_.self; }
  const std::string& host_name(HostId host) const override { return names[host]; }
  void on_settings(const NetworkSettings& settings) override { heard.push_back(settings); }
  void on_port(const Port& port, bool deleted) override {
    deleted ? void(shown.erase(port.dev)) : void(shown[port.dev] = port.state);
  }
  void on_trouble(const std::string& what) override { troubles.push_back(what); }

 private:
  Status call(const std::string& what) {
    calls_.push_back(what);
    if (fail == what) return Error{ErrorCode::kSystem, what + " failed"};
    return {};
  }

  Calls& calls_;
  FakeDirectory& directory_;
};

}  // namespace dove::agent
