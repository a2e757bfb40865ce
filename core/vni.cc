#include "core/vni.h"

#include <charconv>

namespace dove {

std::optional<Vni> Vni::parse(std::string_view text) noexcept {
  std::uint32_t raw = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, raw);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return from(raw);
}

std::string Vni::to_string() const { return std::to_string(value_); }

}  // namespace dove
