#include "agent/frames/group_query.h"
#include "tests/catch.h"
#include "tests/unit/agent/hex.h"

namespace dove::agent {
namespace {

const MacAddress kBridge = *MacAddress::parse("02:d0:b0:00:00:64");

TEST_CASE("group query: IGMPv3, as RFC 3376 draws it") {
  CHECK(to_hex(build_igmp_query(kBridge, {})) ==
        "01005e000001"
        "02d0b0000064"
        "0800"
        "46c00024"
        "00000000"
        "01024413"
        "00000000"
        "e0000001"
        "94040000"
        "1164ec1e"
        "00000000"
        "027d0000");
}

TEST_CASE("group query: MLDv2, as RFC 3810 draws it") {
  CHECK(to_hex(build_mld_query(kBridge, {})) ==
        "333300000001"
        "02d0b0000064"
        "86dd"
        "60000000"
        "0024"
        "0001"
        "fe8000000000000000d0b0fffe000064"
        "ff020000000000000000000000000001"
        "3a00"
        "0502"
        "00000100"
        "8200a662"
        "27100000"
        "00000000000000000000000000000000"
        "027d0000");
}

TEST_CASE("group query: long times are coded, short ones are not") {
  const auto codes = [](std::chrono::seconds response, std::chrono::seconds interval) {
    const auto igmp = to_hex(build_igmp_query(kBridge, {response, interval}));
    const auto mld = to_hex(build_mld_query(kBridge, {response, interval}));
    return igmp.substr(78, 2) + " " + igmp.substr(94, 2) + " " + mld.substr(132, 4) + " " +
           mld.substr(174, 2);
  };
  using std::chrono::seconds;
  CHECK(codes(seconds{12}, seconds{127}) == "78 7f 2ee0 7f");
  CHECK(codes(seconds{13}, seconds{128}) == "80 80 32c8 80");
  CHECK(codes(seconds{60}, seconds{1000}) == "a2 af 8d4c af");
  CHECK(codes(seconds{10}, seconds{31744}) == "64 ff 2710 ff");
}

}  // namespace
}  // namespace dove::agent
