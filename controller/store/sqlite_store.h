// The embedded store: one SQLite file in WAL mode, for one controller process at a time.
//
// A commit has reached the disk when commit() returns (synchronous=FULL). The file is held by a
// lock on PATH.lock for the store's life, which the kernel drops however the process ends.
#pragma once

#include <memory>
#include <string>

#include "controller/store/store.h"

namespace dove::controller {

class SqliteStore final : public Store {
 public:
  // Opens the file, or makes it with a new store id. Refused, naming the file: what is no database,
  // a database of another program or of a newer schema, one that another process has, a directory
  // that cannot be written.
  static Result<std::unique_ptr<SqliteStore>> open(const std::string& path);
  ~SqliteStore() override;

  const std::string& id() const noexcept override;
  const std::vector<Opening>& openings() const noexcept override;
  Result<Snapshot> read_all() override;
  Result<std::uint64_t> commit(const Transaction& transaction) override;
  // Nothing is ever unknown.
  Result<std::optional<std::uint64_t>> settle() override { return std::optional<std::uint64_t>{}; }

 private:
  struct File;
  explicit SqliteStore(std::unique_ptr<File> file);
  std::unique_ptr<File> file_;
};

}  // namespace dove::controller
