// A controller with a store of its own, to which agents connect.
#pragma once

#include <memory>
#include <string>

#include "tests/integration/controller/fake_agent.h"
#include "tests/integration/controller/server.h"

namespace dove::controller {

struct Fabric {
  explicit Fabric(const Sessions::Options& options = {}, const Outbox::Limits& limits = {})
      : server{store, options, limits} {}

  // Connected.
  std::unique_ptr<FakeAgent> agent(const std::string& name, const std::string& vtep,
                                   const std::string& boot_id = "boot") const {
    auto agent = std::make_unique<FakeAgent>(server.channel(), name, vtep, boot_id);
    agent->connect();
    return agent;
  }
  v1::Host host(const std::string& name) const {
    return server.show(v1::ShowRequest::HOST, name).front().host();
  }
  void wait_disconnected(const std::string& name) const {
    for (int i = 0; i < 500 && host(name).state() == v1::Host::CONNECTED; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds{10});
    REQUIRE(host(name).state() == v1::Host::DISCONNECTED);
  }

  MemoryStore store;
  TestServer server;
};

// With tenant t, its network n (VNI 100), and endpoints a and b.
struct SmallFabric : Fabric {
  explicit SmallFabric(const Sessions::Options& options = {}, const Outbox::Limits& limits = {})
      : Fabric{options, limits} {
    v1::ChangeRequest change;
    add_tenant(change, "t");
    add_network(change, "n", "t", 100, {"10.0.0.0/24"});
    add_endpoint(change, "a", "n", "02:00:00:00:00:0a", {"10.0.0.10"});
    add_endpoint(change, "b", "n", "02:00:00:00:00:0b", {"10.0.0.11"});
    server.must_change(change);
  }
};

}  // namespace dove::controller
