// A guest's own network stack, used from outside: one echo at a time, and what it has resolved.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "core/ip_address.h"
#include "core/mac_address.h"
#include "core/vtep.h"
#include "netlink/batch.h"
#include "netlink/file_descriptor.h"
#include "netlink/query.h"

namespace dove::bench {

// IPv4 only. Throws when the kernel does not do as asked. Not thread-safe.
class PingGuest {
 public:
  // The guest's device is eth0, as in every lab.
  PingGuest(const std::string& netns, const MacAddress& mac, const IpAddress& ip);

  const MacAddress& mac() const noexcept { return mac_; }
  const IpAddress& ip() const noexcept { return ip_; }

  // Whether the guest's ARP cache has a link-layer address for `ip`.
  bool resolves(const IpAddress& ip);
  void forget(const IpAddress& ip);

  // One echo request, and the time from before it is sent until its answer is read. Empty: no
  // answer within `patience`.
  std::optional<std::chrono::nanoseconds> ping(const IpAddress& to,
                                               std::chrono::milliseconds patience);

 private:
  struct Opened;
  PingGuest(Opened&& opened, const MacAddress& mac, const IpAddress& ip);
  static Opened open_inside(const std::string& netns);
  bool is_answer(std::uint16_t sequence, const IpAddress& from);

  MacAddress mac_;
  IpAddress ip_;
  IfIndex device_;
  netlink::FileDescriptor echo_;
  netlink::Query query_;
  netlink::Batch batch_;
  std::uint16_t sequence_ = 0;
};

}  // namespace dove::bench
