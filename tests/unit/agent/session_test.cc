#include "agent/session.h"

#include <fmt/format.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <unistd.h>

#include <asio/post.hpp>
#include <condition_variable>
#include <deque>
#include <fstream>
#include <mutex>
#include <optional>
#include <thread>

#include "api/completion_thread.h"
#include "api/convert.h"
#include "dove/v1/agent.grpc.pb.h"
#include "tests/catch.h"

namespace dove::agent {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// A controller that says only what the test tells it to.
class FakeController final : public v1::AgentSession::Service {
 public:
  explicit FakeController(int number)
      : path_{"/tmp/dove-session-" + std::to_string(::getpid()) + "-" + std::to_string(number)} {
    start();
  }
  ~FakeController() override { stop(); }

  void start() {
    ::unlink(path_.c_str());
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + path_, grpc::InsecureServerCredentials());
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    REQUIRE(server_ != nullptr);
  }
  void stop() {
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
    ::unlink(path_.c_str());
  }
  api::Address address() const { return *api::parse_address("unix:" + path_); }

  // What to do with a hello: a welcome, or a status that refuses.
  std::string store_id = "S1";
  bool other_past = false;
  grpc::Status refusal;
  bool silent = false;
  std::uint32_t lease_ms = 0;

  std::optional<v1::FromAgent> next_word(std::chrono::milliseconds wait = 5s) {
    std::unique_lock lock{mutex_};
    if (!changed_.wait_for(lock, wait, [this] { return !words_.empty(); })) return std::nullopt;
    auto word = std::move(words_.front());
    words_.pop_front();
    return word;
  }
  void say(const v1::FromController& message) {
    const std::lock_guard lock{mutex_};
    if (stream_ != nullptr) stream_->Write(message);
  }
  // Ends the session at the next word of the agent.
  void end_session(const grpc::Status& status) {
    const std::lock_guard lock{mutex_};
    ending_ = status;
  }
  int sessions() {
    const std::lock_guard lock{mutex_};
    return sessions_;
  }

 private:
  using Stream = grpc::ServerReaderWriter<v1::FromController, v1::FromAgent>;

  grpc::Status Session(grpc::ServerContext* /*context*/, Stream* stream) override {
    v1::FromAgent message;
    while (stream->Read(&message)) {
      const std::lock_guard lock{mutex_};
      if (message.has_hello()) {
        ++sessions_;
        if (!refusal.ok()) return refusal;
        if (!silent) welcome(*stream);
      }
      words_.push_back(message);
      changed_.notify_all();
      if (ending_) return *std::exchange(ending_, std::nullopt);
    }
    const std::lock_guard lock{mutex_};
    stream_ = nullptr;
    return grpc::Status::OK;
  }

  void welcome(Stream& stream) {
    v1::FromController message;
    message.mutable_welcome()->set_protocol(1);
    message.mutable_welcome()->set_store_id(store_id);
    message.mutable_welcome()->set_opening("O2");
    message.mutable_welcome()->set_other_past(other_past);
    message.mutable_welcome()->set_host_id(7);
    message.mutable_welcome()->set_lease_ms(lease_ms);
    message.mutable_welcome()->set_router_mac(std::string{"\x02\xd0\0\0\0\1", 6});
    stream.Write(message);
    stream_ = &stream;
  }

  const std::string path_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<v1::FromAgent> words_;
  std::optional<grpc::Status> ending_;
  Stream* stream_ = nullptr;
  int sessions_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

// Writes down what it is told, and on which thread.
struct Listener final : DirectoryListener {
  std::vector<std::string> words;
  std::vector<BindingRecord> bindings;
  std::thread::id loop_thread = std::this_thread::get_id();
  std::size_t batches = 0;

