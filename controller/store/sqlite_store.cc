// Schema, version 1:
//   meta(one INTEGER PRIMARY KEY = 1, store_id BLOB, revision INTEGER)     one row
//   records(key TEXT PRIMARY KEY, value BLOB, revision INTEGER) WITHOUT ROWID
//   openings(number INTEGER PRIMARY KEY, id BLOB, revision INTEGER)   may be absent; the last ones
// application_id is "dove" in ASCII, user_version the schema's.
#include "controller/store/sqlite_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>

#include "controller/store/random_id.h"
#include "core/hex.h"

namespace dove::controller {
namespace {

constexpr int kApplicationId = 0x646f7665;
constexpr int kSchemaVersion = 1;
constexpr unsigned kOpenings = 256;  // kept

class Descriptor {
 public:
  explicit Descriptor(int fd) noexcept : fd_{fd} {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(Descriptor&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
  Descriptor& operator=(Descriptor&&) = delete;
  int get() const noexcept { return fd_; }

 private:
  int fd_;
};

struct CloseDatabase {
  void operator()(sqlite3* db) const noexcept { sqlite3_close_v2(db); }
};
struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;
using Prepared = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

Error failed(const std::string& path, std::string_view what) {
  return {ErrorCode::kSystem, fmt::format("store \"{}\": {}", path, what)};
}

Error failed(const std::string& path, sqlite3* db) {
  const bool full = (sqlite3_errcode(db) & 0xff) == SQLITE_FULL;
  return {ErrorCode::kSystem, fmt::format("store \"{}\": {}", path, sqlite3_errmsg(db)),
          full ? ENOSPC : sqlite3_system_errno(db)};
}

// One use of a prepared statement: bind, step, read; reset at the end whatever happens.
class Use {
 public:
  explicit Use(const Prepared& statement) noexcept : statement_{statement.get()} {}
  ~Use() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

  Use& text(int at, const std::string& value) {
    sqlite3_bind_text(statement_, at, value.data(), static_cast<int>(value.size()), SQLITE_STATIC);
    return *this;
  }
  Use& blob(int at, const std::string& value) {
    sqlite3_bind_blob(statement_, at, value.data(), static_cast<int>(value.size()), SQLITE_STATIC);
    return *this;
  }
  Use& number(int at, std::uint64_t value) {
    sqlite3_bind_int64(statement_, at, static_cast<sqlite3_int64>(value));
    return *this;
  }
  int step() { return sqlite3_step(statement_); }
  bool run() { return step() == SQLITE_DONE; }
  std::uint64_t number(int column) {
    return static_cast<std::uint64_t>(sqlite3_column_int64(statement_, column));
  }
  std::string bytes(int column) {
    const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_, column));
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
    return data == nullptr ? std::string{} : std::string{data, size};
  }

 private:
  sqlite3_stmt* statement_;
};

Result<Descriptor> lock(const std::string& path) {
  const auto side = path + ".lock";
  Descriptor fd{::open(side.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640)};
  if (fd.get() < 0)
    return Error{
        ErrorCode::kSystem,
        fmt::format("store \"{}\": cannot write \"{}\": {}", path, side, std::strerror(errno)),
        errno};
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0)
    return Error{ErrorCode::kConflict,
                 fmt::format("store \"{}\" is in use by another controller", path)};
  return fd;
}

}  // namespace

struct SqliteStore::File {
  File(std::string the_path, Descriptor the_lock)
      : path{std::move(the_path)}, lock{std::move(the_lock)} {}

  Status run(const std::string& sql) {
    if (sqlite3_exec(db.get(), sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) return {};
    return failed(path, db.get());
  }
  Result<Prepared> prepare(std::string_view sql) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v3(db.get(), sql.data(), static_cast<int>(sql.size()),
                           SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK)
      return failed(path, db.get());
    return Prepared{statement};
  }
  Result<std::uint64_t> number(std::string_view sql) {
    const auto statement = prepare(sql);
    if (!statement) return statement.error();
    Use use{*statement};
    if (use.step() != SQLITE_ROW) return failed(path, db.get());
    return use.number(0);
  }

  Status make();
  Status open();
  Status check_kind();
  Status create();
  Status prepare_all();
  Status read_meta();
  Status note_opening();
  void roll_back();
  Status check(const Precondition& precondition);
  Status write(const Write& write, std::uint64_t at);
  Status write_all(const Transaction& transaction, std::uint64_t at);
  Status commit(const Transaction& transaction, std::uint64_t at);
  void checkpoint();

