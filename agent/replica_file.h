// Replicated networks over a restart and a reboot: one file each, `<state directory>/replica-VNI`,
// replaced as a whole, and neither for every change nor all at once.
#pragma once

#include <asio/any_io_executor.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agent/replica.h"

namespace dove::agent {

struct SavedReplica {
  std::string store_id;
  Vni vni;
  Replica replica;
  std::chrono::system_clock::time_point at;  // when it was still all there is
};

std::string format_replica(const SavedReplica& saved);
// The error says that the text is damaged, or of another version: nothing of it is to be believed.
Result<SavedReplica> parse_replica(std::string_view text);

class ReplicaStore {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  // Troubles are told on `executor`.
  ReplicaStore(std::filesystem::path directory, asio::any_io_executor executor,
               std::function<void(const std::string&)> trouble);
  // Waits until all that was given is written.
  ~ReplicaStore();
  ReplicaStore(const ReplicaStore&) = delete;
  ReplicaStore& operator=(const ReplicaStore&) = delete;

  // What was saved of a network of this store; empty when there is nothing.
  Result<std::optional<SavedReplica>> load(Vni vni, const std::string& store_id) const;
  // Files of no such network go.
  void keep_only(const std::vector<Vni>& networks);

  void changed(Vni vni);
  void remove(Vni vni);
  // The one to be written now, if any: changed, or written so long ago that its time should be new.
  std::optional<Vni> due(TimePoint now) const;
  void save(SavedReplica saved, TimePoint now);

 private:
  struct Worker;
  struct Entry {
    bool changed = true;
    std::optional<TimePoint> saved;
  };
  std::filesystem::path path_of(Vni vni) const;

  const std::filesystem::path directory_;
  std::map<Vni, Entry> entries_;
  TimePoint last_save_{};
  std::unique_ptr<Worker> worker_;
};

}  // namespace dove::agent
