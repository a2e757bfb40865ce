// A doved that has one port and remembers nothing else: the other end of local.proto, on a real
// socket. What it answers is what dovectl must show.
#pragma once

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "api/status.h"
#include "dove/v1/local.grpc.pb.h"

namespace dove::test {

class FakeDoved final : public v1::Local::Service {
 public:
  explicit FakeDoved(const std::string& socket) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + socket, grpc::InsecureServerCredentials());
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~FakeDoved() override {
    closing_ = true;
    server_->Shutdown(std::chrono::system_clock::now());
  }
  FakeDoved(const FakeDoved&) = delete;
  FakeDoved& operator=(const FakeDoved&) = delete;

  void tell(const v1::Event& event) {
    const std::scoped_lock lock{mutex_};
    events_.push_back(event);
  }
  int connections() const { return static_cast<int>(peers_.size()); }

  grpc::Status PortAdd(grpc::ServerContext* context, const v1::PortAddRequest* request,
                       v1::Port* reply) override {
    note(context);
    if (request->dev() == "nosuch")
      return {grpc::StatusCode::NOT_FOUND, "device \"nosuch\" does not exist"};
    if (request->dev() == "lonely")
      return api::to_status({ErrorCode::kUnavailable, "no controller can be reached"});
    if (port_.dev() == request->dev() && port_.endpoint() != request->endpoint())
      return {grpc::StatusCode::ALREADY_EXISTS, "device \"tap0\" is a port already"};
    port_.set_dev(request->dev());
    port_.set_endpoint(request->endpoint());
    port_.set_network("web");
    port_.set_vni(100);
    port_.set_mac(std::string("\x02\x00\x00\x00\x00\x01", 6));
    port_.add_ips(std::string("\x0a\x01\x00\x05", 4));
    port_.set_mtu(1450);
    port_.set_state(v1::Port::ACTIVE);
    *reply = port_;
    return grpc::Status::OK;
  }
  grpc::Status PortDel(grpc::ServerContext* context, const v1::PortDelRequest* request,
                       v1::PortDelReply*) override {
    note(context);
    if (port_.dev() != request->dev())
      return {grpc::StatusCode::NOT_FOUND, "device \"" + request->dev() + "\" is no port"};
    port_.Clear();
    return grpc::Status::OK;
  }
  grpc::Status PortShow(grpc::ServerContext* context, const v1::PortShowRequest*,
                        grpc::ServerWriter<v1::PortShowReply>* writer) override {
    note(context);
    v1::PortShowReply reply;
    if (!port_.dev().empty()) *reply.add_ports() = port_;
    writer->Write(reply);
    return grpc::Status::OK;
  }
  // A broken one: it fails in the middle.
  grpc::Status FdbShow(grpc::ServerContext* context, const v1::TableRequest*,
                       grpc::ServerWriter<v1::FdbReply>* writer) override {
    note(context);
    v1::FdbReply reply;
    reply.add_entries()->set_dev("dvx100");
    for (int i = 0; i < 1000; ++i) writer->Write(reply);
    return {grpc::StatusCode::INTERNAL, "the dump was interrupted"};
  }
  grpc::Status Status(grpc::ServerContext* context, const v1::StatusRequest*,
                      v1::StatusReply* reply) override {
    note(context);
    reply->set_host("kvm1");
    return grpc::Status::OK;
  }
  grpc::Status Monitor(grpc::ServerContext* context, const v1::MonitorRequest*,
                       grpc::ServerWriter<v1::Event>* writer) override {
    for (std::size_t next = 0; !context->IsCancelled() && !closing_;) {
      std::this_thread::sleep_for(std::chrono::milliseconds{5});
      const std::scoped_lock lock{mutex_};
      for (; next < events_.size(); ++next) writer->Write(events_[next]);
    }
    return grpc::Status::OK;
  }

 private:
  void note(grpc::ServerContext* context) {
    const std::scoped_lock lock{mutex_};
    if (std::find(peers_.begin(), peers_.end(), context->peer()) == peers_.end())
      peers_.push_back(context->peer());
  }

  v1::Port port_;
  std::mutex mutex_;
  std::vector<v1::Event> events_;
  std::vector<std::string> peers_;
  std::atomic<bool> closing_ = false;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace dove::test
