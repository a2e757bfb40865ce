// Whatever is sent to the metrics' server: a request, a refusal or nothing yet, and what was whole
// once stays the same whatever comes behind it.
#include <cstdint>
#include <cstdlib>

#include "api/http_request.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dove::api;
  const std::string bytes{reinterpret_cast<const char*>(data), size};
  const auto parsed = parse_http_request(bytes);
  if (std::holds_alternative<HttpIncomplete>(parsed)) {
    if (size > kHttpHeadLimit) std::abort();
    return 0;
  }
  const auto longer = parse_http_request(bytes + "\r\nmore");
  if (longer.index() != parsed.index()) std::abort();
  const auto* request = std::get_if<HttpRequest>(&parsed);
  if (request != nullptr && (request->method.empty() || request->path.size() > size)) std::abort();
  return 0;
}