  const std::string path;
  std::mutex mutex;  // everything below
  // The statements go before the database, the database before the lock.
  const Descriptor lock;
  Database db;
  Prepared get, put, erase, bump, all;
  std::string id;
  std::vector<Opening> openings;
  std::uint64_t revision = 0;
};

// SQLite would make the file readable for all, and say less of what is wrong. Closed before SQLite
// opens it: closing would release SQLite's locks.
Status SqliteStore::File::make() {
  const Descriptor fd{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640)};
  if (fd.get() >= 0) return {};
  return Error{ErrorCode::kSystem, fmt::format("store \"{}\": {}", path, std::strerror(errno)),
               errno};
}

Status SqliteStore::File::open() {
  if (auto status = make(); !status) return status;
  sqlite3* raw = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  const int result = sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
  db.reset(raw);
  if (result != SQLITE_OK) return failed(path, db.get());
  sqlite3_extended_result_codes(db.get(), 1);
  sqlite3_busy_timeout(db.get(), 1000);
  if (auto status = check_kind(); !status) return status;
  if (auto status = run("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL"); !status) return status;
  if (auto status = create(); !status) return status;
  if (auto status = prepare_all(); !status) return status;
  checkpoint();
  if (auto status = read_meta(); !status) return status;
  if (auto status = note_opening(); !status) return status;
  checkpoint();  // so that the file has room for it when the disk is full later
  return {};
}

// Before anything is written: is it ours, or empty?
Status SqliteStore::File::check_kind() {
  const auto application = number("PRAGMA application_id");
  if (!application) {
    const int code = sqlite3_errcode(db.get()) & 0xff;
    return code == SQLITE_NOTADB ? failed(path, "the file is no database") : application.error();
  }
  const auto version = number("PRAGMA user_version");
  const auto tables = number("SELECT count(*) FROM sqlite_master");
  if (!version) return version.error();
  if (!tables) return tables.error();
  if (*application == 0 && *version == 0 && *tables == 0) return {};
  if (*application != static_cast<std::uint64_t>(kApplicationId))
    return failed(path, "the file is another program's database");
  if (*version != static_cast<std::uint64_t>(kSchemaVersion))
    return failed(path, fmt::format("the file has schema {}, this controller knows {}", *version,
                                    kSchemaVersion));
  return {};
}

// Makes the schema in a new file, all at once.
Status SqliteStore::File::create() {
  const auto tables = number("SELECT count(*) FROM sqlite_master");
  if (!tables) return tables.error();
  if (*tables != 0) return {};
  const auto new_id = random_id();
  if (!new_id) return new_id.error();
  return run(fmt::format(
      "BEGIN IMMEDIATE;"
      "CREATE TABLE meta(one INTEGER PRIMARY KEY CHECK(one = 1), store_id BLOB NOT NULL,"
      " revision INTEGER NOT NULL);"
      "CREATE TABLE records(key TEXT PRIMARY KEY, value BLOB NOT NULL, revision INTEGER NOT NULL)"
      " WITHOUT ROWID;"
      "INSERT INTO meta VALUES(1, x'{}', 0);"
      "PRAGMA application_id={}; PRAGMA user_version={};"
      "COMMIT",
      to_hex(*new_id), kApplicationId, kSchemaVersion));
}

Status SqliteStore::File::prepare_all() {
  const auto into = [this](Prepared& statement, std::string_view sql) -> Status {
    auto prepared = prepare(sql);
    if (!prepared) return prepared.error();
    statement = *std::move(prepared);
    return {};
  };
  if (auto s = into(get, "SELECT revision FROM records WHERE key = ?1"); !s) return s;
  if (auto s = into(put,
                    "INSERT INTO records VALUES(?1, ?2, ?3) ON CONFLICT(key) DO UPDATE"
                    " SET value = excluded.value, revision = excluded.revision");
      !s)
    return s;
  if (auto s = into(erase, "DELETE FROM records WHERE key = ?1"); !s) return s;
  if (auto s = into(bump, "UPDATE meta SET revision = ?1"); !s) return s;
  return into(all, "SELECT key, value, revision FROM records ORDER BY key");
}

Status SqliteStore::File::read_meta() {
  const auto statement = prepare("SELECT store_id, revision FROM meta");
  if (!statement) return statement.error();
  Use use{*statement};
  if (use.step() != SQLITE_ROW) return failed(path, "the file has lost its store id");
  id = use.bytes(0);
  revision = use.number(1);
  return id.size() == kIdSize ? Status{} : failed(path, "the file's store id is damaged");
}

