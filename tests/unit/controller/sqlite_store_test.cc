// What only the embedded engine can get wrong: the file it is given.
#include "controller/store/sqlite_store.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "tests/catch.h"
#include "tests/unit/controller/temporary_directory.h"

namespace dove::controller {
namespace {

std::string refusal(const std::string& path) {
  const auto store = SqliteStore::open(path);
  REQUIRE_FALSE(store);
  CHECK(store.error().message.find(path) != std::string::npos);
  return store.error().message;
}

void run_sql(const std::string& path, const char* sql) {
  sqlite3* db = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &db) == SQLITE_OK);
  CHECK(sqlite3_exec(db, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(db);
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("a file that is no database is refused and left alone") {
  const TemporaryDirectory directory;
  const auto path = directory / "notes.txt";
  const std::string notes(4096, 'x');
  std::ofstream{path} << notes;
  CHECK(contains(refusal(path), "no database"));
  std::ifstream file{path};
  CHECK(std::string{std::istreambuf_iterator<char>{file}, {}} == notes);
}

TEST_CASE("another program's database is refused") {
  const TemporaryDirectory directory;
  const auto path = directory / "other.db";
  run_sql(path, "CREATE TABLE theirs(x)");
  CHECK(contains(refusal(path), "another program's"));
}

TEST_CASE("a newer schema is refused by its number") {
  const TemporaryDirectory directory;
  const auto path = directory / "store.db";
  REQUIRE(SqliteStore::open(path));
  run_sql(path, "PRAGMA user_version=2");
  CHECK(contains(refusal(path), "schema 2"));
}

TEST_CASE("a store knows its past, and that a copy that is put back has not all of it") {
  const TemporaryDirectory directory;
  const auto path = directory / "store.db";
  const auto commit = [](SqliteStore& store) {
    const auto done = store.commit({{}, {{"tenant/a", "1"}}});
    REQUIRE(done);
    return *done;
  };
  std::string first, second;
  std::uint64_t at = 0;
  {
    const auto store = *SqliteStore::open(path);
    first = store->openings().back().id;
    CHECK(store->openings().size() == 1);
    CHECK(store->openings().back().revision == 0);
    at = commit(*store);
    CHECK(is_past(store->openings(), first, at, at));
    CHECK_FALSE(is_past(store->openings(), first, at + 1, at));
  }
  std::filesystem::copy(path, directory / "copy.db");
  {
    const auto store = *SqliteStore::open(path);
    second = store->openings().back().id;
    CHECK(second != first);
    CHECK(store->openings().size() == 2);
    CHECK(is_past(store->openings(), first, at, at));
    CHECK(is_past(store->openings(), second, commit(*store), at + 1));
  }
  std::filesystem::copy(directory / "copy.db", path,
                        std::filesystem::copy_options::overwrite_existing);
  const auto restored = *SqliteStore::open(path);
  std::uint64_t now = at;
  for (int i = 0; i < 10; ++i) now = commit(*restored);  // it has overtaken what was lost
  CHECK(is_past(restored->openings(), first, at, now));
  CHECK_FALSE(is_past(restored->openings(), first, at + 1, now));
  CHECK_FALSE(is_past(restored->openings(), second, at, now));
}

TEST_CASE("of the times that a store was opened only the last are kept") {
  const TemporaryDirectory directory;
  const auto path = directory / "store.db";
  REQUIRE(SqliteStore::open(path));
  run_sql(path,
          "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 300)"
          " INSERT INTO openings SELECT i, x'00', 0 FROM n");
  const auto store = SqliteStore::open(path);
  REQUIRE(store);
  CHECK((*store)->openings().size() == 256);
}

TEST_CASE("a store in use is refused, and free again when it is closed") {
  const TemporaryDirectory directory;
  const auto path = directory / "store.db";
  {
    const auto first = SqliteStore::open(path);
    REQUIRE(first);
    CHECK(contains(refusal(path), "in use by another controller"));
    CHECK((*first)->commit({{}, {{"a", "1"}}}));
  }
  CHECK(SqliteStore::open(path));
}

TEST_CASE("a directory that is not there, or in the file's place, is refused") {
  const TemporaryDirectory directory;
  CHECK(contains(refusal(directory / "none/store.db"), "No such file or directory"));
  const auto path = directory / "store.db";
  REQUIRE(::mkdir(path.c_str(), 0755) == 0);
  CHECK(contains(refusal(path), "Is a directory"));
}

TEST_CASE("each new store has an id of its own, and its file is not for everyone") {
  const TemporaryDirectory directory;
  const auto one = SqliteStore::open(directory / "1.db");
  const auto two = SqliteStore::open(directory / "2.db");
  REQUIRE((one && two));
  CHECK((*one)->id() != (*two)->id());
  struct stat status {};
  REQUIRE(::stat((directory / "1.db").c_str(), &status) == 0);
  CHECK((status.st_mode & 07) == 0);
}

TEST_CASE("a commit is durable in full: the settings that make it so are on") {
  const TemporaryDirectory directory;
  const auto store = SqliteStore::open(directory / "store.db");
  REQUIRE(store);
  sqlite3* db = nullptr;
  REQUIRE(sqlite3_open((directory / "store.db").c_str(), &db) == SQLITE_OK);
  std::string mode;
  const auto keep = [](void* out, int, char** values, char**) {
    *static_cast<std::string*>(out) = values[0];
    return 0;
  };
  CHECK(sqlite3_exec(db, "PRAGMA journal_mode", keep, &mode, nullptr) == SQLITE_OK);
  sqlite3_close(db);
  CHECK(mode == "wal");
}

}  // namespace
}  // namespace dove::controller
