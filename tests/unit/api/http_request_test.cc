#include "api/http_request.h"

#include "tests/catch.h"

namespace dove::api {
namespace {

int refused(std::string_view bytes) {
  const auto parsed = parse_http_request(bytes);
  const auto* refusal = std::get_if<HttpRefused>(&parsed);
  return refusal == nullptr ? 0 : refusal->status;
}

bool incomplete(std::string_view bytes) {
  return std::holds_alternative<HttpIncomplete>(parse_http_request(bytes));
}

TEST_CASE("a request is whole with its empty line, and not before", "[http]") {
  const std::string whole = "GET /metrics HTTP/1.1\r\nHost: kvm1:9100\r\nAccept: */*\r\n\r\n";
  for (std::size_t size = 0; size < whole.size(); ++size)
    REQUIRE(incomplete(std::string_view{whole}.substr(0, size)));
  const auto parsed = parse_http_request(whole + "GET /other HTTP/1.1\r\n");
  const auto* request = std::get_if<HttpRequest>(&parsed);
  REQUIRE(request != nullptr);
  CHECK(request->method == "GET");
  CHECK(request->path == "/metrics");
}

TEST_CASE("bare line feeds end lines, a query is no part of the path", "[http]") {
  const auto parsed = parse_http_request("HEAD /metrics?name=x HTTP/1.0\nHost:\n\n");
  const auto* request = std::get_if<HttpRequest>(&parsed);
  REQUIRE(request != nullptr);
  CHECK(request->method == "HEAD");
  CHECK(request->path == "/metrics");
}

TEST_CASE("what is no request is refused as soon as its line is there", "[http]") {
  for (const auto* bytes :
       {"\r\n", "GET\r\n", "GET /metrics\r\n", "GET /metrics HTTP/11\r\n", "GET  HTTP/1.1\r\n",
        "G@T /metrics HTTP/1.1\r\n", "GET /metr\x01ics HTTP/1.1\r\n", "GET / x HTTP/1.1\r\n",
        " / HTTP/1.1\r\n", "GET /metrics http/1.1\r\n", "\x16\x03\x01\n"})
    CHECK(refused(bytes) == 400);
  CHECK(refused("GET /metrics HTTP/2.0\r\n") == 505);
}

TEST_CASE("a line of the head that is no field is refused", "[http]") {
  const std::string line = "GET /metrics HTTP/1.1\r\n";
  CHECK(refused(line + "Host kvm1\r\n") == 400);
  CHECK(refused(line + ": kvm1\r\n") == 400);
  CHECK(refused(line + "Ho st: kvm1\r\n") == 400);
  CHECK(refused(line + " Host: kvm1\r\n") == 400);
  CHECK(refused(line + "Host: kv\x02m1\r\n") == 400);
}

TEST_CASE("a head has an end, or is too long", "[http]") {
  CHECK(incomplete(std::string(kHttpHeadLimit, 'G')));
  CHECK(refused(std::string(kHttpHeadLimit + 1, 'G')) == 431);
  std::string head = "GET /metrics HTTP/1.1\r\n";
  while (head.size() <= kHttpHeadLimit) head += "X: y\r\n";
  CHECK(refused(head) == 431);
}

TEST_CASE("a response tells its length, also where its body is left out", "[http]") {
  const HttpResponse response{200, "text/plain", "abc"};
  CHECK(to_bytes(response, false) ==
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n"
        "Connection: close\r\n\r\nabc");
  CHECK(to_bytes(response, true).ends_with("Content-Length: 3\r\nConnection: close\r\n\r\n"));
  CHECK(to_bytes({405, "text/plain", ""}, false).find("Allow: GET, HEAD\r\n") != std::string::npos);
}

}  // namespace
}  // namespace dove::api
