// Where a host's frames are sent, and the handle by which the kernel knows a device.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>

#include "core/ip_address.h"

namespace dove {

enum class IfIndex : int {};  // an opaque handle: comparable and hashable, no arithmetic

// A VXLAN tunnel endpoint. The port is in host order; 4789 is IANA's (RFC 7348 5).
struct Vtep {
  static constexpr std::uint16_t kDefaultPort = 4789;

  IpAddress address;
  std::uint16_t port = kDefaultPort;

  std::string to_string() const;  // "192.0.2.1", with ":PORT" only when it is not the default
  friend auto operator<=>(const Vtep&, const Vtep&) noexcept = default;
};

}  // namespace dove

template <>
struct std::hash<dove::Vtep> {
  std::size_t operator()(const dove::Vtep& vtep) const noexcept {
    return vtep.address.hash(vtep.port);
  }
};
