// Between our errors and gRPC's statuses. The message travels unchanged, the errno does not.
#pragma once

#include <grpcpp/support/status.h>

#include "core/result.h"

namespace dove::api {

grpc::Status to_status(const Error& error);
// Precondition: !status.ok().
Error to_error(const grpc::Status& status);

}  // namespace dove::api
