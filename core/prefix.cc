#include "core/prefix.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <limits>

namespace dove {
namespace {

// `address` with every bit from `length` on cleared (or set).
IpAddress with_host_bits(const IpAddress& address, unsigned length, bool set) noexcept {
  std::array<std::byte, 16> bytes{};
  const auto wire = address.wire();
  for (std::size_t i = 0; i < wire.size(); ++i) {
    const unsigned kept =
        length <= 8 * i ? 0U : std::min(8U, length - static_cast<unsigned>(8 * i));
    const auto mask = static_cast<std::byte>((0xff00U >> kept) & 0xffU);
    bytes[i] = set ? wire[i] | ~mask : wire[i] & mask;
  }
  return *IpAddress::from_wire(std::span{bytes}.first(wire.size()));
}

}  // namespace

std::optional<Prefix> Prefix::from(const IpAddress& network, unsigned length) noexcept {
  if (length > network.bits() || with_host_bits(network, length, false) != network)
    return std::nullopt;
  return Prefix{network, length};
}

std::optional<Prefix> Prefix::parse(std::string_view text) noexcept {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto network = IpAddress::parse(text.substr(0, slash));
  const auto digits = text.substr(slash + 1);
  unsigned length = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, length);
  if (!network || error != std::errc{} || stop != end) return std::nullopt;
  return from(*network, length);
}

std::string Prefix::to_string() const {
  return network_.to_string() + "/" + std::to_string(length_);
}

bool Prefix::contains(const IpAddress& address) const noexcept {
  return address.family() == network_.family() &&
         with_host_bits(address, length_, false) == network_;
}

bool Prefix::overlaps(const Prefix& other) const noexcept {
  return length_ <= other.length_ ? contains(other.network_) : other.contains(network_);
}

std::optional<IpAddress> Prefix::address_at(std::uint64_t index) const noexcept {
  if (index >= size() && size() != std::numeric_limits<std::uint64_t>::max()) return std::nullopt;
  std::array<std::byte, 16> bytes{};
  const auto wire = network_.wire();
  std::copy(wire.begin(), wire.end(), bytes.begin());
  for (std::size_t i = wire.size(); i-- > 0 && index != 0; index >>= 8)
    bytes[i] |= static_cast<std::byte>(index & 0xffU);  // host bits are zero: no carry
  return IpAddress::from_wire(std::span{bytes}.first(wire.size()));
}

std::uint64_t Prefix::size() const noexcept {
  const unsigned host_bits = network_.bits() - length_;
  return host_bits >= 64 ? std::numeric_limits<std::uint64_t>::max()
                         : std::uint64_t{1} << host_bits;
}

bool Prefix::is_reserved(const IpAddress& address) const noexcept {
  if (network_.bits() - length_ < 2) return false;
  if (address == network_) return true;
  return network_.is_v4() && address == with_host_bits(network_, length_, true);
}

}  // namespace dove