  void note(std::string word) {
    CHECK(std::this_thread::get_id() == loop_thread);
    words.push_back(std::move(word));
  }
  void on_session_ready(bool new_store, HostId self) override {
    note("ready " + std::to_string(static_cast<unsigned>(self)) + (new_store ? " new" : ""));
  }
  void on_session_lost(const Error& reason, bool refused) override {
    note((refused ? "refused " : "lost ") + reason.message);
  }
  void on_hosts(std::span<const HostRecord> hosts, bool full) override {
    note("hosts " + std::to_string(hosts.size()) + (full ? " full" : ""));
  }
  void on_bindings(std::span<const BindingRecord> more) override {
    ++batches;
    bindings.insert(bindings.end(), more.begin(), more.end());
  }
  void on_flood_list(Vni vni, std::span<const HostId> add, std::span<const HostId> remove,
                     bool full) override {
    note("flood " + vni.to_string() + " +" + std::to_string(add.size()) + " -" +
         std::to_string(remove.size()) + (full ? " full" : ""));
  }
  void on_network(const NetworkSettings& settings) override {
    note("network " + settings.name);
    for (const auto& prefix : settings.denied) note("denied " + prefix.to_string());
  }
  void on_group_list(Vni vni, const std::optional<MacAddress>& group, std::span<const HostId> add,
                     std::span<const HostId> remove, bool full) override {
    note("group " + vni.to_string() + " " + (group ? group->to_string() : "end") + " +" +
         std::to_string(add.size()) + " -" + std::to_string(remove.size()) + (full ? " full" : ""));
  }
  void on_lost(const Attachment& attachment) override { note("gone " + attachment.endpoint); }
  void on_network_gone(Vni vni) override { note("network gone " + vni.to_string()); }
  void on_readdressed(const Attachment& attachment) override {
    note("readdressed " + attachment.endpoint + " " + std::to_string(attachment.ips.size()));
  }
  void on_replica(const ReplicaWord& word) override {
    note("replica " + word.vni.to_string() + " of " + std::to_string(word.bindings.size()) +
         " after " + std::to_string(word.after));
  }
  void on_resync(const std::optional<Vni>& network) override {
    note(network ? "resync " + network->to_string() : "resync");
  }
  void on_sync(std::uint64_t number, std::uint64_t revision) override {
    note("sync " + std::to_string(number) + " at " + std::to_string(revision));
  }

  bool has(const std::string& word) const {
    return std::find(words.begin(), words.end(), word) != words.end();
  }
};

struct Bench {
  FakeController first{1};
  FakeController second{2};
  asio::io_context loop;
  Listener listener;
  api::CompletionThread completions;
  std::optional<Session> session;

