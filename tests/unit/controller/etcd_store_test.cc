// What is etcd's alone: who has the store, what is done when nobody answers, commits too large for
// one transaction. Against a real etcd.
#include "controller/store/etcd_store.h"

#include <grpcpp/server_builder.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <thread>

#include "controller/store/etcd_client.h"
#include "controller/store/etcd_layout.h"
#include "tests/catch.h"
#include "tests/unit/controller/etcd_server.h"
#include "tests/unit/controller/proxy.h"

namespace dove::controller {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

namespace etcd = ::etcdserverpb;
using Clock = std::chrono::steady_clock;

struct Opened {
  std::unique_ptr<EtcdStore> store;
  std::shared_ptr<std::atomic<int>> lost = std::make_shared<std::atomic<int>>(0);
};

// Waits for at most `tries` times 100 ms.
Opened open_at(const api::Address& address, int tries = 0, const std::string& holder = "one") {
  Opened opened;
  auto left = std::make_shared<int>(tries);
  auto store = EtcdStore::open({.members = {address},
                                .holder = holder,
                                .wait =
                                    [left](const Error&) {
                                      std::this_thread::sleep_for(100ms);
                                      return --*left >= 0;
                                    },
                                .lost = [lost = opened.lost](const Error&) { ++*lost; },
                                .patience = 1000ms});
  INFO((store ? "" : store.error().message));
  REQUIRE(store);
  opened.store = *std::move(store);
  return opened;
}

Opened open(const EtcdServer& server, int tries = 20, const std::string& holder = "one") {
  auto opened = open_at(server.address(), tries, holder);
  REQUIRE(opened.store);
  return opened;
}

Transaction put(const std::string& key, const std::string& value, std::uint64_t expected = 0) {
  return {{{key, expected}}, {{key, value}}};
}

// What settle() says once it knows.
std::optional<std::uint64_t> verdict(Store& store) {
  const auto deadline = Clock::now() + 30s;
  while (true) {
    const auto settled = store.settle();
    if (settled) return *settled;
    REQUIRE(Clock::now() < deadline);
    std::this_thread::sleep_for(20ms);
  }
}

void change(const EtcdServer& server, const etcd::TxnRequest& request) {
  EtcdClient client{{server.address()}, false};
  REQUIRE(client.txn(request, Clock::now() + 5s));
}

void write_by_hand(const EtcdServer& server, const std::string& key, const std::string& value) {
  etcd::TxnRequest request;
  etcd_layout::put(request, key, value);
  change(server, request);
}

etcd::RangeResponse look(const EtcdServer& server, const std::string& key) {
  EtcdClient client{{server.address()}, false};
  const auto response = client.range(etcd_layout::one(key), Clock::now() + 5s);
  REQUIRE(response);
  return *response;
}

// As if the controller that has the store had slept for longer than its lease.
void end_lease(const EtcdServer& server) {
  etcd::TxnRequest request;
  etcd_layout::erase(request, etcd_layout::kActiveKey);
  change(server, request);
}

TEST_CASE("one controller has the store at a time, and names itself", "[etcd]") {
  const EtcdServer server;
  auto first = open(server);
  REQUIRE(first.store->commit(put("a", "1")));
  std::string why;
  const auto second = EtcdStore::open({.members = {server.address()},
                                       .holder = "two",
                                       .wait =
                                           [&](const Error& reason) {
                                             why = reason.message;
                                             return false;
                                           },
                                       .lost = [](const Error&) {}});
  REQUIRE(second);
  CHECK(*second == nullptr);
  CHECK(why == "store etcd: it is in use by another controller (one)");
  REQUIRE(first.store->commit(put("a", "2", 1)));
}

TEST_CASE("the next controller has a store at once when the last one ends", "[etcd]") {
  const EtcdServer server;
  auto first = open(server);
  REQUIRE(first.store->commit(put("a", "1")));
  const auto id = first.store->id();
  const auto opening = first.store->openings().back();
  std::thread ends{[&] {
    std::this_thread::sleep_for(300ms);
    first.store.reset();
  }};
  const auto second = open(server, 10, "two");  // sooner than the lease would end
  ends.join();
  REQUIRE(second.store != nullptr);
  CHECK(second.store->id() == id);
  REQUIRE(second.store->openings().size() == 2);
  CHECK(second.store->openings().front().id == opening.id);
  CHECK(second.store->openings().back().revision == 1);
  CHECK(second.store->read_all()->records.at(0).value == "1");
}

TEST_CASE("of the openings the last 256 are kept", "[etcd]") {
  const EtcdServer server;
  for (int i = 0; i < 3; ++i) CHECK(open(server).store->openings().size() == std::size_t(i) + 1);
  const auto last = look(server, "dove/opening/00000000000000000003");
  write_by_hand(server, "dove/opening/00000000000000000258", last.kvs(0).value());
  const auto after = open(server);  // number 259: numbers up to 3 are too old
  CHECK(after.store->openings().size() == 5);
  CHECK(look(server, "dove/opening/00000000000000000003").kvs_size() == 0);
  CHECK(look(server, "dove/opening/00000000000000000258").kvs_size() == 1);
}

TEST_CASE("who has lost the store commits nothing, says so once, and knows it soon", "[etcd]") {
  EtcdServer server;
  auto first = open(server);
  REQUIRE(first.store->commit(put("a", "1")));
  std::string expected;
  SECTION("another controller has it") {
    end_lease(server);
    auto second = open(server, 0, "two");
    REQUIRE(second.store->read_all());
    REQUIRE(second.store->commit(put("b", "2")));
    const auto refused = first.store->commit(put("c", "3"));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::kUnavailable);
    CHECK(refused.error().message.find("another controller (two) has it now") != std::string::npos);
    CHECK(second.store->read_all()->records.size() == 2);
  }
  SECTION("another one had it for a while, and changed something") {
    end_lease(server);
    auto second = open(server, 0, "two");
    REQUIRE(second.store->read_all());
    REQUIRE(second.store->commit(put("b", "2")));
    second.store.reset();
    CHECK_FALSE(first.store->commit(put("c", "3")));
  }
  SECTION("another one had it for a while, and changed nothing") {
    end_lease(server);
    open(server, 0, "two").store.reset();
    CHECK_FALSE(first.store->commit(put("c", "3")));
  }
  SECTION("somebody has written into it") {
    write_by_hand(server, "dove/commit", look(server, "dove/commit").kvs(0).value());
    const auto refused = first.store->commit(put("c", "3"));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find("something else") != std::string::npos);
  }
  CHECK_FALSE(first.store->commit(put("e", "5")));
  CHECK_FALSE(first.store->settle());
  CHECK(*first.lost == 1);
}

