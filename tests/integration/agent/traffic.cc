#include "tests/integration/agent/traffic.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>

namespace dove::agent::test {
namespace {

std::string hex(std::string_view mac_text) {
  std::string digits;
  for (const char c : mac_text)
    if (c != ':') digits += c;
  return digits;
}
std::string hex_ip(std::string_view text) {
  return fmt::format("{:08x}", IpAddress::parse(text)->v4_host_order());
}

std::string ipv4_checksum(const std::string& header) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < header.size(); i += 4)
    sum += static_cast<std::uint32_t>(std::stoul(header.substr(i, 4), nullptr, 16));
  sum = (sum & 0xffffU) + (sum >> 16U);
  return fmt::format("{:04x}", ~(sum + (sum >> 16U)) & 0xffffU);
}

std::vector<std::uint8_t> bytes(const std::string& digits) {
  std::vector<std::uint8_t> all;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
    all.push_back(static_cast<std::uint8_t>(std::stoul(digits.substr(i, 2), nullptr, 16)));
  return all;
}

}  // namespace

std::string udp_frame(std::string_view destination_mac, std::string_view source_mac,
                      std::string_view source_ip, std::string_view destination_ip) {
  const std::string addresses = hex_ip(source_ip) + hex_ip(destination_ip);
  const std::string before = "450000200001000040110000" + addresses;
  const std::string header = "45000020000100004011" + ipv4_checksum(before) + addresses;
  return hex(destination_mac) + hex(source_mac) + "0800" + header + "1388270f000c0000" + "64617465";
}

std::string arp_request_frame(std::string_view sender_mac, std::string_view sender_ip,
                              std::string_view target_ip) {
  return "ffffffffffff" + hex(sender_mac) + "08060001080006040001" + hex(sender_mac) +
         hex_ip(sender_ip) + "000000000000" + hex_ip(target_ip);
}

std::string tagged(const std::string& frame) {
  return frame.substr(0, 24) + "81000005" + frame.substr(24);
}

namespace {
std::string sender(const std::string& frame, int count, const std::string& device) {
  return fmt::format(
      "python3 -c \"import socket\n"
      "s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\n"
      "s.bind(('{}', 0))\n"
      "for _ in range({}): s.send(bytes.fromhex('{}'))\"",
      device, count, frame);
}
}  // namespace

void send_frame(const Namespace& from, const std::string& frame, int count,
                const std::string& device) {
  from.run(sender(frame, count, device));
}

void send_frame_meanwhile(const Namespace& from, const std::string& frame, int count) {
  from.run(sender(frame, count, "eth0") + " > /dev/null 2>&1 &");
}

bool user_can_send(const std::string& address, int port) {
  return succeeds(
      fmt::format("python3 -c \"import os, socket\n"
                  "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
                  "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                  "s.sendto(b'x', ('{}', {}))\"",
                  address, port));
}

InputCounter::InputCounter(const Namespace& where, const std::string& match) : where_{where} {
  where_.run("nft add table inet count");
  where_.run("nft 'add chain inet count input { type filter hook prerouting priority -400; }'");
  where_.run("nft 'add counter inet count c; add rule inet count input " + match +
             " counter name c'");
}

int InputCounter::packets() const {
  const auto listing = nlohmann::json::parse(where_.run("nft -j list counter inet count c"));
  return listing.at("nftables").at(1).at("counter").at("packets").get<int>();
}

HostListener::HostListener() : fd_{::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0)} {
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = htons(9999);
  REQUIRE(::bind(fd_, reinterpret_cast<const sockaddr*>(&any), sizeof any) == 0);
}
HostListener::~HostListener() { ::close(fd_); }

int HostListener::received() {
  std::this_thread::sleep_for(std::chrono::milliseconds{100});
  int count = 0;
  char byte = 0;
  while (::recv(fd_, &byte, 1, 0) >= 0) ++count;
  return count;
}

Ping::Ping(const Guest& guest, const std::string& arguments)
    : file_{"/tmp/" + guest.machine.name() + ".ping"} {
  run(fmt::format("ip netns exec {} sh -c '(ping -W 2 {}; echo rc=$?) > {} 2>&1 &'",
                  guest.machine.name(), arguments, file_));
}
Ping::~Ping() { ::unlink(file_.c_str()); }
std::string Ping::output() const { return run("cat " + file_); }

struct Flood::State {
  std::atomic<bool> stop{false};
  std::atomic<bool> running{false};
  std::thread thread;
};

Flood::Flood(const Namespace& from, const std::string& frame) : state_{new State} {
  State* const state = state_.get();
  state->thread = std::thread{[state, path = "/run/netns/" + from.name(), data = bytes(frame)] {
    const int space = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (::setns(space, CLONE_NEWNET) != 0) return;
    ::close(space);
    const int fd = ::socket(AF_PACKET, SOCK_RAW, 0);
    sockaddr_ll out{};
    out.sll_family = AF_PACKET;
    out.sll_ifindex = static_cast<int>(::if_nametoindex("eth0"));
    (void)::bind(fd, reinterpret_cast<const sockaddr*>(&out), sizeof out);
    while (!state->stop) {
      (void)::send(fd, data.data(), data.size(), 0);
      state->running = true;
    }
    ::close(fd);
  }};
  REQUIRE(eventually([&] { return state->running.load(); }));
}

Flood::~Flood() {
  state_->stop = true;
  state_->thread.join();
}

}  // namespace dove::agent::test
