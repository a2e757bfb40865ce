// A whole controller in this process: memory store (or any other), registry, sessions, and a real
// gRPC server on a Unix socket of its own.
#pragma once

#include <grpcpp/channel.h>

#include <memory>

#include "api/transport.h"
#include "controller/agent_service.h"
#include "controller/management_service.h"
#include "dove/v1/management.grpc.pb.h"
#include "tests/catch.h"
#include "tests/unit/controller/memory_store.h"
#include "tests/unit/controller/temporary_directory.h"

namespace dove::controller {

class TestServer {
 public:
  explicit TestServer(Store& store, const Sessions::Options& options = {},
                      const Outbox::Limits& limits = {})
      : address_{.kind = api::Address::Kind::kUnix, .path = directory_ / "c.sock"},
        sessions_{options} {
    auto registry = Registry::open(store, sessions_);
    REQUIRE(registry);
    registry_ = *std::move(registry);
    grpc::ServerBuilder builder;
    management_ = std::make_unique<ManagementService>(builder, *registry_);
    agents_ = std::make_unique<AgentService>(builder, *registry_, sessions_, limits);
    auto server = api::start_server(builder, std::span{&address_, 1}, false);
    REQUIRE(server);
    server_ = *std::move(server);
    agents_->start();
    management_->start(agents_->thread());
  }
  ~TestServer() {
    server_->cancel();
    CHECK(agents_->stop(std::chrono::seconds{20}));
  }

  std::string target() const { return address_.to_string(); }
  std::shared_ptr<grpc::Channel> channel() const { return *api::make_channel(address_, false); }

  grpc::Status change(const v1::ChangeRequest& request, v1::ChangeReply* reply) const {
    grpc::ClientContext context;
    return v1::Management::NewStub(channel())->Change(&context, request, reply);
  }
  v1::ChangeReply must_change(const v1::ChangeRequest& request) const {
    v1::ChangeReply reply;
    const auto status = change(request, &reply);
    INFO(status.error_message());
    REQUIRE(status.ok());
    return reply;
  }
  grpc::Status show(const v1::ShowRequest& request, std::vector<v1::Object>* objects) const {
    grpc::ClientContext context;
    const auto stub = v1::Management::NewStub(channel());
    const auto reader = stub->Show(&context, request);
    for (v1::ShowReply reply; reader->Read(&reply);)
      objects->insert(objects->end(), reply.objects().begin(), reply.objects().end());
    return reader->Finish();
  }
  std::vector<v1::Object> show(v1::ShowRequest::Kind kind, const std::string& name = {}) const {
    v1::ShowRequest request;
    request.set_kind(kind);
    request.set_name(name);
    std::vector<v1::Object> objects;
    const auto status = show(request, &objects);
    INFO(status.error_message());
    REQUIRE(status.ok());
    return objects;
  }

 private:
  TemporaryDirectory directory_;
  api::Address address_;
  Sessions sessions_;
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<ManagementService> management_;
  std::unique_ptr<AgentService> agents_;
  std::unique_ptr<api::Server> server_;
};

// --- requests, short to write

inline void add_tenant(v1::ChangeRequest& change, const std::string& name) {
  change.add_operations()->mutable_tenant_add()->set_name(name);
}
inline void add_network(v1::ChangeRequest& change, const std::string& name,
                        const std::string& tenant, std::uint32_t vni,
                        std::initializer_list<const char*> subnets) {
  auto* network = change.add_operations()->mutable_network_add();
  network->set_name(name);
  network->set_tenant(tenant);
  network->set_vni(vni);
  for (const auto* text : subnets)
    api::write(Subnet{*Prefix::parse(text), std::nullopt}, network->add_subnets());
}
inline void add_endpoint(v1::ChangeRequest& change, const std::string& name,
                         const std::string& network, const char* mac,
                         std::initializer_list<const char*> ips) {
  auto* endpoint = change.add_operations()->mutable_endpoint_add();
  endpoint->set_name(name);
  endpoint->set_network(network);
  endpoint->set_mac(api::to_bytes(*MacAddress::parse(mac)));
  for (const auto* text : ips) endpoint->add_ips(api::to_bytes(*IpAddress::parse(text)));
}

}  // namespace dove::controller
