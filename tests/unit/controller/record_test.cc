#include "controller/record.h"

#include "tests/unit/controller/model.h"

namespace dove::controller {
namespace {

std::vector<Value> samples() {
  return {Tenant{"t", true},
          Network{"n", "t", vni(100), {subnet("10.0.0.0/24", "10.0.0.1")}, true},
          VniOwner{vni(7), "n"},
          Endpoint{"e", "n", vni(100), mac("02:00:00:00:00:01"), false, true, HostId{3}, 9},
          Endpoint{"f", "n", vni(100), mac("02:00:00:00:00:02")},
          MacOwner{"t", mac("02:00:00:00:00:01"), "e"},
          Address{{vni(100), ip("fd00::5")}, Address::Kind::kShared, true, {"e", "f"}, 4},
          Host{"h", HostId{3}, {ip("2001:db8::1"), 8472}},
          Quarantine{vni_key(vni(7)), "t"},
          Quarantine{address_key({vni(7), ip("10.0.0.1")}), "t"},
          HostIdCounter{17}};
}

TEST_CASE("records survive being stored") {
  for (const auto& value : samples()) {
    const auto back = decode(key_of(value), encode(value));
    INFO(key_of(value));
    REQUIRE(back);
    CHECK(*back == value);
  }
}

TEST_CASE("keys are as the store's contract says") {
  const std::vector<std::string> expected{"tenant/t",
                                          "network/n",
                                          "vni/00000007",
                                          "endpoint/e",
                                          "endpoint/f",
                                          "mac/t/02:00:00:00:00:01",
                                          "address/00000100/fd00::5",
                                          "host/h",
                                          "quarantine/vni/00000007",
                                          "quarantine/address/00000007/10.0.0.1",
                                          "counter/host-id"};
  std::vector<std::string> keys;
  for (const auto& value : samples()) keys.push_back(key_of(value));
  CHECK(keys == expected);
}

TEST_CASE("a record under a key that is not its own is refused by the key") {
  const auto wrong = decode("tenant/u", encode(Tenant{"t"}));
  REQUIRE_FALSE(wrong);
  CHECK(contains(wrong.error().message, "tenant/u"));
}

TEST_CASE("damaged records are refused by their key") {
  const auto refused = [](const std::string& key, const std::string& bytes) {
    const auto value = decode(key, bytes);
    return !value && contains(value.error().message, key);
  };
  CHECK(refused("tenant/t", "\xff\xff"));
  CHECK(refused("network/n", ""));  // no VNI
  CHECK(refused("endpoint/e", encode(Tenant{"e"})));
  CHECK(refused("vni/x", "n"));
  CHECK(refused("mac/t", "e"));
  CHECK(refused("mac/t/02:00", "e"));
  CHECK(refused("address/00000100/10.0.0.1", ""));
  CHECK(refused("quarantine/nothing", ""));
  CHECK(refused("counter/host-id", "many"));
  CHECK(refused("unheard-of/x", ""));
  CHECK(refused("", ""));
}

TEST_CASE("records that contradict each other are found") {
  const auto check = [](const std::vector<Value>& values) {
    State state;
    for (const auto& value : values) state.put(value, 1, {});
    return state.check();
  };
  const Tenant tenant{"t"};
  const Network network{"n", "t", vni(100), {}};
  const VniOwner owner{vni(100), "n"};
  const Endpoint endpoint{"e", "n", vni(100), mac("02:00:00:00:00:01")};
  const MacOwner mac_owner{"t", endpoint.mac, "e"};
  const Address address{{vni(100), ip("10.0.0.5")}, Address::Kind::kOwned, false, {"e"}, 1};
  REQUIRE(check({tenant, network, owner, endpoint, mac_owner, address}));
  CHECK_FALSE(check({network, owner}));
  CHECK_FALSE(check({tenant, network}));
  CHECK_FALSE(check({owner}));
  CHECK_FALSE(check({tenant, network, owner, endpoint}));
  CHECK_FALSE(check({mac_owner}));
  CHECK_FALSE(check({address}));
  CHECK_FALSE(check({Host{"h", HostId{1}, {ip("192.0.2.1")}}}));
  auto lost = endpoint;
  lost.active = true;
  lost.host = HostId{1};
  CHECK_FALSE(check({tenant, network, owner, lost, mac_owner}));
}

}  // namespace
}  // namespace dove::controller
