// Where the controller's records live: what an embedded engine and a distributed one can both do
// honestly. Read everything at a revision, commit a transaction with preconditions, watch.
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
// id is random, made when a store is created, restored or imported.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
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

class Store {
 public:
  virtual ~Store() = default;

  // 16 random bytes.
  virtual const std::string& id() const noexcept = 0;
  virtual Result<Snapshot> read_all() = 0;

  // On success everything is durable and the new revision is returned. kConflict when a
  // precondition failed, kUnavailable when the engine cannot decide now (nothing was written as far
  // as the caller may assume after read_all()), kSystem when the disk refused. Thread-safe.
  virtual Result<std::uint64_t> commit(const Transaction& transaction) = 0;

  // `on_commit` is called once for each commit after `revision`, in order, including this process's
  // own, from a thread of the engine's or from within commit(). One watcher a store.
  using OnCommit = std::function<void(std::uint64_t revision, const std::vector<Write>& writes)>;
  virtual Status watch(std::uint64_t revision, OnCommit on_commit) = 0;
};

}  // namespace dove::controller
