// Servers and channels on the addresses of api/address.h, made the same way by every program.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>

#include "api/address.h"
#include "api/listener.h"
#include "core/result.h"

namespace dove::api {

// A server of gRPC's, and where it listens.
class Server {
 public:
  using Acceptor = grpc::experimental::ExternalConnectionAcceptor;
  Server(std::unique_ptr<grpc::Server> rpc, std::unique_ptr<Acceptor> acceptor,
         std::unique_ptr<Listener> listener);
  // Every call has ended.
  ~Server();

  // Whoever comes from now on is not let in; calls of those who are in go on.
  void stop_listening() { listener_->stop(); }
  // Ends the server: calls have until `grace`, then they are cancelled. False when it has not ended
  // `grace` again later, because a connection does not take what is being written to it: the server
  // is still in use then, and the process can only be left by std::_Exit().
  bool shut_down(std::chrono::milliseconds grace);
  // The same at once, however long it takes.
  void cancel();
  // Until somebody ends it.
  void wait() { rpc_->Wait(); }

 private:
  const std::unique_ptr<grpc::Server> rpc_;
  const std::unique_ptr<Acceptor> acceptor_;
  const std::unique_ptr<Listener> listener_;
};

// Starts the server on every address; see Listener::open() for what that means. Call it before
// there are threads that make files. Raises the process's limit of open files as far as it may.
// Connections that say nothing, or have had no call for a while, are closed.
Result<std::unique_ptr<Server>> start_server(grpc::ServerBuilder& builder,
                                             std::span<const Address> addresses, bool insecure);

// A channel that connects when it is first used. It ignores proxies of the environment and notices
// a dead peer by keepalives. Messages are taken up to gRPC's 4 MiB, or of any length.
enum class Messages : std::uint8_t { kBounded, kOfAnyLength };
Result<std::shared_ptr<grpc::Channel>> make_channel(const Address& address, bool insecure,
                                                    Messages messages = Messages::kBounded);

}  // namespace dove::api
