// What every engine behind the Store interface promises; each is tested by the same cases.
#include "controller/store/store.h"

#include <memory>
#include <thread>

#include "controller/store/etcd_client.h"
#include "controller/store/etcd_store.h"
#include "controller/store/sqlite_store.h"
#include "tests/catch.h"
#include "tests/unit/controller/etcd_server.h"
#include "tests/unit/controller/memory_store.h"
#include "tests/unit/controller/temporary_directory.h"

namespace dove::controller {
namespace {

// An engine under test: a store, and the same store after its process has ended.
struct Memory {
  MemoryStore store;
  Store& get() { return store; }
  void reopen() {}
};

struct Sqlite {
  TemporaryDirectory directory;
  std::unique_ptr<SqliteStore> store = open();
  Store& get() { return *store; }
  void reopen() {
    store.reset();
    store = open();
  }
  std::unique_ptr<SqliteStore> open() {
    auto opened = SqliteStore::open(directory / "store.db");
    REQUIRE(opened);
    return *std::move(opened);
  }
};

// A server for all cases: each begins with a new store in it.
struct Etcd {
  static EtcdServer& server() {
    static EtcdServer one;
    return one;
  }
  Etcd() {
    etcdserverpb::TxnRequest all;
    auto* range = all.add_success()->mutable_request_delete_range();
    range->set_key("dove/");
    range->set_range_end("dove0");
    EtcdClient client{{server().address()}, false};
    REQUIRE(client.txn(all, std::chrono::steady_clock::now() + std::chrono::seconds{5}));
    store = open();
  }
  std::unique_ptr<EtcdStore> store;
  Store& get() { return *store; }
  void reopen() {
    store.reset();
    store = open();
  }
  std::unique_ptr<EtcdStore> open() {
    auto opened = EtcdStore::open({.members = {server().address()},
                                   .holder = "test",
                                   .wait = [](const Error&) { return false; },
                                   .lost = [](const Error&) {}});
    REQUIRE(opened);
    REQUIRE(*opened);
    return *std::move(opened);
  }
};

Transaction put(const std::string& key, const std::string& value, std::uint64_t expected) {
  return {{{key, expected}}, {{key, value}}};
}

TEMPLATE_TEST_CASE("a new store is empty and has an id", "[store]", Memory, Sqlite, Etcd) {
  TestType engine;
  CHECK(engine.get().id().size() == 16);
  const auto snapshot = engine.get().read_all();
  REQUIRE(snapshot);
  CHECK(snapshot->revision == 0);
  CHECK(snapshot->records.empty());
}

TEMPLATE_TEST_CASE("each commit has the next revision and is read back", "[store]", Memory, Sqlite,
                   Etcd) {
  TestType engine;
  const std::string binary{"\0\xff'\n", 4};
  CHECK(*engine.get().commit(put("b", "1", 0)) == 1);
  CHECK(*engine.get().commit(put("a", binary, 0)) == 2);
  CHECK(*engine.get().commit(put("b", "", 1)) == 3);
  const auto id = engine.get().id();
  engine.reopen();
  const auto snapshot = engine.get().read_all();
  REQUIRE(snapshot);
  CHECK(engine.get().id() == id);
  CHECK(snapshot->revision == 3);
  REQUIRE(snapshot->records.size() == 2);
  CHECK(snapshot->records[0].key == "a");
  CHECK(snapshot->records[0].value == binary);
  CHECK(snapshot->records[0].revision == 2);
  CHECK(snapshot->records[1].value.empty());
  CHECK(snapshot->records[1].revision == 3);
}

TEMPLATE_TEST_CASE("a write without value erases, also what is absent", "[store]", Memory, Sqlite,
                   Etcd) {
  TestType engine;
  REQUIRE(engine.get().commit(put("a", "1", 0)));
  CHECK(*engine.get().commit({{}, {{"a", std::nullopt}, {"b", std::nullopt}}}) == 2);
  engine.reopen();
  CHECK(engine.get().read_all()->records.empty());
  CHECK(engine.get().read_all()->revision == 2);
}

TEMPLATE_TEST_CASE("a precondition that fails leaves everything as it was", "[store]", Memory,
                   Sqlite, Etcd) {
  TestType engine;
  REQUIRE(engine.get().commit(put("a", "1", 0)));
  const auto expected = GENERATE(std::uint64_t{0}, std::uint64_t{2});
  const auto refused = engine.get().commit({{{"b", 0}, {"a", expected}}, {{"b", "2"}, {"a", "2"}}});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kConflict);
  CHECK(refused.error().message.find("\"a\"") != std::string::npos);
  const auto snapshot = engine.get().read_all();
  CHECK(snapshot->revision == 1);
  REQUIRE(snapshot->records.size() == 1);
  CHECK(snapshot->records[0].value == "1");
  CHECK(*engine.get().commit(put("a", "3", 1)) == 2);
}

TEMPLATE_TEST_CASE("commits from many threads are each one step", "[store]", Memory, Sqlite, Etcd) {
  TestType engine;
  constexpr int kEach = 50;
  const auto write = [&](const std::string& name) {
    std::uint64_t last = 0;
    for (int i = 0; i < kEach; ++i) {
      const auto revision = engine.get().commit(put(name, std::to_string(i), last));
      if (revision) last = *revision;
    }
  };
  std::thread one{[&] { write("one"); }};
  std::thread two{[&] { write("two"); }};
  one.join();
  two.join();
  const auto snapshot = engine.get().read_all();
  CHECK(snapshot->revision == 2 * kEach);
  for (const auto& record : snapshot->records) CHECK(record.value == std::to_string(kEach - 1));
}

}  // namespace
}  // namespace dove::controller
