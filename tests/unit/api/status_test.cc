#include "api/status.h"

#include "tests/catch.h"

namespace dove::api {
namespace {

TEST_CASE("every error survives being a status") {
  const auto code =
      GENERATE(ErrorCode::kInvalid, ErrorCode::kNotFound, ErrorCode::kExists, ErrorCode::kConflict,
               ErrorCode::kDenied, ErrorCode::kUnavailable, ErrorCode::kSystem);
  const Error error{code, "what was wrong"};
  CHECK_FALSE(to_status(error).ok());
  CHECK(to_error(to_status(error)) == error);
  CHECK(is_answer(to_status(error)));
}

TEST_CASE("what gRPC says itself is no daemon's answer") {
  CHECK(is_answer(grpc::Status::OK));
  CHECK_FALSE(is_answer({grpc::StatusCode::UNAVAILABLE, "Socket closed"}));
}

TEST_CASE("statuses that we never make have a meaning all the same") {
  CHECK(to_error({grpc::StatusCode::DEADLINE_EXCEEDED, ""}).code == ErrorCode::kUnavailable);
  CHECK(to_error({grpc::StatusCode::UNAUTHENTICATED, ""}).code == ErrorCode::kDenied);
  CHECK(to_error({grpc::StatusCode::UNKNOWN, ""}).code == ErrorCode::kSystem);
}

}  // namespace
}  // namespace dove::api
