// ARP over Ethernet for IPv4 (RFC 826, RFC 5227), frames with their Ethernet header. 802.1Q-tagged
// frames are not ARP to us.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "core/ip_address.h"
#include "core/mac_address.h"

namespace dove::agent {

struct ArpFrame {
  enum class Operation : std::uint8_t { kRequest = 1, kReply = 2 };
  Operation operation;
  MacAddress ethernet_source;
  MacAddress ethernet_destination;
  MacAddress sender_mac;
  IpAddress sender_ip;
  MacAddress target_mac;
  IpAddress target_ip;

  // "Does anybody have this?", asked before one takes an address.
  bool is_probe() const noexcept {
    return operation == Operation::kRequest && sender_ip.is_unspecified();
  }
  // Gratuitous: "I have this."
  bool is_announcement() const noexcept {
    return !sender_ip.is_unspecified() && sender_ip == target_ip;
  }
};

// Empty when the frame is not a whole ARP request or reply. Bytes behind it are padding.
std::optional<ArpFrame> parse_arp(std::span<const std::byte> frame) noexcept;

struct ArpAnswer {
  MacAddress asker;
  IpAddress asker_ip;  // 0.0.0.0 when it was a probe
  IpAddress ip;
  MacAddress mac;  // who has `ip`
};
// The reply that `mac` itself would send, unicast to the asker. Precondition: both are IPv4.
std::array<std::byte, 42> build_arp_reply(const ArpAnswer& answer) noexcept;
// "Who has `ip`?", to `mac` alone, which is thought to have it. Precondition: all are IPv4.
struct ArpQuestion {
  MacAddress mac;
  IpAddress ip;
  MacAddress asker;
  IpAddress asker_ip;
};
std::array<std::byte, 42> build_arp_request(const ArpQuestion& question) noexcept;
// Gratuitous, to everybody: `mac` has `ip`. Precondition: it is IPv4.
std::array<std::byte, 42> build_arp_announcement(const IpAddress& ip,
                                                 const MacAddress& mac) noexcept;

}  // namespace dove::agent
