// The stream to a controller: connects to one of several, says hello, carries questions and
// answers, and when it is lost tries the next, with jittered backoff. The only file pair of the
// agent that knows gRPC's client.
//
// Everything here is called, and calls back, on the loop thread; gRPC's own threads only hand over
// whole messages. Nothing is delivered after the destructor has begun; completions still waiting
// then are dropped.
//
// Words go out at once while nothing is being written, and are gathered into larger messages while
// something is. What waits to be written is bounded: beyond that, asks are dropped and counted (who
// asked asks again) and requests fail.
#pragma once

#include <grpcpp/completion_queue.h>

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "agent/directory.h"
#include "api/address.h"

namespace dove::v1 {
class Bindings;
class FloodList;
class FromController;
class GroupList;
class Hosts;
class Lost;
class Readdressed;
class NetworkSettings;
class Reply;
class Request;
class Welcome;
}  // namespace dove::v1

namespace dove::agent {

class Session final : public Directory {
 public:
  struct Options {
    std::string host;
    Vtep vtep;
    std::string boot_id;
    std::string version;
    std::vector<api::Address> controllers;  // at least one, in order of preference
    bool insecure = false;
    StorePoint known;  // from the state file
    // Times are settable for tests.
    std::chrono::milliseconds backoff_min{50};
    std::chrono::milliseconds backoff_max{5000};
    std::chrono::milliseconds handshake{5000};  // until the welcome
    std::chrono::milliseconds reply{10'000};    // a controller that owes a reply so long is dead
  };
  struct Info {
    bool connected = false;
    std::string controller;  // the address in use, or the one tried last
    std::chrono::steady_clock::time_point since;
    std::string problem;  // why there is no session
    StorePoint store;
    HostId self{};                         // of the last session
    std::optional<MacAddress> router_mac;  // of every network's router, told by the last session
  };
  struct Counters {
    std::uint64_t sessions = 0;
    std::uint64_t failures = 0;  // attempts that came to nothing, and sessions lost
    std::uint64_t messages_received = 0;
    std::uint64_t keys_asked = 0;
    std::uint64_t keys_dropped = 0;  // too many waited to be written
    std::uint64_t malformed = 0;     // parts of messages that made no sense
  };

  // A thread waits at `queue` (api::CompletionThread). All three outlive the object.
  Session(asio::io_context& loop, grpc::CompletionQueue& queue, Options options,
          DirectoryListener& listener);
  ~Session() override;

  void start();
  // For good. Requests still waiting fail.
  void stop();
  // After stop(): waits until gRPC does nothing for it any more.
  void wait_until_ended() const;
  // The kernel's state is that of this revision; said when there is nothing better to do.
  void applied(std::uint64_t revision);
  // Guests of this host listen to these groups from now on, or no longer; `full`: to no others. Not
  // said without a session: each begins with all.
  void groups(Vni vni, std::span<const MacAddress> add, std::span<const MacAddress> remove,
              bool full);
  Info info() const;
  std::uint64_t revision() const noexcept { return info_.store.revision; }  // the last heard of
  const Counters& counters() const noexcept { return counters_; }

  bool connected() const override { return ready_; }
  void join(const std::string& network, Completion<NetworkSettings> done) override;
  void join(Vni vni, Completion<NetworkSettings> done) override;
  void leave(Vni vni, Completion<void> done) override;
  void prepare(const std::string& endpoint, Completion<Prepared> done) override;
  void activate(const std::string& endpoint, std::uint64_t generation,
                Completion<Attachment> done) override;
  void detach(const std::string& endpoint, std::uint64_t generation,
              Completion<void> done) override;
  void announce(const IpKey& address, MacAddress mac, std::optional<bool> router,
                Completion<void> done) override;
  void ask(std::span<const Key> keys) override { ask(keys, std::nullopt); }
  // For a guest of this host's that has the address `asker`: told when it is one address alone.
  void ask(std::span<const Key> keys, const std::optional<IpAddress>& asker);
  void forget(std::span<const Key> keys) override;

 private:
  class Stream;
  using ReplyHandler = std::function<void(Result<const v1::Reply*>)>;
  struct Waiting {
    std::chrono::steady_clock::time_point deadline;
    ReplyHandler done;
  };

  void connect();
  void say_hello();
  void receive(const v1::FromController& message);
  void receive_welcome(const v1::Welcome& welcome);
  void receive_bindings(const v1::Bindings& message);
  void receive_hosts(const v1::Hosts& message);
  void receive_flood_list(const v1::FloodList& message);
  void receive_group_list(const v1::GroupList& message);
  void receive_network(const v1::NetworkSettings& message);
  void receive_lost(const v1::Lost& message);
  void receive_readdressed(const v1::Readdressed& message);
  void receive_reply(const v1::Reply& reply);
  void drop_stream();
  void ended(const Error& reason, bool refused);
  void retry(bool refused);
  void request(const std::function<void(v1::Request&)>& fill, ReplyHandler done);
  void fail_requests(const Error& reason);
  void watch();
  void advance(std::uint64_t revision);
  template <class Value>
  Value* check(Result<Value>& parsed);

  asio::io_context& loop_;
  grpc::CompletionQueue& queue_;
  const Options options_;
  DirectoryListener& listener_;
  asio::steady_timer retry_timer_;
  asio::steady_timer watch_timer_;
  std::minstd_rand random_;
  std::shared_ptr<Stream> stream_;
  std::vector<std::shared_ptr<Stream>> dropped_;  // gRPC may still be at work on them
  std::map<std::uint64_t, Waiting> waiting_;      // by request id
  std::uint64_t next_request_ = 1;
  std::size_t next_controller_ = 0;
  unsigned failures_in_row_ = 0;
  bool ready_ = false;
  bool stopped_ = false;
  std::chrono::steady_clock::time_point attempt_began_;
  std::vector<BindingRecord> bindings_;  // of the message at hand
  Info info_;
  Counters counters_;
};

}  // namespace dove::agent
