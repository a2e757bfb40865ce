// An IP prefix such as 10.1.0.0/24: the network address with all host bits zero, and a length.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/ip_address.h"

namespace dove {

class Prefix {
 public:
  // Empty when `length` exceeds the family's bits or a host bit is set.
  static std::optional<Prefix> from(const IpAddress& network, unsigned length) noexcept;
  // "10.1.0.0/24", "2001:db8::/64"; the length is required and "10.1.0.1/24" => empty.
  static std::optional<Prefix> parse(std::string_view text) noexcept;

  const IpAddress& network() const noexcept { return network_; }
  unsigned length() const noexcept { return length_; }
  std::string to_string() const;

  bool contains(const IpAddress& address) const noexcept;  // false for the other family
  bool overlaps(const Prefix& other) const noexcept;       // false for the other family

  // The address `index` places after the network address, or empty when that leaves the prefix.
  std::optional<IpAddress> address_at(std::uint64_t index) const noexcept;
  // How many addresses lie in the prefix, saturated at 2^64 - 1.
  std::uint64_t size() const noexcept;
  // IPv4, shorter than /31: the network or the directed broadcast address; IPv6, shorter than /127:
  // the subnet-router anycast address (RFC 4291 2.6.1). No guest may have these.
  bool is_reserved(const IpAddress& address) const noexcept;

  friend auto operator<=>(const Prefix&, const Prefix&) noexcept = default;

 private:
  Prefix(const IpAddress& network, unsigned length) noexcept
      : network_{network}, length_{static_cast<std::uint8_t>(length)} {}
  IpAddress network_;
  std::uint8_t length_;
};

}  // namespace dove

template <>
struct std::hash<dove::Prefix> {
  std::size_t operator()(const dove::Prefix& prefix) const noexcept {
    return prefix.network().hash(prefix.length());
  }
};
