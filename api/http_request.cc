#include "api/http_request.h"

#include <fmt/format.h>

#include <algorithm>

namespace dove::api {
namespace {

// RFC 9110 5.6.2: what names are made of.
bool is_token(std::string_view text) noexcept {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  const auto fits = [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           kMarks.find(c) != std::string_view::npos;
  };
  return !text.empty() && std::all_of(text.begin(), text.end(), fits);
}

bool is_printable(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

// Anything but control characters; bytes above 0x7f are obsolete, and let be.
bool is_field_value(std::string_view text) noexcept {
  return std::none_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < ' ' && byte != '\t') || byte == 0x7f;
  });
}

bool is_field(std::string_view line) noexcept {
  const auto colon = line.find(':');
  return colon != std::string_view::npos && is_token(line.substr(0, colon)) &&
         is_field_value(line.substr(colon + 1));
}

// The next line without its end; `rest` begins behind it. A bare line feed ends one too (RFC 9112
// 2.2). False: there is no whole line.
bool next_line(std::string_view& rest, std::string_view& line) noexcept {
  const auto end = rest.find('\n');
  if (end == std::string_view::npos) return false;
  line = rest.substr(0, end);
  if (line.ends_with('\r')) line.remove_suffix(1);
  rest.remove_prefix(end + 1);
  return true;
}

std::variant<HttpIncomplete, HttpRequest, HttpRefused> parse_request_line(std::string_view line) {
  const auto first = line.find(' ');
  const auto second = first == std::string_view::npos ? first : line.find(' ', first + 1);
  if (second == std::string_view::npos) return HttpRefused{400};
  const auto method = line.substr(0, first);
  const auto target = line.substr(first + 1, second - first - 1);
  const auto version = line.substr(second + 1);
  if (!is_token(method) || target.empty() || !is_printable(target)) return HttpRefused{400};
  if (!version.starts_with("HTTP/") || version.size() != 8 || version[6] != '.')
    return HttpRefused{400};
  if (version[5] != '1') return HttpRefused{505};
  return HttpRequest{std::string{method}, std::string{target.substr(0, target.find('?'))}};
}

std::string_view reason(int status) noexcept {
  switch (status) {
    case 200:
      return "OK";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Bad Request";
  }
}

}  // namespace

std::variant<HttpIncomplete, HttpRequest, HttpRefused> parse_http_request(std::string_view bytes) {
  const bool too_long = bytes.size() > kHttpHeadLimit;
  auto rest = bytes.substr(0, kHttpHeadLimit);
  const auto incomplete = [&]() -> std::variant<HttpIncomplete, HttpRequest, HttpRefused> {
    if (too_long) return HttpRefused{431};
    return HttpIncomplete{};
  };
  std::string_view line;
  if (!next_line(rest, line)) return incomplete();
  auto request = parse_request_line(line);
  if (!std::holds_alternative<HttpRequest>(request)) return request;
  for (;;) {
    if (!next_line(rest, line)) return incomplete();
    if (line.empty()) return request;
    if (!is_field(line)) return HttpRefused{400};
  }
}

std::string to_bytes(const HttpResponse& response, bool head_only) {
  auto bytes = fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{}Connection: close\r\n\r\n",
      response.status, reason(response.status), response.content_type, response.body.size(),
      response.status == 405 ? "Allow: GET, HEAD\r\n" : "");
  if (!head_only) bytes += response.body;
  return bytes;
}

}  // namespace dove::api
