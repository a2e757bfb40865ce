#include "cli/values.h"

#include <fmt/format.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "cli/text.h"
#include "core/name.h"

namespace dove::cli {
namespace {

bool is_dev_character(char c) noexcept {
  const auto byte = static_cast<unsigned char>(c);
  return byte > ' ' && byte != 0x7f && c != '/' && c != ':';
}

// "10.1.0.5/24" => "10.1.0.0/24"; empty when `word` is no address and length at all.
std::optional<Prefix> without_host_bits(std::string_view word) {
  const auto slash = word.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto address = IpAddress::parse(word.substr(0, slash));
  if (!address) return std::nullopt;
  std::array<std::byte, 16> bytes{};
  const auto wire = address->wire();
  std::copy(wire.begin(), wire.end(), bytes.begin());
  for (std::size_t bit = wire.size() * 8; bit-- > 0;) {
    const auto network = IpAddress::from_wire(std::span{bytes}.first(wire.size()));
    if (auto prefix = Prefix::parse(fmt::format("{}{}", network->to_string(), word.substr(slash))))
      return prefix;
    bytes[bit / 8] &= ~(std::byte{0x80} >> (bit % 8));
  }
  return std::nullopt;
}

}  // namespace

Result<std::string> parse_name(std::string_view word) {
  if (const auto ok = check_name("argument", word); !ok)
    return Error{ErrorCode::kInvalid, "Error: " + ok.error().message};
  return std::string{word};
}

Result<std::string> take_name(Words& words) {
  const auto word = words.require("a name");
  if (!word) return word.error();
  return parse_name(*word);
}

Keyword name_keyword(std::string_view keyword, std::string* out) {
  return {keyword, [out](std::string_view word) -> Status {
            auto name = parse_name(word);
            if (!name) return name.error();
            *out = *std::move(name);
            return {};
          }};
}

Result<std::string> parse_dev(std::string_view word) {
  if (word.empty() || word.size() >= IFNAMSIZ)
    return wrong_argument(word, fmt::format("a device's name has 1 to {} bytes", IFNAMSIZ - 1));
  if (word == "." || word == ".." || !is_utf8(word) ||
      !std::all_of(word.begin(), word.end(), is_dev_character))
    return wrong_argument(word, "no device can have this name");
  return std::string{word};
}

Result<Vni> parse_vni(std::string_view word) {
  if (const auto vni = Vni::parse(word)) return *vni;
  return wrong_argument(word, fmt::format("a VNI is a number from 1 to {}", Vni::kLimit - 1));
}

Result<MacAddress> parse_mac(std::string_view word) {
  const auto mac = MacAddress::parse(word);
  if (!mac) return wrong_argument(word, "a MAC address is six pairs of hex digits joined by \":\"");
  if (mac->is_multicast())
    return wrong_argument(word, "a multicast address cannot be an endpoint's");
  if (mac->is_zero()) return wrong_argument(word, "the zero address cannot be an endpoint's");
  return *mac;
}

Result<IpAddress> parse_ip(std::string_view word) {
  const auto ip = IpAddress::parse(word);
  if (!ip) return wrong_argument(word, "an IPv4 or IPv6 address was expected");
  if (!ip->is_assignable()) return wrong_argument(word, "this address cannot be an endpoint's");
  return *ip;
}

Result<Prefix> parse_prefix(std::string_view word) {
  if (const auto prefix = Prefix::parse(word)) return *prefix;
  if (const auto meant = without_host_bits(word))
    return wrong_argument(word,
                          fmt::format("host bits are set; did you mean {}?", meant->to_string()));
  return wrong_argument(word, "a subnet is ADDRESS/LENGTH, for example 10.1.0.0/24");
}

Result<std::size_t> parse_choice(std::string_view word, std::span<const std::string_view> choices) {
  const auto choice = std::find(choices.begin(), choices.end(), word);
  if (choice == choices.end())
    return wrong_argument(word, fmt::format("expected {}", fmt::join(choices, " or ")));
  return static_cast<std::size_t>(choice - choices.begin());
}

Result<bool> parse_on_off(std::string_view word) {
  static constexpr std::array<std::string_view, 2> kChoices{"off", "on"};
  const auto choice = parse_choice(word, kChoices);
  if (!choice) return choice.error();
  return *choice == 1;
}

}  // namespace dove::cli