// On a full disk it is this process's alone: agents that know this opening ask all anew after the
// next.
Status SqliteStore::File::note_opening() {
  const auto opening = random_id();
  if (!opening) return opening.error();
  const auto status = run(fmt::format(
      "BEGIN IMMEDIATE;"
      "CREATE TABLE IF NOT EXISTS openings(number INTEGER PRIMARY KEY, id BLOB NOT NULL,"
      " revision INTEGER NOT NULL);"
      "INSERT INTO openings(id, revision) VALUES(x'{}', {});"
      "DELETE FROM openings WHERE number <= (SELECT max(number) FROM openings) - {};"
      "COMMIT",
      to_hex(*opening), revision, kOpenings));
  if (!status) {
    roll_back();
    if (status.error().os_error != ENOSPC) return status;
  }
  const auto table = number("SELECT count(*) FROM sqlite_master WHERE name = 'openings'");
  if (!table) return table.error();
  if (*table != 0) {
    const auto statement = prepare("SELECT id, revision FROM openings ORDER BY number");
    if (!statement) return statement.error();
    Use use{*statement};
    while (use.step() == SQLITE_ROW) openings.push_back({use.bytes(0), use.number(1)});
  }
  if (!status) openings.push_back({*opening, revision});
  return {};
}

Status SqliteStore::File::check(const Precondition& precondition) {
  Use use{get};
  const int result = use.text(1, precondition.key).step();
  if (result != SQLITE_ROW && result != SQLITE_DONE) return failed(path, db.get());
  const auto present = result == SQLITE_ROW ? use.number(0) : 0;
  if (present == precondition.revision) return {};
  return Error{ErrorCode::kConflict, fmt::format("record \"{}\" has changed", precondition.key)};
}

Status SqliteStore::File::write(const Write& write, std::uint64_t at) {
  Use use{write.value ? put : erase};
  use.text(1, write.key);
  if (write.value) use.blob(2, *write.value).number(3, at);
  return use.run() ? Status{} : failed(path, db.get());
}

Status SqliteStore::File::write_all(const Transaction& transaction, std::uint64_t at) {
  for (const auto& precondition : transaction.preconditions)
    if (auto status = check(precondition); !status) return status;
  for (const auto& one : transaction.writes)
    if (auto status = write(one, at); !status) return status;
  Use use{bump};
  return use.number(1, at).run() ? Status{} : failed(path, db.get());
}

Status SqliteStore::File::commit(const Transaction& transaction, std::uint64_t at) {
  auto status = run("BEGIN IMMEDIATE");
  if (!status) return status;
  status = write_all(transaction, at);
  if (status) status = run("COMMIT");
  if (!status) roll_back();
  return status;
}

void SqliteStore::File::roll_back() {
  if (sqlite3_get_autocommit(db.get()) == 0)
    sqlite3_exec(db.get(), "ROLLBACK", nullptr, nullptr, nullptr);
}

// Writes the log into the database, and gives its room back. SQLite does so by itself only after a
// commit that makes the log large enough: on a full disk never again.
void SqliteStore::File::checkpoint() {
  sqlite3_wal_checkpoint_v2(db.get(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
}

SqliteStore::SqliteStore(std::unique_ptr<File> file) : file_{std::move(file)} {}
SqliteStore::~SqliteStore() = default;

Result<std::unique_ptr<SqliteStore>> SqliteStore::open(const std::string& path) {
  auto locked = lock(path);
  if (!locked) return locked.error();
  auto file = std::make_unique<File>(path, *std::move(locked));
  if (auto status = file->open(); !status) return status.error();
  return std::unique_ptr<SqliteStore>{new SqliteStore{std::move(file)}};
}

const std::string& SqliteStore::id() const noexcept { return file_->id; }
const std::vector<Opening>& SqliteStore::openings() const noexcept { return file_->openings; }

Result<Snapshot> SqliteStore::read_all() {
  const std::lock_guard lock{file_->mutex};
  Snapshot snapshot{file_->revision, {}};
  Use use{file_->all};
  int result = SQLITE_ROW;
  while ((result = use.step()) == SQLITE_ROW)
    snapshot.records.push_back({use.bytes(0), use.bytes(1), use.number(2)});
  if (result != SQLITE_DONE) return failed(file_->path, file_->db.get());
  return snapshot;
}

Result<std::uint64_t> SqliteStore::commit(const Transaction& transaction) {
  const std::lock_guard lock{file_->mutex};
  const auto next = file_->revision + 1;
  auto status = file_->commit(transaction, next);
  if (!status && status.error().code == ErrorCode::kSystem && status.error().os_error == ENOSPC) {
    file_->checkpoint();
    status = file_->commit(transaction, next);
  }
  if (!status) return status.error();
  file_->revision = next;
  return next;
}

}  // namespace dove::controller
