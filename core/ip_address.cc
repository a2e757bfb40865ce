#include "core/ip_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cassert>
#include <cstring>

namespace dove {

std::optional<IpAddress> IpAddress::from_wire(std::span<const std::byte> wire) noexcept {
  if (wire.size() != 4 && wire.size() != 16) return std::nullopt;
  IpAddress address;
  address.size_ = static_cast<std::uint8_t>(wire.size());
  std::memcpy(address.bytes_.data(), wire.data(), wire.size());
  return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) noexcept {
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  if (text.size() >= terminated.size()) return std::nullopt;
  if (text.find('\0') != std::string_view::npos) return std::nullopt;
  std::copy(text.begin(), text.end(), terminated.begin());
  IpAddress address;
  address.size_ = text.find(':') == std::string_view::npos ? 4 : 16;
  if (inet_pton(address.family(), terminated.data(), address.bytes_.data()) != 1)
    return std::nullopt;
  return address;
}

IpAddress IpAddress::v4(std::uint32_t host_order) noexcept {
  IpAddress address;
  address.size_ = 4;
  const std::uint32_t wire = htonl(host_order);
  std::memcpy(address.bytes_.data(), &wire, sizeof wire);
  return address;
}

int IpAddress::family() const noexcept { return is_v4() ? AF_INET : AF_INET6; }

std::uint32_t IpAddress::v4_host_order() const noexcept {
  assert(is_v4());
  std::uint32_t wire = 0;
  std::memcpy(&wire, bytes_.data(), sizeof wire);
  return ntohl(wire);
}

std::string IpAddress::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(family(), bytes_.data(), text.data(), text.size());
  return text.data();
}

bool IpAddress::is_unspecified() const noexcept {
  return std::all_of(bytes_.begin(), bytes_.end(), [](std::uint8_t byte) { return byte == 0; });
}

bool IpAddress::is_loopback() const noexcept {
  if (is_v4()) return bytes_[0] == 127;
  return bytes_.back() == 1 &&
         std::all_of(bytes_.begin(), bytes_.end() - 1, [](std::uint8_t byte) { return byte == 0; });
}

bool IpAddress::is_multicast() const noexcept {
  return is_v4() ? (bytes_[0] & 0xf0U) == 0xe0U : bytes_[0] == 0xff;
}

bool IpAddress::is_link_local() const noexcept {
  return is_v4() ? bytes_[0] == 169 && bytes_[1] == 254
                 : bytes_[0] == 0xfe && (bytes_[1] & 0xc0U) == 0x80U;
}

bool IpAddress::is_limited_broadcast() const noexcept {
  return is_v4() && v4_host_order() == 0xffffffffU;
}

bool IpAddress::is_assignable() const noexcept {
  return !is_unspecified() && !is_loopback() && !is_multicast() && !is_limited_broadcast();
}

}  // namespace dove
