#include "agent/bound_options.h"

#include <algorithm>

#include "agent/option_words.h"

namespace dove::agent {
namespace {

constexpr unsigned kMostAsks = 10'000'000;
constexpr unsigned kMebibyte = 1U << 20U;

// A second's worth is let through in four bursts.
GuestRate rate_of(unsigned per_second) {
  return {.per_second = per_second, .burst = std::max(per_second / 4, 4U)};
}

struct Bound {
  const char* option;
  const char* help;
  Range range;
  void (*set)(unsigned value, Limits& out);
};

constexpr std::array<Bound, kBoundOptions> kBounds{{
    {"--ask-limit",
     "Questions to the controller a second because of one guest, 0: no limit (2000)",
     {0, kMostAsks},
     [](unsigned value, Limits& out) { out.asks_per_guest = rate_of(value); }},
    {"--host-ask-limit",
     "Questions to the controller a second because of all guests, 0: no limit (20000)",
     {0, kMostAsks},
     [](unsigned value, Limits& out) { out.asks_per_host = rate_of(value); }},
    {"--guest-waiting",
     "Packets and queries of one guest that may wait for an answer (2048)",
     {1, 1'000'000},
     [](unsigned value, Limits& out) { out.waiting_per_guest = value; }},
    {"--network-waiting",
     "Likewise of one network (8192)",
     {1, 1'000'000},
     [](unsigned value, Limits& out) { out.waiting_per_network = value; }},
    {"--waiting-memory",
     "MiB that packets may take which wait, of all guests (16)",
     {1, 4095},
     [](unsigned value, Limits& out) { out.waiting_bytes = std::size_t{value} * kMebibyte; }},
    {"--network-keys",
     "Addresses of one network that may be asked about or known not to exist (65536)",
     {16, 10'000'000},
     [](unsigned value, Limits& out) { out.keys_per_network = value; }},
    {"--network-groups",
     "Multicast MACs of one network that have a list of their own (256)",
     {1, 4096},
     [](unsigned value, Limits& out) { out.groups_per_network = value; }},
    {"--group-copy-limit",
     "Copies of one guest's multicast that doved itself sends in a second, 0: no limit (1000)",
     {0, kMostAsks},
     [](unsigned value, Limits& out) { out.group_copies_per_guest = rate_of(value); }},
    {"--host-group-copy-limit",
     "Likewise of all guests (10000)",
     {0, kMostAsks},
     [](unsigned value, Limits& out) { out.group_copies_per_host = rate_of(value); }},
}};

}  // namespace

void describe_bounds(CLI::App& app, BoundWords& words) {
  for (std::size_t i = 0; i < kBounds.size(); ++i)
    app.add_option(kBounds[i].option, words[i], kBounds[i].help);
}

Status read_bounds(const BoundWords& words, Limits& out) {
  for (std::size_t i = 0; i < kBounds.size(); ++i) {
    unsigned value = 0;
    if (words[i].empty()) continue;
    if (auto status = read_number(kBounds[i].option, words[i], kBounds[i].range, value); !status)
      return status;
    kBounds[i].set(value, out);
  }
  return {};
}

}  // namespace dove::agent
