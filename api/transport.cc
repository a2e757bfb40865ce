#include "api/transport.h"

#include <absl/synchronization/mutex.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>

#include <future>
#include <thread>

namespace dove::api {
namespace {

constexpr int kKeepaliveMs = 10'000;
constexpr int kKeepaliveTimeoutMs = 5'000;
// A connection that is not ready for calls by then is closed, though nobody waits for it any more.
constexpr int kConnectMs = 5'000;
// What may be under way unread on one stream. A fixed window needs no probing of the path, which
// otherwise adds a ping and its answer to every question.
constexpr int kWindowBytes = 1 << 20;

// Debian's Abseil looks for a cycle of locks at every lock that gRPC takes, and in that time holds
// one lock for all threads.
void stop_looking_for_deadlocks() {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
}

// A connection is there for who says something: to begin with, then with a call at least now and
// then.
constexpr int kHandshakeMs = 10'000;
constexpr int kIdleMs = 600'000;
constexpr int kCallsPerConnection = 256;

void set_arguments(grpc::ServerBuilder& builder) {
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kKeepaliveMs / 2);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kWindowBytes);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, kIdleMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kCallsPerConnection);
}

}  // namespace

Server::Server(std::unique_ptr<grpc::Server> rpc, std::unique_ptr<Acceptor> acceptor,
               std::unique_ptr<Listener> listener)
    : rpc_{std::move(rpc)}, acceptor_{std::move(acceptor)}, listener_{std::move(listener)} {
  listener_->start([this](int from, int connection) {
    Acceptor::NewConnectionParameters handed;
    handed.listener_fd = from;
    handed.fd = connection;
    acceptor_->HandleNewConnection(&handed);
  });
}

Server::~Server() { listener_->stop(); }

void Server::cancel() {
  listener_->stop();
  rpc_->Shutdown(std::chrono::system_clock::now());
}

bool Server::shut_down(std::chrono::milliseconds grace) {
  listener_->stop();
  auto ended = std::make_shared<std::promise<void>>();
  auto end = ended->get_future();
  std::thread{[rpc = rpc_.get(), grace, ended] {
    rpc->Shutdown(std::chrono::system_clock::now() + grace);
    ended->set_value();
  }}.detach();
  return end.wait_for(2 * grace) == std::future_status::ready;
}

Result<std::unique_ptr<Server>> start_server(grpc::ServerBuilder& builder,
                                             std::span<const Address> addresses, bool insecure) {
  stop_looking_for_deadlocks();
  for (const auto& address : addresses)
    if (auto allowed = check_plaintext(address, insecure); !allowed) return allowed.error();
  auto listener = Listener::open(addresses);
  if (!listener) return listener.error();
  set_arguments(builder);
  auto acceptor = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
      grpc::InsecureServerCredentials());
  auto rpc = builder.BuildAndStart();
  if (!rpc) return Error{ErrorCode::kSystem, "cannot start the server"};
  return std::make_unique<Server>(std::move(rpc), std::move(acceptor), *std::move(listener));
}

Result<std::shared_ptr<grpc::Channel>> make_channel(const Address& address, bool insecure,
                                                    Messages messages) {
  if (const auto allowed = check_plaintext(address, insecure); !allowed) return allowed.error();
  stop_looking_for_deadlocks();
  grpc::ChannelArguments arguments;
  if (messages == Messages::kOfAnyLength) arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // Else channels to one address share a connection, and its backoff.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kWindowBytes);
  return grpc::CreateCustomChannel(address.to_string(), grpc::InsecureChannelCredentials(),
                                   arguments);
}

}  // namespace dove::api
