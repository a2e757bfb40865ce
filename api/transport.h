// Servers and channels on the addresses of api/address.h, made the same way by every program.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <chrono>
#include <memory>
#include <span>

#include "api/address.h"
#include "core/result.h"

namespace dove::api {

// Starts the server on every address. A Unix socket's file gets mode 0660; one that nobody listens
// on any more is replaced, one in use or a file of another kind is refused by name. Changes the
// process's umask while it runs: call it before there are threads that make files. Raises the
// process's limit of open files as far as it may: gRPC 1.51 listens no more after it was reached.
Result<std::unique_ptr<grpc::Server>> start_server(grpc::ServerBuilder& builder,
                                                   std::span<const Address> addresses,
                                                   bool insecure);

// Ends the server: calls have until `grace`, then they are cancelled. False when it has not ended
// `grace` again later, because a connection does not take what is being written to it: the server
// is still in use then, and the process can only be left by std::_Exit().
bool shut_down(grpc::Server& server, std::chrono::milliseconds grace);

// A channel that connects when it is first used. It ignores proxies of the environment and notices
// a dead peer by keepalives.
Result<std::shared_ptr<grpc::Channel>> make_channel(const Address& address, bool insecure);

}  // namespace dove::api
