#include "api/address.h"

#include "tests/catch.h"

namespace dove::api {
namespace {

TEST_CASE("addresses are read and printed the same") {
  const std::string text =
      GENERATE("192.0.2.1:7000", "[2001:db8::1]:1", "controller-1.example:65535", "localhost:7000",
               "unix:/run/dove/controller.sock", "unix:c.sock");
  const auto address = parse_address(text);
  REQUIRE(address);
  CHECK(address->to_string() == text);
}

TEST_CASE("the parts of an address") {
  const auto tcp = parse_address("[2001:db8::1]:7000");
  REQUIRE(tcp);
  CHECK(tcp->kind == Address::Kind::kTcp);
  CHECK(tcp->host == "2001:db8::1");
  CHECK(tcp->port == 7000);
  const auto socket = parse_address("unix:/a/b");
  REQUIRE(socket);
  CHECK(socket->kind == Address::Kind::kUnix);
  CHECK(socket->path == "/a/b");
}

TEST_CASE("a wrong address is named in the error") {
  const std::string text = GENERATE(
      "", "host", ":7000", "host:", "host:0", "host:65536", "host:-1", "host:7000x", "1.2.3:7000",
      "1.2.3.256:7000", "2001:db8::1:7000", "[2001:db8::1]", "[192.0.2.1]:7000", "[]:7000",
      "ho st:7000", "host/x:7000", "unix:", "unix:/a b", "unix:/a%20b", "[fe80::1%eth0]:7000");
  const auto address = parse_address(text);
  REQUIRE_FALSE(address);
  CHECK(address.error().code == ErrorCode::kInvalid);
  CHECK(address.error().message.find('"' + text + '"') != std::string::npos);
}

TEST_CASE("a socket's path fits into sun_path") {
  CHECK(parse_address("unix:" + std::string(107, 'a')));
  CHECK_FALSE(parse_address("unix:" + std::string(108, 'a')));
}

TEST_CASE("what is local") {
  CHECK(parse_address("unix:/x")->is_local());
  CHECK(parse_address("127.0.0.53:1")->is_local());
  CHECK(parse_address("[::1]:1")->is_local());
  CHECK(parse_address("localhost:1")->is_local());
  CHECK_FALSE(parse_address("0.0.0.0:1")->is_local());
  CHECK_FALSE(parse_address("[::]:1")->is_local());
  CHECK_FALSE(parse_address("192.0.2.1:1")->is_local());
  CHECK_FALSE(parse_address("localhost.example:1")->is_local());
}

TEST_CASE("plain TCP beyond this machine only when asked for") {
  const auto remote = *parse_address("192.0.2.1:1");
  const auto refused = check_plaintext(remote, false);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("--insecure") != std::string::npos);
  CHECK(check_plaintext(remote, true));
  CHECK(check_plaintext(*parse_address("127.0.0.1:1"), false));
  CHECK(check_plaintext(*parse_address("unix:/x"), false));
}

TEST_CASE("lists of addresses") {
  const auto list = parse_address_list("192.0.2.1:1,unix:/x,[::1]:2");
  REQUIRE(list);
  REQUIRE(list->size() == 3);
  CHECK((*list)[1].path == "/x");
  CHECK(parse_address_list("unix:/x")->size() == 1);
  CHECK_FALSE(parse_address_list(""));
  CHECK_FALSE(parse_address_list("unix:/x,"));
  CHECK_FALSE(parse_address_list(",unix:/x"));
  CHECK_FALSE(parse_address_list("a:1,b:2,a:1"));
}

}  // namespace
}  // namespace dove::api
