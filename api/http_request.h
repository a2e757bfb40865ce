// The head of one HTTP/1.x request, as far as a server of one page needs it. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>

namespace dove::api {

struct HttpRequest {
  std::string method;
  std::string path;  // without what stands behind a '?'
};
struct HttpIncomplete {};
// No request, or none that is taken: what to answer.
struct HttpRefused {
  int status = 400;
};

inline constexpr std::size_t kHttpHeadLimit = 8192;

// `bytes` is what has come so far. What stands behind the head is not looked at.
std::variant<HttpIncomplete, HttpRequest, HttpRefused> parse_http_request(std::string_view bytes);

// A whole response, after which the connection ends. `head_only`: the body is left out, its length
// is told.
struct HttpResponse {
  int status = 200;
  std::string_view content_type = "text/plain; charset=utf-8";
  std::string body;
};
std::string to_bytes(const HttpResponse& response, bool head_only);

}  // namespace dove::api