TEST_CASE("who does not commit learns too that the store is another's", "[etcd]") {
  EtcdServer server;
  auto first = open(server);
  const auto lease = look(server, "dove/active").kvs(0).lease();
  end_lease(server);
  const auto second = open(server, 0, "two");
  EtcdClient client{{server.address()}, false};
  REQUIRE(client.revoke_lease(lease, Clock::now() + 5s));
  const auto deadline = Clock::now() + 20s;
  while (*first.lost == 0) {
    REQUIRE(Clock::now() < deadline);
    std::this_thread::sleep_for(20ms);
  }
}

TEST_CASE("a lease that ended while nobody wanted the store is had anew", "[etcd]") {
  EtcdServer server;
  auto first = open(server);
  REQUIRE(first.store->commit(put("a", "1")));
  EtcdClient client{{server.address()}, false};
  REQUIRE(client.revoke_lease(look(server, "dove/active").kvs(0).lease(), Clock::now() + 5s));
  SECTION("by the next commit") { CHECK(*first.store->commit(put("b", "2")) == 2); }
  SECTION("without one") {
    const auto deadline = Clock::now() + 20s;
    while (look(server, "dove/active").kvs_size() == 0) {
      REQUIRE(Clock::now() < deadline);
      std::this_thread::sleep_for(20ms);
    }
    CHECK(*first.store->commit(put("b", "2")) == 2);
  }
  CHECK(*first.lost == 0);
}

