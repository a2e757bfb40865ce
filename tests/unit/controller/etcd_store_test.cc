// What is etcd's alone: who has the store, what is done when nobody answers, commits too large for
// one transaction. Against a real etcd.
#include "controller/store/etcd_store.h"

#include <atomic>
#include <thread>

#include "controller/store/etcd_client.h"
#include "tests/catch.h"
#include "tests/unit/controller/etcd_server.h"

namespace dove::controller {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

struct Opened {
  std::unique_ptr<EtcdStore> store;
  std::shared_ptr<std::atomic<int>> lost = std::make_shared<std::atomic<int>>(0);
};

// Waits for at most `tries` times 100 ms.
Opened open(const EtcdServer& server, int tries = 0, const std::string& holder = "one") {
  Opened opened;
  auto left = std::make_shared<int>(tries);
  auto store = EtcdStore::open({.members = {server.address()},
                                .holder = holder,
                                .wait =
                                    [left](const Error&) {
                                      std::this_thread::sleep_for(100ms);
                                      return --*left >= 0;
                                    },
                                .lost = [lost = opened.lost](const Error&) { ++*lost; },
                                .patience = 1000ms});
  REQUIRE(store);
  opened.store = *std::move(store);
  return opened;
}

Transaction put(const std::string& key, const std::string& value, std::uint64_t expected = 0) {
  return {{{key, expected}}, {{key, value}}};
}

// What settle() says once it knows.
std::optional<std::uint64_t> verdict(Store& store) {
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (true) {
    const auto settled = store.settle();
    if (settled) return *settled;
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    std::this_thread::sleep_for(20ms);
  }
}

EtcdClient client_of(const EtcdServer& server) { return EtcdClient{{server.address()}, false}; }

etcd::RangeResponse look(const EtcdServer& server, const std::string& key) {
  etcd::RangeRequest request;
  request.set_key(key);
  const auto response = EtcdClient{{server.address()}, false}.range(request, 2000ms);
  REQUIRE(response);
  return *response;
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
  etcd::TxnRequest request;
  auto* write = request.add_success()->mutable_request_put();
  const auto last = look(server, "dove/opening/00000000000000000003");
  write->set_key("dove/opening/00000000000000000258");
  write->set_value(last.kvs(0).value());
  REQUIRE(client_of(server).txn(request, 2000ms));
  const auto after = open(server);  // number 259: numbers up to 3 are too old
  CHECK(after.store->openings().size() == 5);
  CHECK(look(server, "dove/opening/00000000000000000003").kvs_size() == 0);
  CHECK(look(server, "dove/opening/00000000000000000258").kvs_size() == 1);
}

TEST_CASE("who has lost the store commits nothing, says so once, and knows it soon", "[etcd]") {
  EtcdServer server;
  auto first = open(server);
  REQUIRE(first.store->commit(put("a", "1")));
  SECTION("another controller has it") {
    // As if this process had slept for longer than its lease.
    etcd::TxnRequest request;
    request.add_success()->mutable_request_delete_range()->set_key("dove/active");
    auto client = client_of(server);
    REQUIRE(client.txn(request, 2000ms));
    auto second = open(server, 0, "two");
    REQUIRE(second.store != nullptr);
    REQUIRE(second.store->read_all());
    REQUIRE(second.store->commit(put("b", "2")));
    const auto refused = first.store->commit(put("c", "3"));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::kUnavailable);
    CHECK(refused.error().message.find("another controller (two) has it now") != std::string::npos);
    CHECK(second.store->read_all()->records.size() == 2);
  }
  SECTION("another one had it for a while") {
    etcd::TxnRequest request;
    request.add_success()->mutable_request_delete_range()->set_key("dove/active");
    REQUIRE(client_of(server).txn(request, 2000ms));
    {
      auto second = open(server, 0, "two");
      REQUIRE(second.store->read_all());
      REQUIRE(second.store->commit(put("b", "2")));
    }
    CHECK_FALSE(first.store->commit(put("c", "3")));
  }
  SECTION("somebody has written into it") {
    etcd::TxnRequest request;
    auto* write = request.add_success()->mutable_request_put();
    write->set_key("dove/commit");
    write->set_value(look(server, "dove/commit").kvs(0).value());
    REQUIRE(client_of(server).txn(request, 2000ms));
    const auto refused = first.store->commit(put("c", "3"));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find("something else") != std::string::npos);
  }
  CHECK_FALSE(first.store->commit(put("e", "5")));
  CHECK_FALSE(first.store->settle());
  CHECK(*first.lost == 1);
}

