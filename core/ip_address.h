// An IPv4 or IPv6 address, held in wire order. A regular value: copy it, compare it, hash it.
// Every IPv4 address orders before every IPv6 one. There is no unset address: use optional.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "core/hash.h"

namespace dove {

class IpAddress {
 public:
  // Four bytes make an IPv4 address, sixteen an IPv6 one; anything else => empty.
  static std::optional<IpAddress> from_wire(std::span<const std::byte> wire) noexcept;
  // As inet_pton(3) reads them, so no zone ("%eth0"), no leading zeros in IPv4, no blanks.
  static std::optional<IpAddress> parse(std::string_view text) noexcept;
  static IpAddress v4(std::uint32_t host_order) noexcept;

  bool is_v4() const noexcept { return size_ == 4; }
  bool is_v6() const noexcept { return size_ == 16; }
  int family() const noexcept;  // AF_INET or AF_INET6
  unsigned bits() const noexcept { return size_ * 8U; }

  // Valid as long as this object.
  std::span<const std::byte> wire() const noexcept {
    return std::as_bytes(std::span{bytes_}).first(size_);
  }
  std::uint32_t v4_host_order() const noexcept;  // precondition: is_v4()
  std::string to_string() const;                 // RFC 5952 for IPv6

  bool is_unspecified() const noexcept;        // 0.0.0.0, ::
  bool is_loopback() const noexcept;           // 127.0.0.0/8, ::1
  bool is_multicast() const noexcept;          // 224.0.0.0/4, ff00::/8
  bool is_link_local() const noexcept;         // 169.254.0.0/16, fe80::/10
  bool is_limited_broadcast() const noexcept;  // 255.255.255.255
  // What a guest or a host can have as its own: none of unspecified, loopback, multicast,
  // broadcast.
  bool is_assignable() const noexcept;

  friend bool operator==(const IpAddress& a, const IpAddress& b) noexcept {
    return a.size_ == b.size_ && a.words() == b.words();
  }
  friend auto operator<=>(const IpAddress&, const IpAddress&) noexcept = default;
  std::size_t hash(std::uint64_t seed = 0) const noexcept {
    const auto [first, second] = words();
    return hash_number(first, hash_number(second, seed + size_));
  }

 private:
  using Words = std::pair<std::uint64_t, std::uint64_t>;  // in no particular order of bytes

  IpAddress() = default;
  Words words() const noexcept {
    Words words;
    std::memcpy(&words.first, bytes_.data(), sizeof words.first);
    std::memcpy(&words.second, bytes_.data() + sizeof words.first, sizeof words.second);
    return words;
  }

  std::uint8_t size_{};
  std::array<std::uint8_t, 16> bytes_{};  // beyond size_ all zero, so that comparison is by value
};

}  // namespace dove

template <>
struct std::hash<dove::IpAddress> {
  std::size_t operator()(const dove::IpAddress& ip) const noexcept { return ip.hash(); }
};
