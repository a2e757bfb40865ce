// What people ask for over gRPC: changes and shows.
#pragma once

#include <grpcpp/server_builder.h>

#include "api/completion_thread.h"
#include "controller/registry.h"
#include "dove/v1/management.grpc.pb.h"

namespace dove::controller {

class ManagementService {
 public:
  // Registers with the server to be built. `registry` must outlive its calls.
  ManagementService(grpc::ServerBuilder& builder, Registry& registry);

  // Takes calls from now on, on `thread`. The server has been started.
  void start(api::CompletionThread& thread);

 private:
  v1::Management::AsyncService service_;
  Registry& registry_;
};

}  // namespace dove::controller
