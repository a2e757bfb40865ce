// Sessions of agents over gRPC: one stream each. Answers asks on the thread that read them.
#pragma once

#include "controller/registry.h"
#include "controller/sessions.h"
#include "dove/v1/agent.grpc.pb.h"

namespace dove::controller {

class AgentService final : public v1::AgentSession::CallbackService {
 public:
  // Both must outlive the service's streams.
  AgentService(Registry& registry, Sessions& sessions, const Outbox::Limits& limits = {})
      : registry_{registry}, sessions_{sessions}, limits_{limits} {}

  grpc::ServerBidiReactor<v1::FromAgent, v1::FromController>* Session(
      grpc::CallbackServerContext* context) override;

 private:
  Registry& registry_;
  Sessions& sessions_;
  const Outbox::Limits limits_;
};

}  // namespace dove::controller
