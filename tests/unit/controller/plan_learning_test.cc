// What hosts heard of, beside what is registered.
#include "tests/unit/controller/model.h"

namespace dove::controller {
namespace {

struct Networks : Model {
  Networks() {
    must(TenantAdd{"t"});
    must(NetworkAdd{"n", "t", vni(100), {subnet("10.0.0.0/24"), subnet("fd00::/64")}, true});
    must(NetworkAdd{"m", "t", vni(101), {subnet("10.1.0.0/24")}, true});
    must(NetworkAdd{"off", "t", vni(102), {subnet("10.2.0.0/24")}});
    one = register_host("h1", "192.0.2.1");
    two = register_host("h2", "192.0.2.2");
  }
  Result<std::string> learn(HostId host, const char* guest, std::vector<IpAddress> ips = {},
                            bool claimed = true, std::uint32_t network = 100) {
    std::optional<Result<std::string>> name;
    const Learning heard{{vni(network), mac(guest)}, std::move(ips), claimed};
    (void)host_asks([&](Draft& draft) -> Status {
      name.emplace(plan_learning(host, heard, surroundings(), draft));
      return *name ? Status{} : Status{name->error()};
    });
    return *name;
  }
  void unlearn(HostId host, const char* guest, std::vector<IpAddress> ips = {}) {
    REQUIRE(host_asks([&](Draft& draft) -> Status {
      plan_unlearning(host, {vni(100), mac(guest)}, ips, draft);
      return {};
    }));
  }
  std::set<IpAddress> ips(const std::string& endpoint) const { return state().ips_of(endpoint); }
  HostId one{}, two{};
};

const char* const kGuest = "02:00:00:00:00:0a";
const char* const kOther = "02:00:00:00:00:0b";
const std::string kName = "dyn-100-02000000000a";

TEST_CASE_METHOD(Networks, "a guest that is heard is a dynamic endpoint, active there") {
  const auto name = learn(one, kGuest, {ip("10.0.0.5")});
  REQUIRE(name);
  CHECK(*name == kName);
  const auto& endpoint = *state().endpoint(kName);
  CHECK(endpoint.dynamic);
  CHECK(endpoint.active);
  CHECK(endpoint.host == one);
  CHECK(endpoint.network == "n");
  CHECK(ips(kName) == std::set{ip("10.0.0.5")});
  const auto before = revision();
  REQUIRE(learn(one, kGuest, {ip("10.0.0.5")}));
  CHECK(revision() == before);
  REQUIRE(learn(one, kGuest, {ip("fd00::5")}));
  CHECK(ips(kName) == std::set{ip("10.0.0.5"), ip("fd00::5")});
  CHECK(state().endpoint(kName)->generation == endpoint.generation);
  auto store_now = load(store(), now());
  CHECK(store_now.endpoint(kName)->dynamic);
  CHECK(store_now.dynamic_at(one).size() == 1);
}

TEST_CASE_METHOD(Networks, "a network learns when it has a subnet") {
  CHECK(contains(refusal(NetworkAdd{"bare", "t", {}, {}, true}, ErrorCode::kInvalid),
                 "learn \"on\" is wrong: network \"bare\" has no subnet"));
  must(NetworkAdd{"bare", "t", {}, {}});
  refusal(NetworkSet{"bare", true, {}}, ErrorCode::kInvalid);
  CHECK_FALSE(state().network("bare")->learn);
  must(NetworkSet{"bare", true, {subnet("10.9.0.0/24")}});
  CHECK(state().network("bare")->learn);
}

TEST_CASE_METHOD(Networks, "it is learned where the network learns, and nowhere else") {
  CHECK(learn(one, kGuest, {}, true, 102).error().code == ErrorCode::kConflict);
  CHECK(learn(one, kGuest, {}, true, 103).error().code == ErrorCode::kNotFound);
  must(NetworkSet{"off", true, {}});
  CHECK(learn(one, kGuest, {}, true, 102));
}

TEST_CASE_METHOD(Networks, "an address that no guest can have is left out") {
  REQUIRE(learn(one, kGuest,
                {ip("10.0.0.1"), ip("10.0.0.255"), ip("10.1.0.5"), ip("fe80::5"), ip("224.0.0.1"),
                 ip("10.0.0.5")}));
  CHECK(ips(kName) == std::set{ip("10.0.0.5")});
}

TEST_CASE_METHOD(Networks, "what is registered is never taken") {
  must(EndpointAdd{"a", "n", mac(kGuest), {own("10.0.0.5"), shared("10.0.0.6")}});
  must(EndpointAdd{"b", "m", mac("02:00:00:00:00:0c"), {}});
  const auto refused = learn(one, kGuest);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kExists);
  CHECK(contains(refused.error().message, "\"a\""));
  CHECK_FALSE(learn(one, "02:00:00:00:00:0c"));  // of another network of the tenant
  CHECK_FALSE(learn(one, kDefaultRouterMac.to_string().c_str()));
  CHECK_FALSE(learn(one, "03:00:00:00:00:01"));
  const auto name = learn(one, kOther, {ip("10.0.0.5"), ip("10.0.0.6")});
  REQUIRE(name);
  CHECK(ips(*name).empty());
  CHECK(state().address({vni(100), ip("10.0.0.5")})->endpoints == std::vector<std::string>{"a"});
}

TEST_CASE_METHOD(Networks, "what is registered later wins, of MAC and of address") {
  REQUIRE(learn(one, kGuest, {ip("10.0.0.5"), ip("10.0.0.6")}));
  must(EndpointAdd{"a", "n", {}, {own("10.0.0.5")}});
  CHECK(ips(kName) == std::set{ip("10.0.0.6")});
  CHECK(ips("a") == std::set{ip("10.0.0.5")});
  must(EndpointAdd{"b", "n", mac(kGuest), {}});
  CHECK(state().endpoint(kName) == nullptr);
  CHECK(state().address({vni(100), ip("10.0.0.6")}) == nullptr);
  CHECK(state().dynamic_of("n").empty());
  REQUIRE(learn(one, kOther));
  must(EndpointSet{"a", mac(kOther), {}});
  CHECK(state().endpoint(MacKey{vni(100), mac(kOther)})->name == "a");
}

TEST_CASE_METHOD(Networks, "one that was registered by the name of a dynamic one takes its place") {
  REQUIRE(learn(one, kGuest));
  must(EndpointAdd{kName, "n", mac(kGuest), {}});
  CHECK_FALSE(state().endpoint(kName)->dynamic);
  REQUIRE(learn(one, kOther));
  must(EndpointDel{"dyn-100-02000000000b"});
  must(EndpointAdd{"dyn-100-02000000000b", "n", {}, {}});
  CHECK(*learn(one, kOther) == "dyn-100-02000000000b-2");
}

TEST_CASE_METHOD(Networks, "a guest that moves has one generation more, and its addresses") {
  REQUIRE(learn(one, kGuest, {ip("10.0.0.5")}));
  const auto before = state().endpoint(kName)->generation;
  REQUIRE(learn(two, kGuest));
  CHECK(state().endpoint(kName)->generation == before + 1);
  CHECK(state().endpoint(kName)->host == two);
  CHECK(ips(kName) == std::set{ip("10.0.0.5")});
  unlearn(one, kGuest);  // a late word
  CHECK(state().endpoint(kName) != nullptr);
  CHECK_FALSE(learn(two, kGuest, {}, true, 101));  // it is in the other network
}

TEST_CASE_METHOD(Networks, "an address goes to who claims it, not to who only sends from it") {
  REQUIRE(learn(one, kGuest, {ip("10.0.0.5")}));
  const auto other = learn(two, kOther, {ip("10.0.0.5")}, false);
  REQUIRE(other);
  CHECK(ips(*other).empty());
  REQUIRE(learn(two, kOther, {ip("10.0.0.5")}));
  CHECK(ips(*other) == std::set{ip("10.0.0.5")});
  CHECK(ips(kName).empty());
}

TEST_CASE_METHOD(Networks, "unlearning takes an address, or all") {
  REQUIRE(learn(one, kGuest, {ip("10.0.0.5"), ip("10.0.0.6")}));
  unlearn(one, kGuest, {ip("10.0.0.5"), ip("10.0.0.77")});
  CHECK(ips(kName) == std::set{ip("10.0.0.6")});
  unlearn(two, kGuest);
  CHECK(state().endpoint(kName) != nullptr);
  unlearn(one, kGuest);
  CHECK(state().endpoint(kName) == nullptr);
  CHECK(state().mac_owner("t", mac(kGuest)) == nullptr);
  must(EndpointAdd{"a", "n", mac(kGuest), {}});
  REQUIRE(activate(one, "a"));
  unlearn(one, kGuest);  // registered by now
  CHECK(state().endpoint("a")->active);
}

TEST_CASE_METHOD(Networks, "what a host no longer has is no more") {
  REQUIRE(learn(one, kGuest));
  REQUIRE(learn(one, kOther));
  REQUIRE(learn(two, "02:00:00:00:00:0d"));
  must(EndpointAdd{"a", "n", {}, {}});
  REQUIRE(activate(one, "a"));
  REQUIRE(host_asks([&](Draft& draft) -> Status {
    plan_keeping(one, {MacKey{vni(100), mac(kOther)}}, draft);
    return {};
  }));
  CHECK(state().endpoint(kName) == nullptr);
  CHECK(state().dynamic_at(one).size() == 1);
  CHECK(state().dynamic_at(two).size() == 1);
  CHECK(state().endpoint("a")->active);
}

TEST_CASE_METHOD(Networks, "with the host, or when the network learns no more, they are gone") {
  REQUIRE(learn(one, kGuest, {ip("10.0.0.5")}));
  REQUIRE(learn(two, kOther));
  set_connected(false);
  must(HostDel{"h1"});
  CHECK(state().endpoint(kName) == nullptr);
  CHECK(contains(refusal(NetworkDel{"n"}, ErrorCode::kConflict), "dyn-100"));
  must(NetworkSet{"n", false, {}});
  CHECK(state().dynamic_of("n").empty());
  must(NetworkDel{"n"});
}

TEST_CASE_METHOD(Networks, "nobody attaches or changes a dynamic endpoint by hand") {
  REQUIRE(learn(one, kGuest));
  CHECK_FALSE(activate(two, kName));
  CHECK(contains(refusal(EndpointSet{kName, {}, {own("10.0.0.9")}}, ErrorCode::kConflict),
                 "dynamic"));
  must(EndpointDel{kName});
}

TEST_CASE_METHOD(Networks, "a network and an endpoint have so many") {
  std::vector<IpAddress> many;
  for (unsigned i = 2; i < 100; ++i) many.push_back(IpAddress::v4(0x0a000000U + i));
  REQUIRE(learn(one, kGuest, many));
  CHECK(ips(kName).size() <= kAddressesPerDynamic + kLinkLocals);
  char text[18];
  for (unsigned i = 1; i < kDynamicPerNetwork; ++i) {
    std::snprintf(text, sizeof text, "02:00:00:01:%02x:%02x", i >> 8U & 0xffU, i & 0xffU);
    REQUIRE(learn(one, text));
  }
  const auto refused = learn(one, "02:00:00:02:00:00");
  REQUIRE_FALSE(refused);
  CHECK(contains(refused.error().message, "no more are learned"));
  CHECK(learn(one, kGuest));                              // who is known stays
  CHECK(learn(one, "02:00:00:02:00:00", {}, true, 101));  // in another network
  must(EndpointAdd{"a", "n", {}, {}});                    // registered ones are not counted
}

}  // namespace
}  // namespace dove::controller
