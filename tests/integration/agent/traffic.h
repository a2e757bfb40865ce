// Frames and packets that tests send and count.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "tests/integration/agent/host.h"

namespace dove::agent::test {

// Hex of an Ethernet frame with an IPv4 UDP datagram to port 9999 in it.
std::string udp_frame(std::string_view destination_mac, std::string_view source_mac,
                      std::string_view source_ip, std::string_view destination_ip);
// An ARP request as a guest makes it.
std::string arp_request_frame(std::string_view sender_mac, std::string_view sender_ip,
                              std::string_view target_ip);
// The frame with an 802.1Q tag, VLAN 5.
std::string tagged(const std::string& frame);

// `count` copies out of `device` in the namespace of a guest.
void send_frame(const Namespace& from, const std::string& frame, int count = 1,
                const std::string& device = "eth0");

// The same, while the test goes on: who tests what the loop can take must let it run.
void send_frame_meanwhile(const Namespace& from, const std::string& frame, int count);

// One datagram with one byte from the present namespace as an ordinary user. False: refused.
bool user_can_send(const std::string& address, int port);

// Counts what matches an nftables expression in a namespace, on its way in.
class InputCounter {
 public:
  InputCounter(const Namespace& where, const std::string& match);
  int packets() const;

 private:
  const Namespace& where_;
};

// A UDP socket of the host, port 9999 on every address.
class HostListener {
 public:
  HostListener();
  ~HostListener();
  int received();  // since the last call, after a little while

 private:
  int fd_;
};

// A ping in the background.
class Ping {
 public:
  Ping(const Guest& guest, const std::string& arguments);
  ~Ping();
  std::string output() const;
  bool done() const { return output().find("rc=") != std::string::npos; }
  bool lost_nothing() const { return output().find(" 0% packet loss") != std::string::npos; }

 private:
  std::string file_;
};

// Sends one frame out of eth0 of a guest as fast as it can, from a thread, until it goes.
class Flood {
 public:
  Flood(const Namespace& from, const std::string& frame);
  ~Flood();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dove::agent::test
