// Sessions of agents over gRPC: one stream each. Answers asks on the thread that read them.
#pragma once

#include <grpcpp/server_builder.h>

#include <chrono>
#include <memory>
#include <vector>

#include "api/completion_thread.h"
#include "controller/operator_log.h"
#include "controller/registry.h"
#include "controller/sessions.h"
#include "dove/v1/agent.grpc.pb.h"

namespace dove::controller {

class AgentService {
 public:
  // Registers with the server to be built. Registry and sessions must outlive this.
  AgentService(grpc::ServerBuilder& builder, Registry& registry, Sessions& sessions,
               const Outbox::Limits& limits = {}, OperatorLog log = OperatorLog{nullptr});
  ~AgentService();
  AgentService(const AgentService&) = delete;
  AgentService& operator=(const AgentService&) = delete;

  // Takes sessions from now on. The server has been started.
  void start();
  // Waits until all streams have ended. The server has been shut down, which ends them, and is
  // still there. False when one has not after `patience`.
  bool stop(std::chrono::milliseconds patience);
  // One that has room for calls of other services. Between start() and stop().
  api::CompletionThread& thread() noexcept { return *threads_.front(); }

  struct Home;

 private:
  v1::AgentSession::AsyncService service_;
  Registry& registry_;
  Sessions& sessions_;
  const Outbox::Limits limits_;
  const OperatorLog log_;
  std::vector<std::unique_ptr<grpc::ServerCompletionQueue>> queues_;  // until start()
  std::vector<std::unique_ptr<Home>> homes_;
  std::vector<std::unique_ptr<api::CompletionThread>> threads_;  // last: they use the above
};

}  // namespace dove::controller
