// Between our errors and gRPC's statuses. The message travels unchanged, the errno does not.
#pragma once

#include <grpcpp/support/status.h>

#include "core/result.h"

namespace dove::api {

// Its details are the error as a Problem, so that is_answer() knows it.
grpc::Status to_status(const Error& error);
// Precondition: !status.ok(). Of a connection that could not be made only the last cause is left of
// gRPC's words.
Error to_error(const grpc::Status& status);
// Whether a daemon has answered so. If not, gRPC has: what became of the request is not known.
bool is_answer(const grpc::Status& status);

}  // namespace dove::api
