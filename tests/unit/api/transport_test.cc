#include "api/transport.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "dove/v1/local.grpc.pb.h"
#include "tests/catch.h"
#include "tests/unit/controller/temporary_directory.h"

namespace dove::api {
namespace {

Address at(const std::string& path) { return {.kind = Address::Kind::kUnix, .path = path}; }

Result<std::unique_ptr<Server>> start(const Address& address, bool insecure = false) {
  static v1::Local::CallbackService service;  // refuses every call
  grpc::ServerBuilder builder;
  builder.RegisterService(&service);
  return start_server(builder, std::span{&address, 1}, insecure);
}

bool contains(const Error& error, const std::string& part) {
  return error.message.find(part) != std::string::npos;
}

TEST_CASE("a socket is for its owner and group, and refused while it is in use") {
  const TemporaryDirectory directory;
  const auto address = at(directory / "a.sock");
  const auto server = start(address);
  REQUIRE(server);
  struct stat status {};
  REQUIRE(::stat(address.path.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0660);
  const auto second = start(address);
  REQUIRE_FALSE(second);
  CHECK(second.error().code == ErrorCode::kConflict);
  CHECK(contains(second.error(), address.path));
}

TEST_CASE("a socket that nobody listens on any more is replaced") {
  const TemporaryDirectory directory;
  const auto address = at(directory / "a.sock");
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::strcpy(name.sun_path, address.path.c_str());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  REQUIRE(::bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0);
  ::close(fd);
  REQUIRE(::access(address.path.c_str(), F_OK) == 0);
  CHECK(start(address));
}

TEST_CASE("a file of another kind is left alone") {
  const TemporaryDirectory directory;
  const auto address = at(directory / "a.sock");
  std::ofstream{address.path} << "precious";
  const auto server = start(address);
  REQUIRE_FALSE(server);
  CHECK(contains(server.error(), "no socket"));
  CHECK(::access(address.path.c_str(), F_OK) == 0);
}

TEST_CASE("a directory that is not there is an error that names the socket") {
  const TemporaryDirectory directory;
  const auto server = start(at(directory / "none/a.sock"));
  REQUIRE_FALSE(server);
  CHECK(contains(server.error(), "none/a.sock"));
}

TEST_CASE("a TCP port in use is refused: two servers never share one") {
  // A port that is free now; should another process take it meanwhile, both starts fail.
  Result<std::unique_ptr<Server>> first{Error{}};
  Address address{.kind = Address::Kind::kTcp, .host = "127.0.0.1"};
  for (std::uint16_t port = 42000; !first && port < 42100; ++port) {
    address.port = port;
    first = start(address);
  }
  REQUIRE(first);
  const auto second = start(address);
  REQUIRE_FALSE(second);
  CHECK(contains(second.error(), address.to_string()));
  CHECK(contains(second.error(), "in use"));
}

TEST_CASE("plain TCP beyond this machine is refused on both sides") {
  const Address address{.kind = Address::Kind::kTcp, .host = "0.0.0.0", .port = 42123};
  CHECK(start(address).error().code == ErrorCode::kDenied);
  CHECK(make_channel(address, false).error().code == ErrorCode::kDenied);
  CHECK(make_channel(address, true));
}

}  // namespace
}  // namespace dove::api
