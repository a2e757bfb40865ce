// The command line and the configuration file of dove-controller: read, checked, made values.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "api/address.h"
#include "core/mac_address.h"

namespace dove::controller {

inline constexpr const char* kDefaultListen = "unix:/run/dove/controller.sock";
inline constexpr const char* kDefaultStore = "sqlite:/var/lib/dove/controller.db";

struct Options {
  std::vector<api::Address> listen;     // at least one
  std::optional<api::Address> metrics;  // where figures are served; empty: nowhere
  std::string store_path;               // of the SQLite file; empty: the store is in etcd
  std::vector<api::Address> etcd;       // its members
  bool insecure = false;
  std::chrono::milliseconds negative_ttl{2000};
  MacAddress router_mac;
  std::size_t replicate_limit = 4096;  // endpoints of a network
  std::chrono::seconds host_lease{10};
  unsigned realtime = 0;  // priority (core/scheduling.h); 0: none
  std::string log_level = "info";
};

// The program has nothing more to do: `text` goes to stdout when `code` is 0, else to stderr.
struct Finish {
  int code = 0;
  std::string text;
};

// Every option may stand on the command line or in the file that --config names; the command line
// wins. A Finish with code 1 names the bad word and what was expected.
std::variant<Options, Finish> parse_options(int argc, const char* const* argv);

}  // namespace dove::controller
