#include "core/vtep.h"

#include <unordered_set>

#include "tests/catch.h"

namespace dove::test {
namespace {

TEST_CASE("a VTEP shows its port only when it is not the default") {
  CHECK(Vtep{*IpAddress::parse("192.0.2.1")}.to_string() == "192.0.2.1");
  CHECK(Vtep{*IpAddress::parse("192.0.2.1"), 8472}.to_string() == "192.0.2.1:8472");
  CHECK(Vtep{*IpAddress::parse("2001:db8::1")}.to_string() == "2001:db8::1");
  CHECK(Vtep{*IpAddress::parse("2001:db8::1"), 1}.to_string() == "[2001:db8::1]:1");
}

TEST_CASE("a VTEP is its address and its port") {
  const Vtep a{*IpAddress::parse("192.0.2.1")};
  CHECK(a == Vtep{*IpAddress::parse("192.0.2.1"), 4789});
  CHECK(a != Vtep{*IpAddress::parse("192.0.2.1"), 4790});
  CHECK(a < Vtep{*IpAddress::parse("192.0.2.2"), 1});
  const std::unordered_set<Vtep> set{a, a, {a.address, 1}};
  CHECK(set.size() == 2);
}

}  // namespace
}  // namespace dove::test
