#include "api/status.h"

#include "api/convert.h"

namespace dove::api {
namespace {

grpc::StatusCode to_status_code(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kInvalid:
      return grpc::StatusCode::INVALID_ARGUMENT;
    case ErrorCode::kNotFound:
      return grpc::StatusCode::NOT_FOUND;
    case ErrorCode::kExists:
      return grpc::StatusCode::ALREADY_EXISTS;
    case ErrorCode::kConflict:
      return grpc::StatusCode::FAILED_PRECONDITION;
    case ErrorCode::kDenied:
      return grpc::StatusCode::PERMISSION_DENIED;
    case ErrorCode::kUnavailable:
      return grpc::StatusCode::UNAVAILABLE;
    case ErrorCode::kSystem:
      break;
  }
  return grpc::StatusCode::INTERNAL;
}

ErrorCode to_error_code(grpc::StatusCode code) noexcept {
  switch (code) {
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::OUT_OF_RANGE:
    case grpc::StatusCode::UNIMPLEMENTED:
      return ErrorCode::kInvalid;
    case grpc::StatusCode::NOT_FOUND:
      return ErrorCode::kNotFound;
    case grpc::StatusCode::ALREADY_EXISTS:
      return ErrorCode::kExists;
    case grpc::StatusCode::FAILED_PRECONDITION:
    case grpc::StatusCode::ABORTED:
      return ErrorCode::kConflict;
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::UNAUTHENTICATED:
      return ErrorCode::kDenied;
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::DEADLINE_EXCEEDED:
    case grpc::StatusCode::CANCELLED:
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return ErrorCode::kUnavailable;
    default:
      return ErrorCode::kSystem;
  }
}

}  // namespace

grpc::Status to_status(const Error& error) {
  v1::Problem problem;
  write(error, &problem);
  return {to_status_code(error.code), error.message, problem.SerializeAsString()};
}

Error to_error(const grpc::Status& status) {
  auto message = status.error_message();
  // "failed to connect to all addresses; last error: UNKNOWN: ipv4:ADDRESS: Failed to connect to
  // remote host: Connection refused"
  if (!is_answer(status) && message.find("last error: ") != std::string::npos)
    message = message.substr(message.rfind(": ") + 2);
  return {to_error_code(status.error_code()), std::move(message)};
}

bool is_answer(const grpc::Status& status) {
  return status.ok() || !status.error_details().empty();
}

}  // namespace dove::api
