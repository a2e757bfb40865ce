// dove_ping_pairs PLAN: for each pair of guests one echo while neither's host knows anything of the
// other (cold), one right after it (warm), and one between two guests of the same numbers in a
// setting where everything is installed beforehand and only the guests' ARP caches are cold
// (preinstalled). Alternating, so that all three meet the same noise.
//
// PLAN is a JSON file:
//   {"cold": SETTING, "preinstalled": SETTING, "pairs": [[0, 33], ...],
//    "patience_ms": 3000, "rest_us": 2000}
//   SETTING: {"hosts": [{"netns": NAME, "device": VXLAN DEVICE}, ...],
//             "guests": [{"netns": NAME, "host": 0, "mac": MAC, "ip": IPV4}, ...]}
//
// Prints a line of JSON a pair: the times in microseconds, null for what was lost, and `installed`:
// whether after the cold echo everything is there that was absent before it, which is what shows
// that "cold" is looked for in the right place.
#include <fmt/core.h>

#include <chrono>
#include <exception>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/bench/ping_guest.h"
#include "tests/bench/vxlan_table.h"

namespace dove::bench {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;
using Time = std::optional<std::chrono::nanoseconds>;

constexpr auto kColdPatience = std::chrono::seconds{3};

std::string text(const json& object, const char* key) { return object.at(key).get<std::string>(); }

template <class Value>
Value parse(const json& object, const char* key) {
  const auto value = Value::parse(text(object, key));
  if (!value) throw std::runtime_error("not an address: " + text(object, key));
  return *value;
}

// Hosts and the guests behind them.
class Setting {
 public:
  explicit Setting(const json& plan) {
    for (const auto& host : plan.at("hosts")) {
      hosts_.emplace_back(text(host, "netns"), text(host, "device"));
    }
    for (const auto& guest : plan.at("guests")) {
      guests_.emplace_back(text(guest, "netns"), parse<MacAddress>(guest, "mac"),
                           parse<IpAddress>(guest, "ip"));
      host_of_.push_back(guest.at("host"));
    }
  }
  PingGuest& guest(std::size_t number) { return guests_.at(number); }
  VxlanTable& host_of(std::size_t number) { return hosts_.at(host_of_.at(number)); }

 private:
  std::vector<VxlanTable> hosts_;
  std::vector<PingGuest> guests_;
  std::vector<std::size_t> host_of_;
};

struct Pair {
  Pair(Setting& setting, std::size_t a, std::size_t b)
      : from{setting.guest(a)},
        to{setting.guest(b)},
        here{setting.host_of(a)},
        there{setting.host_of(b)} {}

  PingGuest& from;
  PingGuest& to;
  VxlanTable& here;
  VxlanTable& there;

  // Also afterwards: the guests of all namespaces share one limit, gc_thresh3.
  void flush_guests() {
    from.forget(to.ip());
    to.forget(from.ip());
  }
  bool guests_know_nothing() { return !from.resolves(to.ip()) && !to.resolves(from.ip()); }
  bool hosts_know_nothing() { return known().empty(); }
  // What either host has installed, for a message.
  std::string known() {
    std::string found;
    for (VxlanTable* host : {&here, &there}) {
      const char* const where = host == &here ? "here" : "there";
      for (const PingGuest* guest : {&from, &to}) {
        if (host->forwards(guest->mac()))
          found += fmt::format(" fdb {} {}", where, guest->mac().to_string());
        if (host->resolves(guest->ip()))
          found += fmt::format(" neighbour {} {}", where, guest->ip().to_string());
      }
    }
    return found;
  }
  // What an echo and its answer need.
  bool hosts_know_all() { return here.forwards(to.mac()) && there.forwards(from.mac()); }
  bool guests_know_all() { return from.resolves(to.ip()) && to.resolves(from.ip()); }
};

// Deletes the entries that lead to either guest. The neighbours are the agent's to withdraw, which
// it does when it hears of the deletion: then it has forgotten them, too.
void make_cold(Pair& pair) {
  const MacAddress macs[] = {pair.from.mac(), pair.to.mac()};
  const auto remote = [&](VxlanTable& host) {
    std::vector<MacAddress> found;
    for (const auto& mac : macs) {
      if (host.forwards(mac)) found.push_back(mac);
    }
    host.remove(found);
  };
  remote(pair.here);
  remote(pair.there);
  pair.flush_guests();
  const auto deadline = Clock::now() + kColdPatience;
  while (!pair.hosts_know_nothing()) {
    if (Clock::now() > deadline) {
      throw std::runtime_error("entries of " + pair.from.ip().to_string() + " and " +
                               pair.to.ip().to_string() + " do not go away:" + pair.known());
    }
    std::this_thread::sleep_for(std::chrono::microseconds{200});
  }
}

void assert_cold(Pair& pair) {
  if (!pair.hosts_know_nothing() || !pair.guests_know_nothing()) {
    throw std::runtime_error(pair.from.ip().to_string() + " and " + pair.to.ip().to_string() +
                             " are not cold");
  }
}

void assert_preinstalled(Pair& pair) {
  if (!pair.hosts_know_all() || !pair.guests_know_nothing()) {
    throw std::runtime_error("the comparator is not as it should be");
  }
}

json microseconds(const Time& time) {
  if (!time) return nullptr;
  return std::chrono::duration<double, std::micro>(*time).count();
}

class Run {
 public:
  explicit Run(const json& plan)
      : cold_{plan.at("cold")},
        preinstalled_{plan.at("preinstalled")},
        patience_{plan.at("patience_ms").get<int>()},
        rest_{plan.at("rest_us").get<int>()} {}

  json measure(std::size_t a, std::size_t b) {
    json times = measure_cold(Pair{cold_, a, b});
    times["preinstalled"] = measure_preinstalled(Pair{preinstalled_, a, b});
    return times;
  }

 private:
  json measure_cold(Pair pair) {
    make_cold(pair);
    std::this_thread::sleep_for(rest_);
    assert_cold(pair);
    const Time cold = pair.from.ping(pair.to.ip(), patience_);
    std::this_thread::sleep_for(rest_);
    const bool installed = pair.hosts_know_all() && pair.guests_know_all();
    std::this_thread::sleep_for(rest_);
    const Time warm = pair.from.ping(pair.to.ip(), patience_);
    pair.flush_guests();
    return {{"from", pair.from.ip().to_string()},
            {"to", pair.to.ip().to_string()},
            {"cold", microseconds(cold)},
            {"warm", microseconds(warm)},
            {"installed", installed}};
  }

  json measure_preinstalled(Pair pair) {
    pair.flush_guests();
    std::this_thread::sleep_for(rest_);
    assert_preinstalled(pair);
    const Time time = pair.from.ping(pair.to.ip(), patience_);
    pair.flush_guests();
    return microseconds(time);
  }

  Setting cold_;
  Setting preinstalled_;
  std::chrono::milliseconds patience_;
  std::chrono::microseconds rest_;
};

void run(const char* file) {
  std::ifstream input{file};
  const json plan = json::parse(input);
  Run run{plan};
  for (const auto& pair : plan.at("pairs")) {
    fmt::print("{}\n", run.measure(pair.at(0), pair.at(1)).dump());
  }
}

}  // namespace
}  // namespace dove::bench

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: dove_ping_pairs PLAN\n");
    return 1;
  }
  try {
    dove::bench::run(argv[1]);
  } catch (const std::exception& problem) {
    fmt::print(stderr, "dove_ping_pairs: {}\n", problem.what());
    return 2;
  }
  return 0;
}