TEST_CASE("a cluster that does not answer: commits are refused, and it is told later what was made",
          "[etcd]") {
  EtcdServer server;
  auto first = open(server);
  REQUIRE(first.store->commit(put("a", "1")));
  server.pause();
  const auto doubtful = first.store->commit(put("a", "2", 1));
  REQUIRE_FALSE(doubtful);
  CHECK(doubtful.error().code == ErrorCode::kUnavailable);
  CHECK(doubtful.error().message.find(server.address().to_string()) != std::string::npos);
  const auto began = Clock::now();
  CHECK(first.store->commit(put("b", "1")).error().code == ErrorCode::kUnavailable);
  CHECK(first.store->settle().error().code == ErrorCode::kUnavailable);
  CHECK_FALSE(first.store->takes_commits());
  CHECK(Clock::now() - began < 1s);  // at once, whatever the machine does
  std::optional<std::uint64_t> made;
  SECTION("it goes on") {
    server.go_on();
    made = verdict(*first.store);
  }
  SECTION("it starts again") {
    server.end(SIGKILL);
    server.start_again();
    made = verdict(*first.store);
  }
  const auto all = first.store->read_all();
  REQUIRE(all);
  CHECK(all->revision == (made ? *made : 1));
  REQUIRE(all->records.size() == 1);
  CHECK(all->records[0].value == (made ? "2" : "1"));
  CHECK(*first.store->commit(put("a", "3", all->records[0].revision)) == all->revision + 1);
  CHECK_FALSE(*first.store->settle());
  CHECK(*first.lost == 0);
}

TEST_CASE("that no member answers is told, and that one does again", "[etcd]") {
  EtcdServer server;
  std::atomic<int> lost_sight = 0;
  std::atomic<int> found_again = 0;
  auto store = EtcdStore::open(
      {.members = {server.address()},
       .holder = "one",
       .wait = [](const Error&) { return false; },
       .lost = [](const Error&) {},
       .reached = [&](const Status& status) { ++(status ? found_again : lost_sight); }});
  REQUIRE(store);
  REQUIRE(*store);
  const auto until = [](const std::atomic<int>& count) {
    for (const auto end = Clock::now() + 30s; count == 0 && Clock::now() < end;)
      std::this_thread::sleep_for(20ms);
    return count.load();
  };
  server.pause();
  CHECK(until(lost_sight) == 1);
  CHECK_FALSE((*store)->takes_commits());
  server.go_on();
  CHECK(until(found_again) == 1);
  CHECK((*store)->takes_commits());
  CHECK((*store)->commit(put("a", "1")));
}

TEST_CASE("what was not made when that was told is never made", "[etcd]") {
  EtcdServer server;
  auto first = open(server);
  REQUIRE(first.store->commit(put("a", "1")));
  server.end(SIGKILL);  // nothing reaches it
  CHECK_FALSE(first.store->commit(put("a", "2", 1)));
  server.start_again();
  CHECK(verdict(*first.store) == std::nullopt);
  CHECK(first.store->read_all()->records.at(0).value == "1");
  CHECK(*first.store->commit(put("a", "3", 1)) == 2);
}

