// Servers and channels on the addresses of api/address.h, made the same way by every program.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <memory>
#include <span>

#include "api/address.h"
#include "core/result.h"

namespace dove::api {

// Starts the server on every address. A Unix socket's file gets mode 0660; one that nobody listens
// on any more is replaced, one in use or a file of another kind is refused by name. Changes the
// process's umask while it runs: call it before there are threads that make files.
Result<std::unique_ptr<grpc::Server>> start_server(grpc::ServerBuilder& builder,
                                                   std::span<const Address> addresses,
                                                   bool insecure);

// A channel that connects when it is first used. It ignores proxies of the environment and notices
// a dead peer by keepalives.
Result<std::shared_ptr<grpc::Channel>> make_channel(const Address& address, bool insecure);

}  // namespace dove::api
