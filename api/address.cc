#include "api/address.h"

#include <fmt/format.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "core/ip_address.h"

namespace dove::api {
namespace {

constexpr std::string_view kUnixScheme = "unix:";

Error wrong(std::string_view text, std::string_view reason) {
  return {ErrorCode::kInvalid, fmt::format("address \"{}\" is wrong: {}", text, reason)};
}

std::optional<std::uint16_t> parse_port(std::string_view text) noexcept {
  std::uint16_t port = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, port);
  if (error != std::errc{} || stop != end || port == 0) return std::nullopt;
  return port;
}

bool is_host_character(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '-' || c == '_';
}

// A name all of digits and dots is an IPv4 address or a mistake.
bool is_host(std::string_view host) noexcept {
  if (host.empty() || !std::all_of(host.begin(), host.end(), is_host_character)) return false;
  const bool numeric = host.find_first_not_of("0123456789.") == std::string_view::npos;
  return !numeric || IpAddress::parse(host);
}

Result<Address> parse_unix(std::string_view text) {
  const auto path = text.substr(kUnixScheme.size());
  if (path.empty()) return wrong(text, "expected a path behind \"unix:\"");
  if (path.size() >= sizeof(sockaddr_un::sun_path))
    return wrong(text, fmt::format("a socket's path has at most {} characters",
                                   sizeof(sockaddr_un::sun_path) - 1));
  const auto odd = [](char c) { return c <= ' ' || c == '%' || c == '?' || c == '#' || c == ','; };
  if (std::any_of(path.begin(), path.end(), odd))
    return wrong(text, "a socket's path may not contain blanks, control characters or % ? # ,");
  return Address{.kind = Address::Kind::kUnix, .path = std::string{path}};
}

Result<Address> parse_tcp(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos)
    return wrong(text, "expected HOST:PORT, [V6]:PORT or unix:PATH");
  auto host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    const auto ip = IpAddress::parse(host);
    if (!ip || !ip->is_v6()) return wrong(text, "expected an IPv6 address between [ and ]");
  } else if (host.find(':') != std::string_view::npos) {
    return wrong(text, "an IPv6 address stands in brackets: [V6]:PORT");
  } else if (!is_host(host)) {
    return wrong(text, "expected a host's name or address before the port");
  }
  const auto port = parse_port(text.substr(colon + 1));
  if (!port) return wrong(text, "expected a port of 1..65535 behind the last colon");
  return Address{.kind = Address::Kind::kTcp, .host = std::string{host}, .port = *port};
}

}  // namespace

std::string Address::to_string() const {
  if (kind == Kind::kUnix) return std::string{kUnixScheme} + path;
  const bool v6 = host.find(':') != std::string::npos;
  return v6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

bool Address::is_local() const {
  if (kind == Kind::kUnix || host == "localhost") return true;
  const auto ip = IpAddress::parse(host);
  return ip && ip->is_loopback();
}

Result<Address> parse_address(std::string_view text) {
  return text.starts_with(kUnixScheme) ? parse_unix(text) : parse_tcp(text);
}

Result<std::vector<Address>> parse_address_list(std::string_view text) {
  std::vector<Address> addresses;
  for (auto rest = text;;) {
    const auto comma = rest.find(',');
    auto address = parse_address(rest.substr(0, comma));
    if (!address) return address.error();
    if (std::find(addresses.begin(), addresses.end(), *address) != addresses.end())
      return wrong(text, fmt::format("\"{}\" stands in it twice", address->to_string()));
    addresses.push_back(*std::move(address));
    if (comma == std::string_view::npos) return addresses;
    rest.remove_prefix(comma + 1);
  }
}

Status check_plaintext(const Address& address, bool insecure) {
  if (insecure || address.is_local()) return {};
  return Error{ErrorCode::kDenied,
               fmt::format("address \"{}\" is refused: plain TCP beyond this machine needs "
                           "--insecure",
                           address.to_string())};
}

}  // namespace dove::api
