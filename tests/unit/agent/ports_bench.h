// What tests of Ports stand on.
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "agent/ports.h"
#include "tests/catch.h"
#include "tests/unit/agent/fakes.h"

namespace dove::agent {

// A host with two devices and a controller with two endpoints of one network.
struct PortsBench {
  Calls calls;
  FakeDirectory directory{calls};
  FakeHost host{calls, directory};
  Ports ports{directory, host};

  PortsBench() {
    directory.add_endpoint("vm1", "blue", 100, "52:54:00:00:00:01");
    directory.add_endpoint("vm2", "blue", 100, "52:54:00:00:00:02");
    directory.add_endpoint("vm3", "red", 200, "52:54:00:00:00:03");
    host.devices = {"tap0", "tap1"};
  }

  // What `begin` was answered, when all has happened that it causes.
  template <class T>
  Result<T> outcome(const std::function<void(Completion<T>)>& begin) {
    std::optional<Result<T>> result;
    begin([&result](const Result<T>& done) { result.emplace(done); });
    directory.run();
    REQUIRE(result);
    return *result;
  }
  Result<Port> add(const PortRequest& wanted) {
    return outcome<Port>([&](auto done) { ports.add(wanted, std::move(done)); });
  }
  Result<Port> add(const std::string& dev, const std::string& endpoint,
                   std::optional<bool> security = {}) {
    return add({dev, endpoint, security});
  }
  Status del(const std::string& dev) {
    return outcome<void>([&](auto done) { ports.del(dev, std::move(done)); });
  }
  Result<Vni> join(const std::string& network) {
    return outcome<Vni>([&](auto done) { ports.join(network, std::move(done)); });
  }
  Result<Vni> leave(const std::string& network) {
    return outcome<Vni>([&](auto done) { ports.leave(network, std::move(done)); });
  }
  void ready() {
    directory.up = true;
    ports.on_session_ready();
    directory.run();
  }
  // The controller has it as active at this host.
  void attach_here(const std::string& name, std::uint64_t generation) {
    auto& endpoint = directory.endpoints.at(name);
    endpoint.state = Attachment::State::kActive;
    endpoint.host = directory.self;
    endpoint.generation = generation;
  }
  const Attachment& endpoint(const std::string& name) { return directory.endpoints.at(name); }
  bool active(const std::string& name) {
    return endpoint(name).state == Attachment::State::kActive;
  }
  // Nothing is left of a port on the host or at the controller.
  void check_clean() {
    CHECK(ports.list().empty());
    CHECK(ports.networks().empty());
    CHECK(host.ports.empty());
    CHECK(host.locals.empty());
    CHECK(host.networks.empty());
    CHECK(host.shown.empty());
    CHECK(directory.joined.empty());
    CHECK_FALSE(active("vm1"));
  }
  std::size_t count(const std::string& call) const {
    return static_cast<std::size_t>(std::count(calls.begin(), calls.end(), call));
  }
  std::size_t place(const std::string& call) const {
    return static_cast<std::size_t>(
        std::distance(calls.begin(), std::find(calls.begin(), calls.end(), call)));
  }
};

}  // namespace dove::agent
