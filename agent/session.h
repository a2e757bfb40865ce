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

#include "agent/answer_clock.h"
#include "agent/directory.h"
#include "agent/progress.h"
#include "agent/session_reader.h"
#include "agent/truth.h"
#include "api/address.h"
#include "core/histogram.h"

namespace dove::v1 {
class FromController;
class Reply;
class Request;
class Welcome;
}  // namespace dove::v1

namespace dove::agent {

class Session final : public Directory, public TruthSource {
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
    std::chrono::milliseconds backoff_max{2000};
    std::chrono::milliseconds backoff_refused{5000};  // by a controller that was reached
    std::chrono::milliseconds handshake{5000};        // until the welcome
    std::chrono::milliseconds reply{10'000};  // a controller that owes a reply so long is dead
  };
  struct Info {
    bool connected = false;
    std::string controller;  // the address in use, or the one tried last
    std::chrono::steady_clock::time_point since;
    std::string problem;  // why there is no session: of each controller the last reason
    StorePoint store;
    HostId self{};                         // of the last session
    std::optional<MacAddress> router_mac;  // of every network's router, told by the last session
  };
  struct Counters {
    std::uint64_t sessions = 0;
    std::uint64_t failures = 0;  // attempts that came to nothing, and sessions lost
    std::uint64_t messages_received = 0;
    std::uint64_t keys_asked = 0;
    std::uint64_t keys_dropped = 0;      // too many waited to be written
    std::uint64_t malformed = 0;         // parts of messages that made no sense
    Histogram answer_time{kTimeBounds};  // see AnswerClock
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
  // All hosts told of up to this revision are let in, and no others. Not said without a session.
  void knows_hosts(std::uint64_t revision);
  // All that was told before the point is in force, but for the problem, if there is one. Likewise.
  void applied(const Progress::Point& point, const std::string& problem);
  // When the controller has answered all that was said before.
  void mark(Completion<void> done);
  // When all other hosts have applied what this one has changed, or have not in this time: those.
  void await(std::chrono::milliseconds wait, Completion<std::vector<Lag>> done);
  // Guests of this host listen to these groups, and to no others. Not said without a session: each
  // begins with all.
  void all_groups(Vni vni, std::span<const MacAddress> listened);
  // They do from now on, or no longer. While the controller does not read, it is said later, and
  // once however often it changes.
  void group(const MacKey& group, bool listened);
  // This host would keep the network as a whole, and has this of it. Not said without a session.
  void replicate(Vni vni, std::uint64_t revision, std::uint64_t digest);
  // This host counts on being told the changes of so many keys, of which it believes this.
  void prove_interest(Vni vni, std::uint32_t keys, std::uint64_t digest);
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
  void learn(const MacKey& guest, const Heard& heard, Completion<Attachment> done) override;
  void unlearn(const MacKey& guest, std::span<const IpAddress> ips, Completion<void> done) override;
  void keep(std::span<const MacKey> guests, Completion<void> done) override;
  void audit(const Beliefs& beliefs, Completion<Truth> done) override;  // session_audit.cc
  void look_up(std::span<const Key> keys, Completion<std::vector<BindingRecord>> done) override;
  void look_up(Vni vni, Completion<std::vector<BindingRecord>> done) override;
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
  void receive_reply(const v1::Reply& reply);
  void drop_stream();
  void ended(const Error& reason, bool refused);
  void tell_groups();
  void note_failure(const std::string& text);
  void retry(bool refused);
  // `extra`: so much longer than otherwise may the reply take.
  void request(const std::function<void(v1::Request&)>& fill, ReplyHandler done,
               std::chrono::milliseconds extra = {});
  void fail_requests(const Error& reason);
  void watch();
  void say_alive();
  void advance(std::uint64_t revision);

  asio::io_context& loop_;
  grpc::CompletionQueue& queue_;
  const Options options_;
  DirectoryListener& listener_;
  SessionReader reader_;
  asio::steady_timer retry_timer_;
  asio::steady_timer watch_timer_;
  std::minstd_rand random_;
  std::shared_ptr<Stream> stream_;
  std::vector<std::shared_ptr<Stream>> dropped_;  // gRPC may still be at work on them
  std::map<std::uint64_t, Waiting> waiting_;      // by request id
  std::uint64_t next_request_ = 1;
  std::map<Vni, std::map<MacAddress, bool>> changed_groups_;  // not yet told; listened to or not
  std::size_t next_controller_ = 0;
  std::vector<std::string> failures_;  // since the last session, by controller; empty: none
  unsigned failures_in_row_ = 0;
  bool ready_ = false;
  bool stopped_ = false;
  std::chrono::steady_clock::time_point attempt_began_;
  std::chrono::milliseconds alive_every_{};  // 0: the controller does not ask for it
  std::chrono::steady_clock::time_point said_alive_;
  Info info_;
  Counters counters_;
  AnswerClock answer_clock_;
};

}  // namespace dove::agent
