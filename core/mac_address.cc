#include "core/mac_address.h"

#include <fmt/format.h>

#include <charconv>
#include <cstring>

namespace dove {

std::optional<MacAddress> MacAddress::from_wire(std::span<const std::byte> wire) noexcept {
  if (wire.size() != sizeof(Bytes)) return std::nullopt;
  Bytes bytes;
  std::memcpy(bytes.data(), wire.data(), bytes.size());
  return MacAddress{bytes};
}

std::optional<MacAddress> MacAddress::parse(std::string_view text) noexcept {
  if (text.size() != 17) return std::nullopt;
  Bytes bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const char* const pair = text.data() + 3 * i;
    const auto [stop, error] = std::from_chars(pair, pair + 2, bytes[i], 16);
    if (error != std::errc{} || stop != pair + 2) return std::nullopt;
    if (i + 1 < bytes.size() && pair[2] != ':') return std::nullopt;
  }
  return MacAddress{bytes};
}

std::string MacAddress::to_string() const { return fmt::format("{:02x}", fmt::join(bytes_, ":")); }

}  // namespace dove
