// The command line and the configuration file of doved: read, checked, and turned into values.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "agent/datapath/options.h"
#include "agent/resolver.h"
#include "api/address.h"
#include "core/vtep.h"

namespace dove::agent {

struct Options {
  std::string host;
  Vtep local;
  std::vector<api::Address> controllers;
  bool insecure = false;
  std::string socket = "/run/dove/doved.sock";
  std::optional<api::Address> metrics;  // where figures are served; empty: nowhere
  std::filesystem::path state_dir = "/var/lib/dove";
  MissMode miss_mode = MissMode::kPunt;
  std::chrono::seconds ageing{300};
  std::chrono::seconds query_interval{125};
  std::chrono::seconds audit_period{60};  // 0: never by itself
  std::chrono::seconds reconcile_pause{10};
  std::chrono::seconds learn_ageing{300};
  unsigned realtime = 1;  // priority (core/scheduling.h); 0: none
  WallLimits limits;      // in the kernel
  Limits bounds{.asks_per_guest = {2000, 500},
                .asks_per_host = {20000, 5000},
                .group_copies_per_guest = {1000, 250},
                .group_copies_per_host = {10000, 2500}};  // behind it
  std::string log_level = "info";

  std::filesystem::path state_file() const { return state_dir / "state.json"; }
};

// The program has nothing more to do: `text` goes to stdout when `code` is 0, else to stderr.
struct Finish {
  int code = 0;
  std::string text;
};

// Every option may be given once, on the command line or in the file that --config names; the
// command line wins. A Finish with code 1 names the bad word and what was expected.
std::variant<Options, Finish> parse_options(int argc, const char* const* argv);

}  // namespace dove::agent
