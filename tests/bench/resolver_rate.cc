// How long the resolver thinks about one miss and its answer, without kernel and controller: CPU
// time, once with memory that it has to take from the system first and once with its own again.
// Comparator: one std::unordered_map with the same keys, into which each is put when it misses and
// in which it is looked up when it is answered.
//
//   dove_bench_resolver_rate [KEYS]
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string_view>
#include <unordered_map>

#include "agent/resolver.h"

namespace dove::agent {
namespace {

constexpr std::uint32_t kTurn = 256;
const Vni kVni = *Vni::from(10);
constexpr HostId kRemote{2};

MacKey mac_key(std::uint32_t i) {
  const auto byte = [&](unsigned shift) { return static_cast<std::uint8_t>(i >> shift); };
  return {kVni, MacAddress{{0x02, 0, byte(24), byte(16), byte(8), byte(0)}}};
}
IpKey ip_key(std::uint32_t i) { return {kVni, IpAddress::v4(0x0a000000U + i)}; }

MacBinding mac_binding(std::uint32_t i) {
  return {.key = mac_key(i), .verdict = Verdict::kFound, .host = kRemote, .revision = 1};
}
IpBinding ip_binding(std::uint32_t i) {
  return {.key = ip_key(i), .verdict = Verdict::kFound, .mac = mac_key(i).mac, .revision = 1};
}

PuntedFrame frame(std::uint32_t i) {
  PuntedFrame made{mac_key(i), mac_key(0xff000000U + i % 16).mac, {}};
  made.packets.packets.emplace_back(100);
  return made;
}

struct MacMisses {
  static constexpr std::string_view kName = "MAC misses";
  static void miss(Resolver& r, std::uint32_t i, TimePoint t, Actions& out) {
    r.on_event(MacMiss{mac_key(i)}, t, out);
  }
  static void answer(Resolver& r, std::uint32_t i, TimePoint t, Actions& out) {
    r.on_binding(mac_binding(i), t, out);
  }
};

struct PuntedFrames : MacMisses {
  static constexpr std::string_view kName = "punted frames";
  static void miss(Resolver& r, std::uint32_t i, TimePoint t, Actions& out) {
    r.on_event(frame(i), t, out);
  }
};

struct IpMisses {
  static constexpr std::string_view kName = "IP misses";
  static void miss(Resolver& r, std::uint32_t i, TimePoint t, Actions& out) {
    r.on_event(IpMiss{ip_key(i)}, t, out);
  }
  static void answer(Resolver& r, std::uint32_t i, TimePoint t, Actions& out) {
    r.on_binding(ip_binding(i), t, out);
    r.on_binding(mac_binding(i), t, out);
  }
};

// Of this thread: other programs on the machine do not count.
double cpu_ns() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

struct Figures {
  double first;
  double again;
};

template <class Run>
double measure(std::uint32_t keys, Run run) {
  const double since = cpu_ns();
  for (std::uint32_t first = 0; first < keys; first += kTurn)
    run(first, std::min(first + kTurn, keys));
  return (cpu_ns() - since) / keys;
}

class ResolverRun {
 public:
  ResolverRun() {
    resolver_.set_self(HostId{1});
    resolver_.on_session_ready(true, now_, out_);
    resolver_.on_hosts(std::vector{Resolver::HostChange{kRemote, Vtep{IpAddress::v4(0xc0000202)}}},
                       true, out_);
  }

  template <class Kind>
  double once(std::uint32_t keys) {
    resolver_.add_network(kVni, out_);
    const double ns = measure(keys, [&](auto first, auto end) { turn<Kind>(first, end); });
    if (resolver_.fdb().size() != keys) {
      fmt::print(stderr, "{}: {} of {} installed\n", Kind::kName, resolver_.fdb().size(), keys);
      std::exit(1);
    }
    resolver_.remove_network(kVni, out_);
    return ns;
  }

 private:
  template <class Kind>
  void turn(std::uint32_t first, std::uint32_t end) {
    now_ += std::chrono::microseconds{500};
    out_.clear();
    for (std::uint32_t i = first; i < end; ++i) Kind::miss(resolver_, i, now_, out_);
    for (std::uint32_t i = first; i < end; ++i) Kind::answer(resolver_, i, now_, out_);
    resolver_.on_time(now_, out_);
  }

  Resolver resolver_{Limits{.hash_seed = 0x5eed}};
  Actions out_;
  TimePoint now_{};
};

template <class Kind>
Figures resolver_ns(std::uint32_t keys) {
  ResolverRun run;
  const double first = run.once<Kind>(keys);
  return {first, run.once<Kind>(keys)};
}

Figures map_ns(std::uint32_t keys) {
  std::unordered_map<MacKey, MacBinding> map;
  const auto once = [&] {
    map.clear();
    return measure(keys, [&](auto first, auto end) {
      for (auto i = first; i < end; ++i) map.emplace(mac_key(i), MacBinding{mac_key(i)});
      for (auto i = first; i < end; ++i) map.find(mac_key(i))->second = mac_binding(i);
    });
  };
  const double first = once();
  return {first, once()};
}

template <class Kind>
void report(std::uint32_t keys) {
  const Figures map = map_ns(keys);
  const Figures resolver = resolver_ns<Kind>(keys);
  fmt::print(
      "{:<14} {:>8} keys: {:5.0f} ns first, {:5.0f} ns again; a hash map {:5.0f} and {:5.0f}; "
      "ratio {:.1f} and {:.1f}\n",
      Kind::kName, keys, resolver.first, resolver.again, map.first, map.again,
      resolver.first / map.first, resolver.again / map.again);
}

}  // namespace
}  // namespace dove::agent

int main(int argc, char** argv) {
  using namespace dove::agent;
  const auto keys = static_cast<std::uint32_t>(argc > 1 ? std::atoi(argv[1]) : 200'000);
  report<MacMisses>(keys);
  report<PuntedFrames>(keys);
  report<IpMisses>(keys);
}
