// What doved must remember over a restart and a reboot, and the file that holds it:
// `<state directory>/state.json`. Entries of the kernel are not in it: the kernel has those.
//
// The file is replaced as a whole (a new file, synced, renamed over the old one, the directory
// synced), so that it is either the old state or the new one, whenever the power fails.
#pragma once

#include <asio/any_io_executor.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
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
  std::uint64_t generation = 0;
  bool security = true;
  friend bool operator==(const SavedPort&, const SavedPort&) = default;
};

struct SavedNetwork {
  std::string name;
  Vni vni;
  friend bool operator==(const SavedNetwork&, const SavedNetwork&) = default;
};

// An endpoint that left this host while no controller could be told.
struct SavedDetach {
  std::string endpoint;
  std::uint64_t generation = 0;
  friend bool operator==(const SavedDetach&, const SavedDetach&) = default;
};

struct State {
  StorePoint store;
  std::vector<SavedPort> ports;
  std::vector<SavedNetwork> joined;  // by command, without need of a port
  std::vector<SavedDetach> detached;
  std::vector<IpAddress> vteps;  // of the other hosts
  friend bool operator==(const State&, const State&) = default;
};

std::string format_state(const State& state);
// The error says what is wrong in the text and where; another version than ours is an error too.
Result<State> parse_state(std::string_view text);

// An absent file is an empty state. Every error names the file.
Result<State> load_state(const std::filesystem::path& file);
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
