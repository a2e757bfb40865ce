#include "core/ip_address.h"

#include <sys/socket.h>

#include "tests/catch.h"
#include "tests/unit/core/random.h"

namespace dove::test {
namespace {

IpAddress ip(const char* text) { return *IpAddress::parse(text); }

TEST_CASE("texts that are addresses, and how they are written back") {
  for (const char* text : {"0.0.0.0", "10.1.0.2", "255.255.255.255", "::", "::1", "fe80::1",
                           "2001:db8::1", "2001:db8:1:2:3:4:5:6", "::ffff:192.0.2.1"})
    CHECK(ip(text).to_string() == text);
  CHECK(ip("2001:DB8:0:0:0:0:0:1").to_string() == "2001:db8::1");
}

TEST_CASE("texts that are none") {
  for (const char* text : {"",
                           "10.1.0",
                           "10.1.0.256",
                           "10.1.0.2.3",
                           "10.1.0.02",
                           "010.1.0.2",
                           " 10.1.0.2",
                           "10.1.0.2 ",
                           "10.1.0.2/24",
                           "0x0a010002",
                           "1",
                           "fe80::1%eth0",
                           ":",
                           ":::",
                           "2001:db8::1::2",
                           "12345::",
                           "g::",
                           "10.1.0.2:80",
                           "2001:db8:1:2:3:4:5:6:7",
                           "[::1]"})
    CHECK_FALSE(IpAddress::parse(text));
  CHECK_FALSE(IpAddress::parse(std::string_view{"10.1.0.2\0x", 10}));
  CHECK_FALSE(IpAddress::parse(std::string(100, '1')));
}

TEST_CASE("only four or sixteen bytes make an address") {
  const std::array<std::byte, 20> bytes{};
  for (std::size_t n = 0; n <= bytes.size(); ++n)
    CHECK(IpAddress::from_wire(std::span{bytes}.first(n)).has_value() == (n == 4 || n == 16));
}

TEST_CASE("families") {
  CHECK(ip("10.1.0.2").is_v4());
  CHECK(ip("10.1.0.2").family() == AF_INET);
  CHECK(ip("10.1.0.2").bits() == 32);
  CHECK(ip("10.1.0.2").v4_host_order() == 0x0a010002);
  CHECK(ip("::ffff:10.1.0.2").is_v6());
  CHECK(ip("fe80::1").family() == AF_INET6);
  CHECK(ip("fe80::1").bits() == 128);
  CHECK(ip("0.0.0.0") != ip("::"));
}

TEST_CASE("kinds of addresses at their limits") {
  struct Row {
    const char* text;
    bool unspecified, loopback, multicast, link_local, assignable;
  };
  for (const Row& row : {Row{"0.0.0.0", true, false, false, false, false},
                         Row{"0.0.0.1", false, false, false, false, true},
                         Row{"126.255.255.255", false, false, false, false, true},
                         Row{"127.0.0.0", false, true, false, false, false},
                         Row{"127.255.255.255", false, true, false, false, false},
                         Row{"128.0.0.0", false, false, false, false, true},
                         Row{"169.253.255.255", false, false, false, false, true},
                         Row{"169.254.0.0", false, false, false, true, true},
                         Row{"169.255.0.0", false, false, false, false, true},
                         Row{"223.255.255.255", false, false, false, false, true},
                         Row{"224.0.0.0", false, false, true, false, false},
                         Row{"239.255.255.255", false, false, true, false, false},
                         Row{"255.255.255.254", false, false, false, false, true},
                         Row{"255.255.255.255", false, false, false, false, false},
                         Row{"::", true, false, false, false, false},
                         Row{"::1", false, true, false, false, false},
                         Row{"::2", false, false, false, false, true},
                         Row{"1::1", false, false, false, false, true},
                         Row{"fe7f:ffff::", false, false, false, false, true},
                         Row{"fe80::", false, false, false, true, true},
                         Row{"febf:ffff::", false, false, false, true, true},
                         Row{"fec0::", false, false, false, false, true},
                         Row{"feff::1", false, false, false, false, true},
                         Row{"ff00::", false, false, true, false, false}}) {
    INFO(row.text);
    const IpAddress address = ip(row.text);
    CHECK(address.is_unspecified() == row.unspecified);
    CHECK(address.is_loopback() == row.loopback);
    CHECK(address.is_multicast() == row.multicast);
    CHECK(address.is_link_local() == row.link_local);
    CHECK(address.is_assignable() == row.assignable);
  }
}

TEST_CASE("every address survives its text and its wire form; IPv4 orders before IPv6") {
  Random random;
  for (int i = 0; i < kRounds; ++i) {
    const IpAddress a = random.v4();
    const IpAddress b = random.v4();
    const IpAddress c = random.v6();
    for (const IpAddress& address : {a, c}) {
      CHECK(IpAddress::parse(address.to_string()) == address);
      CHECK(IpAddress::from_wire(address.wire()) == address);
      CHECK(std::hash<IpAddress>{}(*IpAddress::parse(address.to_string())) ==
            std::hash<IpAddress>{}(address));
    }
    CHECK((a < b) == (a.v4_host_order() < b.v4_host_order()));
    CHECK(IpAddress::v4(a.v4_host_order()) == a);
    CHECK(a < c);
  }
}

}  // namespace
}  // namespace dove::test
