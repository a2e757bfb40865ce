// What doved must remember over a restart and a reboot, and the file that holds it:
// `<state directory>/state.json`. Entries of the kernel are not in it: the kernel has those. Nor
// are the bindings of replicated networks (replica_file.h).
#pragma once

#include <asio/any_io_executor.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/directory.h"
#include "core/ip_address.h"
#include "core/mac_address.h"
#include "core/result.h"
#include "core/vni.h"

namespace dove::agent {

struct SavedPort {
  std::string dev;
  std::string endpoint;
  std::string network;
  Vni vni;
  MacAddress mac;
  std::vector<IpAddress> ips;
  std::vector<IpAddress> shared_ips = {};  // those of `ips` that others may speak for too
  std::uint64_t generation = 0;
  bool security = true;
  friend bool operator==(const SavedPort&, const SavedPort&) = default;
};

struct SavedNetwork {
  std::string name;
  Vni vni;
  friend bool operator==(const SavedNetwork&, const SavedNetwork&) = default;
};

// What the controller said of a network that this host has.
struct KnownNetwork {
  NetworkSettings settings;
  std::vector<HostId> members;  // its flood list
  friend bool operator==(const KnownNetwork&, const KnownNetwork&) = default;
};

// An endpoint that left this host while no controller could be told.
struct SavedDetach {
  std::string endpoint;
  std::uint64_t generation = 0;
  friend bool operator==(const SavedDetach&, const SavedDetach&) = default;
};

// A port of a network that learns who is behind it.
struct SavedLearningPort {
  std::string dev;
  std::string network;
  Vni vni;
  bool security = true;
  friend bool operator==(const SavedLearningPort&, const SavedLearningPort&) = default;
};

// A guest that nobody registered and that was learned behind a port.
struct SavedGuest {
  std::string dev;
  std::string endpoint;
  Vni vni;
  MacAddress mac;
  std::vector<IpAddress> ips;
  std::uint64_t generation = 0;
  friend bool operator==(const SavedGuest&, const SavedGuest&) = default;
};

struct State {
  StorePoint store;
  HostId self{};                         // this host, in that store; 0: not known
  std::optional<MacAddress> router_mac;  // of every network's router
  std::vector<SavedPort> ports;
  std::vector<SavedNetwork> joined;  // by command, without need of a port
  std::vector<SavedDetach> detached;
  std::vector<IpAddress> vteps;  // of the other hosts
  std::vector<HostRecord> hosts;
  std::vector<KnownNetwork> networks;
  // A file before this one could not be read whole: the kernel may have what is not named here.
  bool incomplete = false;
  std::vector<SavedLearningPort> learning = {};
  std::vector<SavedGuest> learned = {};
  friend bool operator==(const State&, const State&) = default;
};

std::string format_state(const State& state);

// What could be understood of a text, and what could not, by its place in it.
struct ParsedState {
  State state;
  std::vector<std::string> problems;
};
ParsedState parse_state(std::string_view text);

// An absent file is an empty state. One that cannot be understood whole is copied to
// `<file>.damaged`, and the state is incomplete. The error, which names the file, says that it
// cannot even be read.
Result<ParsedState> load_state(const std::filesystem::path& file);
Status save_state(const std::filesystem::path& file, const State& state);

// Saves on a thread of its own, so that the disk holds nobody up. A newer state overtakes one that
// has not been begun. The destructor waits until all that was given is saved.
class StateWriter {
 public:
  // Completions run on `executor`.
  StateWriter(std::filesystem::path file, asio::any_io_executor executor);
  ~StateWriter();
  StateWriter(const StateWriter&) = delete;
  StateWriter& operator=(const StateWriter&) = delete;

  void save(State state, std::function<void(Status)> done);

 private:
  struct Worker;
  std::unique_ptr<Worker> worker_;
};

}  // namespace dove::agent
