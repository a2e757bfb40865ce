// Where the controller's records live: what an embedded engine and a distributed one can both do
// honestly. Read everything at a revision, commit a transaction with preconditions. A store is one
// controller's at a time.
//
// Keys are text, ordered bytewise; values are the messages of controller/records.proto:
//
//   tenant/NAME                    Tenant
//   network/NAME                   Network
//   policy/TENANT/NETWORK/OTHER    Policy, the lesser name first
//   vni/NNNNNNNN                   name of the network that has the VNI (zero-padded decimal)
//   endpoint/NAME                  Endpoint, with its attachment
//   mac/TENANT/MAC                 name of the endpoint: a MAC is unique in a tenant
//   address/NNNNNNNN/IP            Address
//   host/NAME                      Host
//   quarantine/KEY                 Quarantine; KEY is the vni/ or address/ key that rests
//   counter/host-id                last HostId given out (decimal)
//
// A revision is the store's own count of commits: it only grows, and each commit has one. The store
// id is random, made when a store is created. A copy that is put back has its id, but not all of
// its past: that shows in its openings.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace dove::controller {

struct Record {
  std::string key;
  std::string value;
  std::uint64_t revision = 0;  // of the commit that wrote it
};

// One change of one key. An empty value erases; erasing what is absent is no error.
struct Write {
  std::string key;
  std::optional<std::string> value;
};

// The commit happens only if each of these holds: the key's record has this revision (0: absent).
struct Precondition {
  std::string key;
  std::uint64_t revision = 0;
};

struct Transaction {
  std::vector<Precondition> preconditions;
  std::vector<Write> writes;
};

struct Snapshot {
  std::uint64_t revision = 0;
  std::vector<Record> records;  // by key
};

// One time that a controller opened the store: a random id, and the revision there was.
struct Opening {
  std::string id;
  std::uint64_t revision = 0;
};

// Whether what was known of a store up to `revision`, during the opening `id`, is a past of the one
// with these openings that is at `now`. What is too long ago is none.
inline bool is_past(const std::vector<Opening>& openings, std::string_view id,
                    std::uint64_t revision, std::uint64_t now) {
  const auto opening = std::find_if(openings.begin(), openings.end(),
                                    [&](const Opening& one) { return one.id == id; });
  if (opening == openings.end()) return false;
  const auto next = std::next(opening);
  return revision <= (next == openings.end() ? now : next->revision);
}

class Store {
 public:
  virtual ~Store() = default;

  // 16 random bytes.
  virtual const std::string& id() const noexcept = 0;
  // Oldest first; the last is this one. Some hundreds at most.
  virtual const std::vector<Opening>& openings() const noexcept = 0;
  virtual Result<Snapshot> read_all() = 0;

  // On success everything is durable and the new revision is returned. kConflict when a
  // precondition failed, kSystem when the engine refused: nothing was written. kUnavailable when it
  // cannot be told now whether this was written, or what an earlier one has become: settle() says
  // it later. Thread-safe.
  virtual Result<std::uint64_t> commit(const Transaction& transaction) = 0;

  // Whether commits are made now, as far as is known. Any thread.
  virtual bool takes_commits() const noexcept { return true; }

  // What became of the commit that ended with kUnavailable first: its revision, or nothing when it
  // was not made and will not be. kUnavailable while that is not known. Does not block. Commits
  // succeed again once it has been told.
  virtual Result<std::optional<std::uint64_t>> settle() = 0;
};

}  // namespace dove::controller