TEST_CASE("a commit whose answer is lost is told to be made", "[etcd]") {
  const EtcdServer server;
  Proxy proxy{server.address()};
  auto first = open_at(proxy.address());
  REQUIRE(first.store);
  REQUIRE(first.store->commit(put("a", "1")));
  proxy.swallow_answers();
  const auto doubtful = first.store->commit(put("a", "2", 1));
  REQUIRE_FALSE(doubtful);
  CHECK(doubtful.error().code == ErrorCode::kUnavailable);
  SECTION("at once") {}
  SECTION("after tries to find out whose answers are lost too") { std::this_thread::sleep_for(4s); }
  proxy.forward();
  CHECK(verdict(*first.store) == 2);
  CHECK(first.store->read_all()->records.at(0).value == "2");
  CHECK(*first.store->commit(put("a", "3", 2)) == 3);
  CHECK(*first.lost == 0);
}

std::vector<Write> many(int count, const std::string& value) {
  std::vector<Write> writes;
  for (int i = 0; i < count; ++i) writes.push_back({"key/" + std::to_string(i), value});
  return writes;
}

TEST_CASE("a commit of any size is one step", "[etcd]") {
  const EtcdServer server;
  auto first = open(server);
  // More than etcd's 128 writes a transaction; more than its 1.5 MiB.
  const auto writes = GENERATE(many(1000, "v"), many(30, std::string(100'000, 'v')));
  REQUIRE(first.store->commit(put("key/0", "before")));
  auto transaction = Transaction{{{"key/0", 1}, {"key/1", 0}}, writes};
  transaction.writes.push_back({"other", std::nullopt});
  CHECK(*first.store->commit(transaction) == 2);
  CHECK(*first.store->commit(put("last", "x")) == 3);
  first.store.reset();
  first = open(server);
  const auto all = first.store->read_all();
  CHECK(all->revision == 3);
  CHECK(all->records.size() == writes.size() + 1);
  for (const auto& record : all->records)
    if (record.key != "last") CHECK((record.revision == 2 && record.value == *writes[0].value));
  CHECK_FALSE(first.store->commit(transaction));  // its preconditions do not hold any more
}

// What a controller leaves that ends after it has committed, when `moved` chunks are in the
// records.
void leave_large_commit(const EtcdServer& server, const std::vector<Write>& writes,
                        std::size_t moved) {
  etcd_layout::stored::Commit commit;
  commit.set_revision(7);
  commit.set_id("sixteen bytes...");
  const auto chunks = etcd_layout::chunks_of(writes);
  commit.set_chunks(static_cast<std::uint32_t>(chunks.size()));
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    write_by_hand(server, etcd_layout::chunk_key(commit.id(), i), chunks[i].SerializeAsString());
    if (i >= moved) continue;
    etcd::TxnRequest request;
    for (const auto& one : chunks[i].writes())
      etcd_layout::write(request, {one.key(), one.value()}, commit.revision());
    change(server, request);
  }
  write_by_hand(server, "dove/commit", commit.SerializeAsString());
}

TEST_CASE("a large commit whose controller ended in the midst of it is whole for the next one",
          "[etcd]") {
  const EtcdServer server;
  const auto writes = many(250, "v");
  const auto moved = GENERATE(0U, 1U, 2U, 3U);
  leave_large_commit(server, writes, moved);
  const auto next = open(server);
  const auto all = next.store->read_all();
  REQUIRE(all);
  CHECK(all->revision == 7);
  CHECK(all->records.size() == writes.size());
  CHECK(std::all_of(all->records.begin(), all->records.end(),
                    [](const Record& one) { return one.revision == 7 && one.value == "v"; }));
  CHECK(look(server, etcd_layout::chunk_key("sixteen bytes...", 0)).kvs_size() == 0);
  CHECK(*next.store->commit(put("key/0", "w", 7)) == 8);
}

TEST_CASE("a large commit to a cluster that goes away is whole or not there", "[etcd]") {
  EtcdServer server;
  auto first = open(server);
  const auto writes = many(20'000, "v");
  bool committed = false;
  std::thread commits{[&] { committed = first.store->commit({{}, writes}).ok(); }};
  std::this_thread::sleep_for(std::chrono::milliseconds{GENERATE(5, 60, 150)});
  server.end(SIGKILL);
  server.start_again();
  commits.join();
  const auto later = verdict(*first.store);
  const auto all = first.store->read_all();
  REQUIRE(all);
  const bool made = committed || later;
  CHECK(all->records.size() == (made ? writes.size() : 0));
  CHECK(all->revision == (made ? 1 : 0));
  CHECK(*first.store->commit(put("next", "x")) == all->revision + 1);
  CHECK(*first.lost == 0);
}

// etcdctl on this server.
void etcdctl(const EtcdServer& server, const std::string& words) {
  const auto command = "ETCDCTL_API=3 etcdctl --endpoints " + server.address().to_string() + " " +
                       words + " >/dev/null 2>&1";
  REQUIRE(std::system(command.c_str()) == 0);
}

TEST_CASE("a cluster without room refuses, and takes commits again when it has some", "[etcd]") {
  const EtcdServer server{{"--quota-backend-bytes", "1000000"}};
  auto first = open(server);
  std::uint64_t last = 0;
  Result<std::uint64_t> commit = std::uint64_t{0};
  for (int i = 0; i < 100 && commit; ++i) {
    commit = first.store->commit(put("a", std::string(100'000, 'a'), last));
    if (commit) last = *commit;
  }
  REQUIRE_FALSE(commit);
  CHECK(commit.error().code == ErrorCode::kSystem);
  CHECK(commit.error().os_error == ENOSPC);
  CHECK_FALSE(*first.store->settle());
  CHECK(first.store->read_all()->records.at(0).revision == last);
  CHECK(open_at(server.address(), 0, "two").store == nullptr);  // it waits as it would else
  const auto now = look(server, "dove/commit").header().revision();
  etcdctl(server, "compact " + std::to_string(now));
  etcdctl(server, "defrag");
  etcdctl(server, "alarm disarm");
  CHECK(*first.store->commit(put("a", "b", last)) == last + 1);
  CHECK(*first.lost == 0);
}

TEST_CASE("what is damaged or of another schema is refused, and named", "[etcd]") {
  const EtcdServer server;
  { const auto first = open(server); }
  const std::string key =
      GENERATE("dove/store", "dove/commit", "dove/opening/00000000000000000001");
  write_by_hand(server, key, "\xff\xff");
  const auto opened = EtcdStore::open({.members = {server.address()},
                                       .holder = "two",
                                       .wait = [](const Error&) { return false; },
                                       .lost = [](const Error&) {}});
  REQUIRE_FALSE(opened);
  CHECK(opened.error().message.find(key) != std::string::npos);
}

TEST_CASE("records may be as long as etcd takes them, however many there are", "[etcd]") {
  const EtcdServer server;
  auto first = open(server);
  for (int i = 0; i < 20; ++i)  // 20 MB, which an answer of many records has to hold
    REQUIRE(first.store->commit(put("key" + std::to_string(i), std::string(1'000'000, 'v'))));
  first.store.reset();
  CHECK(open(server).store->read_all()->records.size() == 20);
}

TEST_CASE("of several members those that answer are enough for reads and commits", "[etcd]") {
  const EtcdServer server;
  api::Address other{.kind = api::Address::Kind::kTcp, .host = "127.0.0.1", .port = free_port()};
  std::unique_ptr<grpc::Server> no_etcd;
  SECTION("one is not there") {}
  SECTION("one is something else") {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    no_etcd = builder.BuildAndStart();
    other.port = static_cast<std::uint16_t>(port);
  }
  auto store = EtcdStore::open({.members = {other, server.address()},
                                .holder = "one",
                                .wait = [](const Error&) { return false; },
                                .lost = [](const Error&) {}});
  REQUIRE(store);
  REQUIRE(*store);
  CHECK((*store)->commit(put("a", "1")));
  CHECK((*store)->read_all()->records.size() == 1);
}

}  // namespace
}  // namespace dove::controller