  void start(const std::function<void(Session::Options&)>& change = [](Session::Options&) {}) {
    Session::Options options{.host = "h1",
                             .vtep = {.address = *IpAddress::parse("192.0.2.1")},
                             .boot_id = "b",
                             .version = "v",
                             .controllers = {first.address()},
                             .backoff_min = 5ms,
                             .backoff_max = 100ms};
    change(options);
    session.emplace(loop, completions.queue(), options, listener);
    session->start();
  }
  bool until(const std::function<bool()>& condition, std::chrono::milliseconds limit = 5s) {
    const auto deadline = Clock::now() + limit;
    while (!condition() && Clock::now() < deadline) loop.run_for(1ms);
    return condition();
  }
  bool ready() {
    return until([this] { return session->connected(); });
  }
};

Key mac_key(std::uint32_t vni, std::uint32_t n) {
  MacAddress::Bytes bytes{0x52, 0, 0, 0, 0, 0};
  for (unsigned i = 0; i < 4; ++i) bytes[5 - i] = static_cast<std::uint8_t>(n >> (8 * i));
  return MacKey{*Vni::from(vni), MacAddress{bytes}};
}

TEST_CASE("session: hello carries who we are and what we know") {
  Bench bench;
  bench.start([](auto& options) { options.known = {.store_id = "S1", .revision = 9}; });
  REQUIRE(bench.ready());
  const auto word = bench.first.next_word();
  REQUIRE(word);
  const auto& hello = word->hello();
  CHECK(hello.protocol() == 1);
  CHECK(hello.host() == "h1");
  CHECK(hello.vtep() == std::string{"\xc0\x00\x02\x01", 4});
  CHECK(hello.vtep_port() == 4789);
  CHECK(hello.boot_id() == "b");
  CHECK(hello.store_id() == "S1");
  CHECK(hello.revision() == 9);
  CHECK(bench.listener.words == std::vector<std::string>{"ready 7"});
  CHECK(bench.session->info().problem.empty());
  CHECK(bench.session->info().self == HostId{7});
}

TEST_CASE("session: another store is told, and revisions begin anew") {
  Bench bench;
  bench.first.store_id = "S2";
  bench.start([](auto& options) { options.known = {.store_id = "S1", .revision = 9}; });
  REQUIRE(bench.ready());
  CHECK(bench.listener.words == std::vector<std::string>{"ready 7 new"});
  CHECK(bench.session->revision() == 0);
}

TEST_CASE("session: a store that has not had our past is another, too") {
  Bench bench;
  bench.first.other_past = true;
  bench.start(
      [](auto& options) { options.known = {.store_id = "S1", .revision = 9, .opening = "O1"}; });
  REQUIRE(bench.ready());
  const auto word = bench.first.next_word();
  REQUIRE(word);
  CHECK(word->hello().opening() == "O1");
  CHECK(bench.listener.words == std::vector<std::string>{"ready 7 new"});
  CHECK(bench.session->info().store ==
        StorePoint{.store_id = "S1", .revision = 0, .opening = "O2"});
}

TEST_CASE("session: what the controller says arrives in its order") {
  Bench bench;
  bench.start();
  REQUIRE(bench.ready());
  v1::FromController message;
  message.mutable_hosts()->set_full(true);
  auto* host = message.mutable_hosts()->add_hosts();
  host->set_id(2);
  host->set_name("h2");
  host->set_vtep(std::string{"\xc0\x00\x02\x02", 4});
  bench.first.say(message);
  message.mutable_flood_list()->set_vni(5);
  message.mutable_flood_list()->add_add(2);
  message.mutable_flood_list()->set_full(true);
  message.mutable_flood_list()->set_revision(3);
  bench.first.say(message);
  message.mutable_network()->set_vni(5);
  message.mutable_network()->set_name("blue");
  auto* denied = message.mutable_network()->add_denied();
  denied->set_network(std::string{"\x0a\2\0\0", 4});
  denied->set_length(24);
  bench.first.say(message);
  auto* lost = message.mutable_lost()->mutable_attachment();
  lost->set_endpoint("vm1");
  lost->set_vni(5);
  lost->set_mac(std::string{"\x52\0\0\0\0\1", 6});
  bench.first.say(message);
  message.mutable_resync();
  bench.first.say(message);
  REQUIRE(bench.until([&] { return bench.listener.has("resync"); }));
  CHECK(bench.listener.words ==
        std::vector<std::string>{"ready 7 new", "hosts 1 full", "flood 5 +1 -0 full",
                                 "network blue", "denied 10.2.0.0/24", "gone vm1", "resync"});
  CHECK(bench.session->info().router_mac == MacAddress::parse("02:d0:00:00:00:01"));
  CHECK(bench.session->revision() == 3);
}

TEST_CASE("session: a part that makes no sense is counted and the rest is used") {
  Bench bench;
  bench.start();
  REQUIRE(bench.ready());
  v1::FromController message;
  message.mutable_bindings()->set_revision(4);
  auto* bad = message.mutable_bindings()->add_bindings();
  bad->set_vni(1U << 24U);
  bad->set_mac("123456");
  bad = message.mutable_bindings()->add_bindings();
  bad->set_vni(1);
  bad->set_mac("12345");
  auto* good = message.mutable_bindings()->add_bindings();
  good->set_vni(1);
  good->set_mac(std::string{"\x52\0\0\0\0\1", 6});
  good->set_host_id(2);
  bench.first.say(message);
  REQUIRE(bench.until([&] { return !bench.listener.bindings.empty(); }));
  CHECK(bench.listener.bindings.size() == 1);
  CHECK(bench.session->counters().malformed == 2);
  CHECK(std::get<MacBinding>(bench.listener.bindings.front()).revision == 4);
}

TEST_CASE("session: asks go out at once, and together while one is being written") {
  Bench bench;
  bench.start();
  REQUIRE(bench.ready());
  bench.first.next_word();
  constexpr std::uint32_t kKeys = 5000;
  for (std::uint32_t i = 0; i < kKeys; ++i) {
    const Key key = mac_key(1 + i % 3, i);
    bench.session->ask({&key, 1});
  }
  std::size_t keys = 0;
  std::size_t messages = 0;
  std::vector<Key> heard;
  while (keys < kKeys) {
    const auto word = bench.first.next_word();
    REQUIRE(word);
    REQUIRE(word->has_ask());
    ++messages;
    std::size_t here = 0;
    for (const auto& set : word->ask().sets()) here += static_cast<std::size_t>(set.macs_size());
    CHECK(here <= 512);
    keys += here;
    REQUIRE(api::parse_keys(word->ask(), heard));
  }
  CHECK(keys == kKeys);
  CHECK(messages < kKeys / 2);
  CHECK(bench.session->counters().keys_asked == kKeys);
  for (std::uint32_t i = 0; i < kKeys; ++i)
    if (std::find(heard.begin(), heard.end(), mac_key(1 + i % 3, i)) == heard.end())
      FAIL("key " << i << " is missing");
}

TEST_CASE("session: a forget and an ask keep their order") {
  Bench bench;
  bench.start();
  REQUIRE(bench.ready());
  bench.first.next_word();
  const Key key = mac_key(1, 1);
  for (int i = 0; i < 50; ++i) {
    bench.session->forget({&key, 1});
    bench.session->ask({&key, 1});
  }
  bool last_was_ask = true;
  for (int words = 0; words < 100; ++words) {
    const auto word = bench.first.next_word(last_was_ask ? 500ms : 5s);
    if (!word) break;
    CHECK(word->has_ask() == !last_was_ask);
    last_was_ask = word->has_ask();
  }
  CHECK(last_was_ask);
}

TEST_CASE("session: requests are answered by their number, problems become errors") {
  Bench bench;
  bench.start();
  REQUIRE(bench.ready());
  bench.first.next_word();
  std::optional<Result<Attachment>> activated;
  std::optional<Status> left;
  bench.session->activate("vm1", 3, [&](const auto& result) { activated.emplace(result); });
  bench.session->leave(*Vni::from(9), [&](const auto& status) { left.emplace(status); });
  const auto one = bench.first.next_word();
  const auto two = bench.first.next_word();
  REQUIRE(one);
  REQUIRE(two);
  CHECK(one->request().activate().endpoint() == "vm1");
  CHECK(one->request().activate().generation() == 3);
  CHECK(two->request().leave().vni() == 9);
  v1::FromController message;
  message.mutable_reply()->set_id(two->request().id());
  api::write(Error{ErrorCode::kConflict, "not now"}, message.mutable_reply()->mutable_problem());
  bench.first.say(message);
  message.Clear();
  message.mutable_reply()->set_id(one->request().id());
  auto* attachment = message.mutable_reply()->mutable_attachment();
  attachment->set_endpoint("vm1");
  attachment->set_vni(9);
  attachment->set_mac(std::string{"\x52\0\0\0\0\1", 6});
  attachment->set_state(v1::Attachment::ACTIVE);
  attachment->set_generation(4);
  bench.first.say(message);
  REQUIRE(bench.until([&] { return activated && left; }));
  REQUIRE(activated->ok());
  CHECK((*activated)->generation == 4);
  CHECK((*activated)->state == Attachment::State::kActive);
  REQUIRE_FALSE(left->ok());
  CHECK(left->error() == Error{ErrorCode::kConflict, "not now"});
}

TEST_CASE("session: a reply without what was asked for is an error") {
  Bench bench;
  bench.start();
  REQUIRE(bench.ready());
  bench.first.next_word();
  std::optional<Result<Directory::Prepared>> prepared;
  bench.session->prepare("vm1", [&](const auto& result) { prepared.emplace(result); });
  const auto word = bench.first.next_word();
  REQUIRE(word);
  v1::FromController message;
  message.mutable_reply()->set_id(word->request().id());
  bench.first.say(message);
  REQUIRE(bench.until([&] { return prepared.has_value(); }));
  CHECK_FALSE(prepared->ok());
}

TEST_CASE("session: without one, requests fail later and with the reason") {
  Bench bench;
  bench.first.stop();
  bench.start();
  std::optional<Status> left;
  bench.session->leave(*Vni::from(9), [&](const auto& status) { left.emplace(status); });
  CHECK_FALSE(left);  // never from within the call
  REQUIRE(bench.until([&] { return left.has_value(); }));
  CHECK(left->error().code == ErrorCode::kUnavailable);
}

TEST_CASE("session: when it dies what waits fails, and the next controller is tried") {
  Bench bench;
  bench.start([&](auto& options) { options.controllers.push_back(bench.second.address()); });
  REQUIRE(bench.ready());
  std::optional<Status> left;
  bench.session->leave(*Vni::from(9), [&](const auto& status) { left.emplace(status); });
  REQUIRE(bench.first.next_word());
  REQUIRE(bench.first.next_word());
  const auto began = Clock::now();
  bench.first.stop();
  REQUIRE(bench.until([&] { return bench.second.sessions() == 1; }));
  REQUIRE(bench.ready());
  CHECK(Clock::now() - began < 2s);
  REQUIRE(left);
  CHECK(left->error().code == ErrorCode::kUnavailable);
  CHECK(bench.session->info().controller == bench.second.address().to_string());
  CHECK(bench.listener.words.size() == 3);
  CHECK(bench.listener.words.back() == "ready 7");
}

TEST_CASE("session: it comes back to a controller that was restarted") {
  Bench bench;
  bench.start();
  REQUIRE(bench.ready());
  bench.first.stop();
  REQUIRE(bench.until([&] { return !bench.session->connected(); }));
  bench.loop.run_for(50ms);
  bench.first.start();
  REQUIRE(bench.ready());
  CHECK(bench.session->counters().sessions == 2);
}

TEST_CASE("session: a refusal is told in the controller's words and not repeated quickly") {
  Bench bench;
  bench.first.refusal = {grpc::StatusCode::ALREADY_EXISTS, "host h1 is connected from elsewhere"};
  bench.start([](auto& options) { options.backoff_refused = 1000ms; });
  REQUIRE(bench.until([&] { return !bench.listener.words.empty(); }));
  const auto word = bench.listener.words.front();
  CHECK(word.substr(0, 8) == "refused ");
  CHECK(word.find("host h1 is connected from elsewhere") != std::string::npos);
  CHECK(bench.session->info().problem.find("connected from elsewhere") != std::string::npos);
  bench.loop.run_for(300ms);
  CHECK(bench.first.sessions() == 1);
}

TEST_CASE("session: it rests after it has tried all controllers, not between them") {
  Bench bench;
  bench.first.stop();
  bench.second.stop();
  bench.start([&](auto& options) {
    options.controllers.push_back(bench.second.address());
    options.backoff_max = 60s;
  });
  // Six rounds, with rests of 5 to 160 ms. After each try they would come to 10 s and more.
  CHECK(bench.until([&] { return bench.session->counters().failures >= 12; }));
  const auto problem = bench.session->info().problem;
  for (const auto* controller : {&bench.first, &bench.second}) {
    const auto name = fmt::format("controller {}: ", controller->address().to_string());
    const auto at = problem.find(name);
    REQUIRE(at != std::string::npos);
    CHECK(problem.find(name, at + 1) == std::string::npos);
  }
}

TEST_CASE("session: hosts that lost one controller together do not come back together") {
  Bench bench;
  bench.first.stop();
  std::vector<std::unique_ptr<Session>> sessions;
  for (int n = 0; n < 40; ++n) {
    const Session::Options options{.host = "h" + std::to_string(n),
                                   .vtep = {.address = *IpAddress::parse("192.0.2.1")},
                                   .controllers = {bench.first.address()},
                                   .backoff_min = 400ms,
                                   .backoff_max = 400ms};
    sessions.push_back(
        std::make_unique<Session>(bench.loop, bench.completions.queue(), options, bench.listener));
  }
  for (auto& session : sessions) session->start();
  // Each rests for 200 to 400 ms.
  struct Rest {
    std::uint64_t failures = 0;
    Clock::time_point since;
    Clock::duration last{};
  };
  std::vector<Rest> rests(sessions.size());
  const auto differ = [&] {
    for (std::size_t n = 0; n < sessions.size(); ++n) {
      auto& rest = rests[n];
      const auto failures = sessions[n]->counters().failures;
      if (std::exchange(rest.failures, failures) == failures) continue;
      if (failures > 1) rest.last = Clock::now() - rest.since;
      rest.since = Clock::now();
    }
    const auto [least, most] = std::minmax_element(
        rests.begin(), rests.end(), [](const auto& a, const auto& b) { return a.last < b.last; });
    return least->failures > 1 && most->last - least->last > 100ms;
  };
  CHECK(bench.until(differ));
}

TEST_CASE("session: a controller that never welcomes is given up") {
  Bench bench;
  bench.first.silent = true;
  bench.start([&](auto& options) {
    options.controllers.push_back(bench.second.address());
    options.handshake = 50ms;
  });
  REQUIRE(bench.ready());
  CHECK(bench.session->info().controller == bench.second.address().to_string());
}

// How many connections a Unix socket has accepted that are still there.
int connections_of(const std::string& path) {
  std::ifstream file{"/proc/net/unix"};
  int count = 0;
  for (std::string line; std::getline(file, line);)
    count += line.ends_with(" " + path) && line.find(" 03 ") != std::string::npos ? 1 : 0;
  return count;
}

TEST_CASE("session: the connection of one that was given up is closed before there is another") {
  Bench bench;
  bench.first.silent = true;
  bench.start([&](Session::Options& options) {
    options.handshake = 100ms;
    options.backoff_min = options.backoff_max = 60s;
  });
  const auto path = bench.first.address().path;
  REQUIRE(bench.until([&] { return connections_of(path) == 1; }));
  REQUIRE(bench.until([&] { return bench.session->counters().failures == 1; }));
  CHECK(bench.until([&] { return connections_of(path) == 0; }));
}

TEST_CASE("session: a controller that owes a reply is given up") {
  Bench bench;
  bench.start([](auto& options) { options.reply = 50ms; });
  REQUIRE(bench.ready());
  std::optional<Status> left;
  bench.session->leave(*Vni::from(9), [&](const auto& status) { left.emplace(status); });
  REQUIRE(bench.until([&] { return left.has_value(); }));
  CHECK(left->error().code == ErrorCode::kUnavailable);
  REQUIRE(bench.until([&] { return bench.session->counters().sessions == 2; }));
}

TEST_CASE("session: within a lease the controller hears of it, if it wants to") {
  Bench bench;
  bench.first.lease_ms = GENERATE(0U, 300U);
  bench.start();
  REQUIRE(bench.ready());
  int words = 0;
  const auto count = [&] {
    while (const auto word = bench.first.next_word(0ms)) words += word->has_alive() ? 1 : 0;
    return words;
  };
  const auto begun = Clock::now();
  if (bench.first.lease_ms == 0) {
    CHECK_FALSE(bench.until([&] { return count() > 0; }, 400ms));
  } else {
    CHECK(bench.until([&] { return count() >= 5; }));
    CHECK(Clock::now() - begun >= 400ms);  // five words at 100 ms
  }
}

TEST_CASE("session: what is applied is said") {
  Bench bench;
  bench.start();
  REQUIRE(bench.ready());
  bench.first.next_word();
  bench.session->applied({3, 11}, "no room");
  const auto word = bench.first.next_word();
  REQUIRE(word);
  CHECK(word->applied().number() == 3);
  CHECK(word->applied().revision() == 11);
  CHECK(word->applied().problem() == "no room");
  bench.session->knows_hosts(12);
  const auto hosts = bench.first.next_word();
  REQUIRE(hosts);
  CHECK(hosts->knows_hosts().revision() == 12);
}

TEST_CASE("session: that all was said up to a revision is told") {
  Bench bench;
  bench.start();
  REQUIRE(bench.ready());
  v1::FromController message;
  message.mutable_sync()->set_number(4);
  message.mutable_sync()->set_revision(90);
  bench.first.say(message);
  REQUIRE(bench.until([&] { return bench.listener.words.back() == "sync 4 at 90"; }));
  CHECK(bench.session->revision() == 90);
}

TEST_CASE("session: who lags behind is told in the reply, which may take longer than others") {
  Bench bench;
  bench.start();
  REQUIRE(bench.ready());
  bench.first.next_word();
  std::optional<Result<std::vector<Lag>>> lagging;
  bench.session->await(std::chrono::milliseconds{1500},
                       [&](const auto& reply) { lagging.emplace(reply); });
  const auto word = bench.first.next_word();
  REQUIRE(word);
  CHECK(word->request().await().wait_ms() == 1500);
  v1::FromController message;
  auto& reply = *message.mutable_reply();
  reply.set_id(word->request().id());
  reply.add_lagging()->set_host("h2");
  reply.add_lagging()->set_host("h3");
  reply.mutable_lagging(1)->set_why(v1::Lag::NOT_CONNECTED);
  reply.add_lagging()->set_host("h4");
  reply.mutable_lagging(2)->set_why(v1::Lag::TROUBLE);
  reply.mutable_lagging(2)->set_problem("no room");
  bench.first.say(message);
  REQUIRE(bench.until([&] { return lagging.has_value(); }));
  REQUIRE(*lagging);
  CHECK(**lagging == std::vector<Lag>{{.host = "h2"},
                                      {.host = "h3", .why = Lag::Why::kNotConnected},
                                      {"h4", Lag::Why::kTrouble, "no room"}});
}

TEST_CASE("session: words about replicas and interest go both ways") {
  Bench bench;
  bench.start();
  REQUIRE(bench.ready());
  bench.first.next_word();
  bench.session->replicate(*Vni::from(5), 7, 1ULL << 63U);
  const auto has = bench.first.next_word();
  REQUIRE(has);
  CHECK(has->replicate().vni() == 5);
  CHECK(has->replicate().revision() == 7);
  CHECK(has->replicate().digest() == 1ULL << 63U);
  bench.session->prove_interest(*Vni::from(5), 3, 9);
  const auto interest = bench.first.next_word();
  REQUIRE(interest);
  CHECK(interest->interest().keys() == 3);

  v1::FromController message;
  message.mutable_replica()->set_vni(5);
  message.mutable_replica()->set_after(7);
  message.mutable_replica()->set_revision(8);
  auto* binding = message.mutable_replica()->add_bindings();
  binding->set_vni(5);
  binding->set_mac(std::string{"\x52\0\0\0\0\1", 6});
  binding->set_host_id(2);
  bench.first.say(message);
  binding->set_vni(6);  // of another network: nothing of it is believed
  message.mutable_replica()->set_revision(9);
  bench.first.say(message);
  message.mutable_resync()->set_vni(5);
  bench.first.say(message);
  REQUIRE(bench.until([&] { return bench.listener.has("resync 5"); }));
  CHECK(bench.listener.words ==
        std::vector<std::string>{"ready 7 new", "replica 5 of 1 after 7", "resync 5"});
  CHECK(bench.session->counters().malformed == 1);
  CHECK(bench.session->revision() == 8);
}

TEST_CASE("session: who listens is told once however often it changes, while other words wait") {
  Bench bench;
  bench.start();
  REQUIRE(bench.ready());
  for (std::uint32_t n = 0; n < 5'000; ++n) bench.session->leave(*Vni::from(9), [](const auto&) {});
  const auto group = [](std::uint32_t n) { return std::get<MacKey>(mac_key(5 + n % 2, n)); };
  std::map<std::pair<std::uint32_t, std::string>, bool> wanted;
  for (std::uint32_t round = 0; round < 101; ++round)
    for (std::uint32_t n = 0; n < 10; ++n) bench.session->group(group(n), round % 2 == 0);
  for (std::uint32_t n = 0; n < 10; ++n) wanted[{5 + n % 2, api::to_bytes(group(n).mac)}] = true;
  std::map<std::pair<std::uint32_t, std::string>, bool> told;
  std::size_t changes = 0;
  const auto hear_all = [&] {
    while (const auto word = bench.first.next_word(1ms)) {
      const auto& groups = word->groups();
      for (const auto& mac : groups.add()) told[{groups.vni(), mac}] = true;
      for (const auto& mac : groups.remove()) told[{groups.vni(), mac}] = false;
      changes += static_cast<std::size_t>(groups.add_size() + groups.remove_size());
    }
    return told == wanted;
  };
  CHECK(bench.until(hear_all, 20s));
  CHECK(changes < 300);  // of 1010; 10 when the words before have not gone meanwhile
}

TEST_CASE("session: many messages arrive whole and in order, faster than they are handled") {
  Bench bench;
  bench.start();
  REQUIRE(bench.ready());
  constexpr std::uint32_t kMessages = 400;
  constexpr std::uint32_t kEach = 100;
  std::thread writer{[&] {
    for (std::uint32_t i = 0; i < kMessages; ++i) {
      v1::FromController message;
      for (std::uint32_t j = 0; j < kEach; ++j) {
        auto* binding = message.mutable_bindings()->add_bindings();
        binding->set_vni(1);
        binding->set_mac(std::string{"\x52\0\0\0\0\1", 6});
        binding->set_host_id(2);
        binding->set_revision(i * kEach + j + 1);
      }
      bench.first.say(message);
    }
  }};
  CHECK(bench.until([&] { return bench.listener.bindings.size() == kMessages * kEach; }, 30s));
  writer.join();
  std::uint64_t revision = 0;
  for (const auto& binding : bench.listener.bindings)
    if (std::get<MacBinding>(binding).revision != ++revision) FAIL("out of order");
}

TEST_CASE("session: it can end at any moment") {
  for (int i = 0; i < 20; ++i) {
    Bench bench;
    bench.start([](auto& options) { options.handshake = 20ms; });
    bench.loop.run_for(std::chrono::milliseconds{i});
    const Key key = mac_key(1, 1);
    bench.session->ask({&key, 1});
    bench.session->leave(*Vni::from(1), [](const auto&) {});
    if (i % 2 == 0) bench.session->stop();
    bench.session.reset();
    bench.loop.run_for(1ms);
  }
}

}  // namespace
}  // namespace dove::agent
