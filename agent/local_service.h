// What dovectl speaks with: local.proto on a Unix socket that owner and group may use. Requests are
// carried to the loop thread and answered from there; gRPC's threads touch nothing of the agent's.
#pragma once

#include <grpcpp/server_builder.h>

#include <asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>

#include "agent/agent.h"
#include "api/completion_thread.h"
#include "core/result.h"

namespace dove::agent {

class LocalService {
 public:
  // Replaces the socket of a doved that has died; refuses one in use, by name. `thread` waits at a
  // queue of `builder`. All but the socket must outlive the object.
  static Result<std::unique_ptr<LocalService>> open(asio::io_context& loop,
                                                    grpc::ServerBuilder& builder,
                                                    api::CompletionThread& thread, Agent& agent,
                                                    const std::string& socket);
  ~LocalService();

  // Takes no more requests, ends those who watch, and calls `done` on the loop when every request
  // was answered, or with false when one has not been after some seconds: the process can then only
  // be left by std::_Exit().
  void stop(std::function<void(bool clean)> done);

 private:
  struct Server;
  explicit LocalService(std::unique_ptr<Server> server);
  std::unique_ptr<Server> server_;
};

}  // namespace dove::agent