TEST_CASE("a lease that ended while nobody wanted the store is had anew", "[etcd]") {
  EtcdServer server;
  auto first = open(server);
  REQUIRE(first.store->commit(put("a", "1")));
  const auto active = look(server, "dove/active");
  REQUIRE(client_of(server).revoke_lease(active.kvs(0).lease(), 2000ms));
  SECTION("by the next commit") { CHECK(*first.store->commit(put("b", "2")) == 2); }
  SECTION("without one") {
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (look(server, "dove/active").kvs_size() == 0)
      REQUIRE(std::chrono::steady_clock::now() < deadline);
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
  const auto began = std::chrono::steady_clock::now();
  CHECK(first.store->commit(put("b", "1")).error().code == ErrorCode::kUnavailable);
  CHECK(first.store->settle().error().code == ErrorCode::kUnavailable);
  CHECK(std::chrono::steady_clock::now() - began < 1s);  // at once, whatever the machine does
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
  CHECK(look(server, "dove/chunk/").kvs_size() == 0);
  CHECK_FALSE(first.store->commit(transaction));  // its preconditions do not hold any more
}

TEST_CASE("a large commit whose controller ended in the midst of it is whole or not there",
          "[etcd]") {
  EtcdServer server;
  auto first = open(server);
  const auto writes = many(20'000, "v");
  std::atomic<bool> done = false;
  std::thread commits{[&] {
    (void)first.store->commit({{}, writes});
    done = true;
  }};
  // Somewhere in the midst of it; the commit then waits for as long as it has patience.
  std::this_thread::sleep_for(std::chrono::milliseconds{GENERATE(5, 60, 150, 250)});
  server.end(SIGKILL);
  server.start_again();
  etcd::TxnRequest request;  // as if the first controller had slept
  request.add_success()->mutable_request_delete_range()->set_key("dove/active");
  auto client = client_of(server);
  REQUIRE(client.txn(request, 2000ms));
  const auto second = open(server, 5, "two");
  commits.join();
  // Who of them has it now is chance; whoever reads sees all or nothing.
  auto& store = second.store ? *second.store : *first.store;
  const auto all = store.read_all();
  REQUIRE(all);
  CHECK((all->records.empty() || all->records.size() == writes.size()));
  CHECK(all->revision == (all->records.empty() ? 0U : 1U));
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
  CHECK(first.store->read_all()->revision == last);
}

TEST_CASE("what is damaged or of another schema is refused, and named", "[etcd]") {
  const EtcdServer server;
  { const auto first = open(server); }
  etcd::TxnRequest request;
  auto* write = request.add_success()->mutable_request_put();
  const auto key = GENERATE("dove/store", "dove/commit", "dove/opening/00000000000000000001");
  write->set_key(key);
  write->set_value("\xff\xff");
  auto client = client_of(server);
  REQUIRE(client.txn(request, 2000ms));
  const auto opened = EtcdStore::open({.members = {server.address()},
                                       .holder = "two",
                                       .wait = [](const Error&) { return false; },
                                       .lost = [](const Error&) {}});
  REQUIRE_FALSE(opened);
  CHECK(opened.error().message.find(key) != std::string::npos);
}

TEST_CASE("of several members those that answer are enough for reads and commits", "[etcd]") {
  const EtcdServer server;
  EtcdServer gone;
  gone.end(SIGKILL);
  std::vector<api::Address> members{gone.address(), server.address()};
  auto store = EtcdStore::open({.members = members,
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
