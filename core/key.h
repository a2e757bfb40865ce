// The two questions of the overlay: where is this MAC, who has this IP. Always within a network,
// never a MAC or an IP alone, because tenants repeat each other's.
#pragma once

#include <compare>
#include <cstddef>
#include <functional>
#include <variant>

#include "core/ip_address.h"
#include "core/mac_address.h"
#include "core/vni.h"

namespace dove {

struct MacKey {
  Vni vni;
  MacAddress mac;
  friend auto operator<=>(const MacKey&, const MacKey&) noexcept = default;
};

struct IpKey {
  Vni vni;
  IpAddress ip;
  friend auto operator<=>(const IpKey&, const IpKey&) noexcept = default;
};

using Key = std::variant<MacKey, IpKey>;

}  // namespace dove

template <>
struct std::hash<dove::MacKey> {
  std::size_t operator()(const dove::MacKey& key) const noexcept {
    return key.mac.hash(key.vni.value());
  }
};

template <>
struct std::hash<dove::IpKey> {
  std::size_t operator()(const dove::IpKey& key) const noexcept {
    return key.ip.hash(key.vni.value());
  }
};
