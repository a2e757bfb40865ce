// What people ask for over gRPC: changes and shows.
#pragma once

#include "controller/registry.h"
#include "dove/v1/management.grpc.pb.h"

namespace dove::controller {

class ManagementService final : public v1::Management::CallbackService {
 public:
  // `registry` must outlive the service's calls.
  explicit ManagementService(Registry& registry) : registry_{registry} {}

  grpc::ServerUnaryReactor* Change(grpc::CallbackServerContext* context,
                                   const v1::ChangeRequest* request,
                                   v1::ChangeReply* reply) override;
  grpc::ServerWriteReactor<v1::ShowReply>* Show(grpc::CallbackServerContext* context,
                                                const v1::ShowRequest* request) override;

 private:
  Registry& registry_;
};

}  // namespace dove::controller
