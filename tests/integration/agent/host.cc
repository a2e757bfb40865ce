#include "tests/integration/agent/host.h"

#include <unistd.h>

#include <optional>

namespace dove::agent::test {

Namespace::Namespace(std::string_view role) {
  static int count = 0;
  name_ = "dovetest-" + std::to_string(::getpid()) + "-" + std::to_string(++count) + "-" +
          std::string{role};
  netlink::test::run("ip netns add " + name_);
  run("ip link set lo up");
}
Namespace::~Namespace() { (void)netlink::test::succeeds("ip netns del " + name_); }
std::string Namespace::run(const std::string& command) const {
  return netlink::test::run("ip netns exec " + name_ + " " + command);
}
bool Namespace::succeeds(const std::string& command) const {
  return netlink::test::succeeds("ip netns exec " + name_ + " " + command);
}

Underlay::Underlay() {
  enter_fresh_namespace();
  run("ip link add u0 type veth peer name u0 netns " + peer.name());
  run("ip addr add 192.0.2.1/24 dev u0");
  run("ip link set u0 up");
  peer.run("ip addr add 192.0.2.2/24 dev u0");
  peer.run("ip link set u0 up");
}

void Underlay::remote_guest(std::uint32_t network, const char* guest_mac, const char* address) {
  const auto vx = "vx" + std::to_string(network);
  peer.run("ip link add " + vx + " address " + guest_mac + " type vxlan id " +
           std::to_string(network) + " local 192.0.2.2 dstport 4789 nolearning");
  peer.run("bridge fdb append 00:00:00:00:00:00 dev " + vx + " dst 192.0.2.1 permanent");
  peer.run("ip addr add " + std::string{address} + " dev " + vx);
  peer.run("ip link set " + vx + " up");
}

Guest::Guest(const std::string& device, const char* text, const char* address)
    : machine{"guest"}, guest_mac{mac(text)}, port{device} {
  run("ip link add " + port + " type veth peer name eth0 netns " + machine.name());
  machine.run("ip link set eth0 address " + std::string{text});
  if (!ip(std::string{address}.substr(0, std::string_view{address}.find('/')).c_str()).is_v6())
    machine.run("sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1");
  machine.run("ip addr add " + std::string{address} + " dev eth0");
  machine.run("ip link set eth0 up");
}

DatapathOptions default_options() {
  DatapathOptions options{.local = {ip("192.0.2.1")}};
  options.known_vteps = {ip("192.0.2.2")};
  options.removal_delay = std::chrono::seconds{0};
  return options;
}

Switch::Switch(const DatapathOptions& options)
    : datapath_{take(Datapath::open(io_, options, heard))} {}

Switch::~Switch() = default;

bool Switch::until(const std::function<bool()>& check, std::chrono::milliseconds patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!check()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    io_.restart();
    io_.run_for(std::chrono::milliseconds{10});
  }
  return true;
}

void Switch::run_for(std::chrono::milliseconds time) {
  (void)until([] { return false; }, time);
}

Result<DatapathPort> Switch::add_port(const std::string& device, const MacKey& guest,
                                      const OwnAddresses& own) {
  std::optional<Result<DatapathPort>> outcome;
  datapath_->add_port(device, guest, own, [&](auto result) { outcome = std::move(result); });
  REQUIRE_FALSE(outcome);  // never from inside the call
  REQUIRE(until([&] { return outcome.has_value(); }));
  return *outcome;
}

Status Switch::remove_port(const std::string& device) {
  std::optional<Status> outcome;
  datapath_->remove_port(device, [&](auto result) { outcome = std::move(result); });
  REQUIRE_FALSE(outcome);
  REQUIRE(until([&] { return outcome.has_value(); }));
  return *outcome;
}

DatapathPort Switch::add_guest(const Guest& guest, Vni network, const OwnAddresses& own) {
  take(datapath_->add_network(network));
  return take(add_port(guest.port, {network, guest.guest_mac}, own));
}

}  // namespace dove::agent::test
