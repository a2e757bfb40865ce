#include "tests/integration/netlink/kernel.h"

#include <sched.h>

#include <array>
#include <cstdio>
#include <thread>

namespace dove::netlink::test {

void enter_fresh_namespace() {
  REQUIRE(::unshare(CLONE_NEWNET) == 0);
  run("ip link set lo up");
}

namespace {

int execute(const std::string& command, std::string& output) {
  std::FILE* const pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::array<char, 4096> part{};
  for (std::size_t n = 0; (n = std::fread(part.data(), 1, part.size(), pipe)) > 0;)
    output.append(part.data(), n);
  return ::pclose(pipe);
}

}  // namespace

std::string run(const std::string& command) {
  std::string output;
  INFO(command);
  REQUIRE(execute(command, output) == 0);
  return output;
}

bool succeeds(const std::string& command) {
  std::string output;
  return execute(command + " 2>/dev/null", output) == 0;
}

nlohmann::json ip_json(const std::string& arguments) {
  return nlohmann::json::parse(run("ip -j -d " + arguments));
}

nlohmann::json bridge_json(const std::string& arguments) {
  return nlohmann::json::parse(run("bridge -j -d " + arguments));
}

bool eventually(const std::function<bool()>& check, std::chrono::milliseconds patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!check()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
  }
  return true;
}

std::optional<std::vector<std::byte>> read_one(Tun& tun) {
  std::vector<std::byte> buffer(2048);
  std::optional<std::size_t> length;
  if (!eventually([&] { return (length = take(tun.read(buffer))).has_value(); }))
    return std::nullopt;
  buffer.resize(*length);
  return buffer;
}

WayOut::WayOut() {
  take(links.change(tun.index(), {.mtu = 1500, .up = true, .no_ipv6_addresses = true}));
}

void WayOut::add_address() { take(links.add_address(tun.index(), ip("192.0.2.1"), 24)); }

VxlanAttributes vxlan_attributes(std::uint32_t vni, std::uint32_t ageing) {
  return {.vni = *Vni::from(vni),
          .local = ip("127.0.0.1"),
          .learning = false,
          .proxy = true,
          .rsc = true,
          .l2miss = true,
          .l3miss = true,
          .ageing = ageing};
}

Link make_vxlan(Links& links, const char* name, std::uint32_t ageing) {
  return take(links.create_vxlan(name, vxlan_attributes(10, ageing),
                                 {.up = true, .no_ipv6_addresses = true}));
}

}  // namespace dove::netlink::test
