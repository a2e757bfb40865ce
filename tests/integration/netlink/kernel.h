// What the kernel tests share: a fresh network namespace for each test, and the answers of ip(8)
// and bridge(8), which are the second opinion on everything that this library says it did.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "netlink/link.h"
#include "netlink/tun.h"
#include "tests/catch.h"

namespace dove::netlink::test {

// The calling thread moves into a new, empty network namespace with lo up; what was there before
// goes when its last descriptor is closed.
void enter_fresh_namespace();

// Runs a shell command and gives its standard output; a failure of it fails the test.
std::string run(const std::string& command);
bool succeeds(const std::string& command);
nlohmann::json ip_json(const std::string& arguments);      // `ip -j -d ARGUMENTS`
nlohmann::json bridge_json(const std::string& arguments);  // `bridge -j -d ARGUMENTS`

// Calls `check` until it says true; false when `patience` is over.
bool eventually(const std::function<bool()>& check,
                std::chrono::milliseconds patience = std::chrono::milliseconds{3000});

// The value, or the test fails with the error's message.
template <class T>
T take(Result<T> result) {
  if (!result) FAIL(result.error().message);
  return *std::move(result);
}
inline void take(const Status& status) {
  if (!status) FAIL(status.error().message);
}

inline MacAddress mac(const char* text) { return *MacAddress::parse(text); }
inline IpAddress ip(const char* text) { return *IpAddress::parse(text); }

// What comes out of a TUN, when something does.
std::optional<std::vector<std::byte>> read_one(Tun& tun);

// The host's way out: a device that wants every packet by itself, 192.0.2.1/24.
struct WayOut {
  WayOut();
  void add_address();

  Links links = take(Links::open());
  Tun tun = take(Tun::open("out"));
};

// A VXLAN device as an agent makes it, VNI 10, local 127.0.0.1, up and without a bridge.
Link make_vxlan(Links& links, const char* name = "vx", std::uint32_t ageing = 300);
VxlanAttributes vxlan_attributes(std::uint32_t vni = 10, std::uint32_t ageing = 300);

}  // namespace dove::netlink::test
