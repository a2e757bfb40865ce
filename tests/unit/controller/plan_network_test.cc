// Rules for tenants and networks, each broken once.
#include "tests/unit/controller/model.h"

namespace dove::controller {
namespace {

struct Tenants : Model {
  Tenants() {
    must(TenantAdd{"t"});
    must(TenantAdd{"u"});
  }
};

TEST_CASE_METHOD(Tenants, "adding what is there with the same values is no commit") {
  must(NetworkAdd{"n", "t", vni(100), {subnet("10.0.0.0/24", "10.0.0.254")}});
  const auto before = revision();
  must(TenantAdd{"t"});
  must(NetworkAdd{"n", "t", vni(100), {subnet("10.0.0.0/24", "10.0.0.254")}});
  must(NetworkAdd{"n", "t", {}, {subnet("10.0.0.0/24")}});
  CHECK(revision() == before);
}

TEST_CASE_METHOD(Tenants, "adding what is there compares only what is given") {
  must(NetworkAdd{"n", "t", vni(100), {subnet("10.0.0.0/24"), subnet("10.0.1.0/24")}, true});
  must(TenantSet{"t", true});
  const auto before = revision();
  must(TenantAdd{"t"});
  must(TenantAdd{"t", true});
  must(NetworkAdd{"n", "t", {}, {}});
  must(NetworkAdd{"n", "t", {}, {subnet("10.0.1.0/24"), subnet("10.0.0.0/24")}});
  must(NetworkAdd{"n", "t", {}, {}, true});
  CHECK(revision() == before);
  CHECK(contains(refusal(TenantAdd{"t", false}, ErrorCode::kExists), "routing deny, not allow"));
  CHECK(contains(refusal(NetworkAdd{"n", "t", {}, {}, false}, ErrorCode::kExists),
                 "learn on, not off"));
}

TEST_CASE_METHOD(Tenants, "adding what is there with other values names the difference") {
  must(NetworkAdd{"n", "t", vni(100), {subnet("10.0.0.0/24")}});
  const auto refuse = [this](const Operation& operation) {
    return refusal(operation, ErrorCode::kExists);
  };
  CHECK(contains(refuse(TenantAdd{"t", true}), "routing allow, not deny"));
  CHECK(contains(refuse(NetworkAdd{"n", "u", {}, {subnet("10.0.0.0/24")}}), "tenant t, not u"));
  CHECK(contains(refuse(NetworkAdd{"n", "t", vni(101), {subnet("10.0.0.0/24")}}),
                 "VNI 100, not 101"));
  CHECK(contains(refuse(NetworkAdd{"n", "t", {}, {subnet("10.0.0.0/24")}, true}),
                 "learn off, not on"));
  CHECK(contains(refuse(NetworkAdd{"n", "t", {}, {subnet("10.0.1.0/24")}}), "10.0.1.0/24"));
  CHECK(contains(refuse(NetworkAdd{"n", "t", {}, {subnet("10.0.0.0/24", "10.0.0.9")}}),
                 "gateway 10.0.0.1, not 10.0.0.9"));
  must(NetworkSet{"n", {}, {subnet("10.0.0.0/24"), subnet("10.0.1.0/24")}});
  CHECK(contains(refuse(NetworkAdd{"n", "t", {}, {subnet("10.0.0.0/24")}}),
                 "exists with subnet 10.0.1.0/24, which"));
  CHECK(contains(refuse(NetworkAdd{"n", "t", {}, {subnet("10.0.0.0/24"), subnet("10.0.2.0/24")}}),
                 "exists without subnet 10.0.2.0/24"));
}

TEST_CASE_METHOD(Tenants, "what is unknown is named") {
  CHECK(contains(refusal(NetworkAdd{"n", "x", {}, {}}, ErrorCode::kNotFound), "tenant \"x\""));
  CHECK(contains(refusal(NetworkDel{"x"}, ErrorCode::kNotFound), "network \"x\""));
  CHECK(contains(refusal(NetworkSet{"x", true, {}}, ErrorCode::kNotFound), "network \"x\""));
  CHECK(contains(refusal(TenantDel{"x"}, ErrorCode::kNotFound), "tenant \"x\""));
  CHECK(contains(refusal(TenantSet{"x", true}, ErrorCode::kNotFound), "tenant \"x\""));
}

TEST_CASE_METHOD(Tenants, "what has children is not deleted, and they are named") {
  must(NetworkAdd{"n", "t", {}, {}});
  must(EndpointAdd{"a", "n", {}, {}});
  CHECK(contains(refusal(TenantDel{"t"}, ErrorCode::kConflict), "\"n\""));
  CHECK(contains(refusal(NetworkDel{"n"}, ErrorCode::kConflict), "\"a\""));
  for (int i = 0; i < 9; ++i) must(EndpointAdd{"b" + std::to_string(i), "n", {}, {}});
  CHECK(contains(refusal(NetworkDel{"n"}, ErrorCode::kConflict), "and 5 more"));
}

TEST_CASE_METHOD(Tenants, "subnets of a tenant do not overlap, those of two tenants may") {
  must(NetworkAdd{"n", "t", {}, {subnet("10.0.0.0/16")}});
  CHECK(contains(refusal(NetworkAdd{"m", "t", {}, {subnet("10.0.5.0/24")}}, ErrorCode::kConflict),
                 "\"n\""));
  CHECK(contains(refusal(NetworkAdd{"m", "t", {}, {subnet("10.0.0.0/8")}}, ErrorCode::kConflict),
                 "10.0.0.0/16"));
  CHECK(contains(refusal(NetworkAdd{"m", "t", {}, {subnet("10.1.0.0/16"), subnet("10.1.1.0/24")}},
                         ErrorCode::kInvalid),
                 "10.1.1.0/24"));
  must(NetworkAdd{"m", "u", {}, {subnet("10.0.0.0/16")}});
  must(NetworkAdd{"l", "t", {}, {subnet("10.1.0.0/16"), subnet("fd00::/64")}});
}

TEST_CASE_METHOD(Tenants, "the gateway is an ordinary address of its subnet") {
  must(NetworkAdd{"n", "t", {}, {subnet("10.0.0.0/24"), subnet("fd00::/64")}});
  CHECK(state().network("n")->subnets[0].gateway == ip("10.0.0.1"));
  CHECK(state().network("n")->subnets[1].gateway == ip("fd00::1"));
  const auto refuse = [this](const char* gateway) {
    return refusal(NetworkAdd{"m", "t", {}, {subnet("10.1.0.0/24", gateway)}}, ErrorCode::kInvalid);
  };
  CHECK(contains(refuse("10.2.0.1"), "10.2.0.1"));
  CHECK(contains(refuse("10.1.0.0"), "reserved"));
  CHECK(contains(refuse("10.1.0.255"), "reserved"));
  CHECK(contains(refuse("fd00::1"), "in its subnet"));
}

TEST_CASE_METHOD(Tenants, "subnets hold addresses that guests can have") {
  const auto prefix = GENERATE("224.0.0.0/8", "127.0.0.0/8", "fe80::/64", "169.254.0.0/16",
                               "ff00::/8", "0.0.0.0/0", "::/0");
  refusal(NetworkAdd{"n", "t", {}, {subnet(prefix)}}, ErrorCode::kInvalid);
}

TEST_CASE_METHOD(Tenants, "a subnet has an address for an endpoint besides its gateway") {
  const auto narrow = GENERATE("10.0.0.5/32", "fd00::5/128");
  CHECK(contains(
      refusal(NetworkAdd{"n", "t", {}, {subnet(narrow)}}, ErrorCode::kInvalid),
      "subnet \"" + std::string{narrow} + "\" is wrong: it has no address for an endpoint"));
  must(NetworkAdd{"n", "t", {}, {}});
  refusal(NetworkSet{"n", {}, {subnet(narrow)}}, ErrorCode::kInvalid);
  // Nobody can have 255.255.255.255, and :: and ::1.
  refusal(NetworkSet{"n", {}, {subnet("255.255.255.254/31")}}, ErrorCode::kInvalid);
  refusal(NetworkSet{"n", {}, {subnet("::2/128")}}, ErrorCode::kInvalid);
}

TEST_CASE_METHOD(Tenants, "in the narrowest subnets that are taken one endpoint has an address") {
  const auto narrow = GENERATE("10.0.0.4/31", "10.0.0.4/30", "fd00::4/127");
  must(NetworkAdd{"n", "t", {}, {subnet(narrow)}});
  must(EndpointAdd{"a", "n", {}, {kAuto}});
  CHECK(contains(refusal(EndpointAdd{"b", "n", {}, {kAuto}}, ErrorCode::kConflict),
                 "no free address"));
}

TEST_CASE_METHOD(Tenants, "VNIs are unique, the lowest free one from 4096 is chosen") {
  must(NetworkAdd{"n", "t", {}, {}});
  must(NetworkAdd{"m", "t", vni(4097), {}});
  must(NetworkAdd{"l", "t", {}, {}});
  CHECK(state().network("n")->vni == vni(4096));
  CHECK(state().network("l")->vni == vni(4098));
  CHECK(contains(refusal(NetworkAdd{"k", "u", vni(4097), {}}, ErrorCode::kConflict), "\"m\""));
}

TEST_CASE_METHOD(Tenants, "a freed VNI rests before another tenant has it") {
  must(NetworkAdd{"n", "t", {}, {}});
  must(NetworkDel{"n"});
  must(NetworkAdd{"m", "t", {}, {}});
  CHECK(state().network("m")->vni == vni(4097));
  CHECK(contains(refusal(NetworkAdd{"o", "u", vni(4096), {}}, ErrorCode::kConflict), "rests"));
  SECTION("its former tenant may have it back at once") {
    must(NetworkAdd{"n", "t", vni(4096), {}});
    CHECK(state().resting(vni_key(vni(4096)), now()) == nullptr);
  }
  SECTION("others when its time is over") {
    pass(State::kQuarantine - std::chrono::seconds{1});
    refusal(NetworkAdd{"o", "u", vni(4096), {}}, ErrorCode::kConflict);
    pass(std::chrono::seconds{1});
    must(NetworkAdd{"o", "u", {}, {}});
    CHECK(state().network("o")->vni == vni(4096));
  }
  SECTION("its time begins anew when the controller starts") {
    const auto loaded = load(store(), now() + std::chrono::hours{5});
    CHECK(loaded.resting(vni_key(vni(4096)), now() + std::chrono::hours{5}) != nullptr);
  }
}

TEST_CASE_METHOD(Tenants, "rested records leave the store with the next change") {
  must(NetworkAdd{"n", "t", {}, {}});
  must(NetworkDel{"n"});
  pass(State::kQuarantine);
  must(TenantAdd{"v"});
  for (const auto& record : records()) CHECK_FALSE(contains(record.key, "quarantine/"));
}

TEST_CASE_METHOD(Tenants, "a network's new subnets keep its endpoints' addresses and gateways") {
  must(NetworkAdd{"n", "t", {}, {subnet("10.0.0.0/24", "10.0.0.9")}});
  must(EndpointAdd{"a", "n", {}, {own("10.0.0.10")}});
  must(NetworkSet{"n", {}, {subnet("10.0.0.0/24"), subnet("10.0.1.0/24")}});
  CHECK(state().network("n")->subnets[0].gateway == ip("10.0.0.9"));
  CHECK(contains(refusal(NetworkSet{"n", {}, {subnet("10.0.1.0/24")}}, ErrorCode::kConflict),
                 "endpoint \"a\""));
  CHECK(contains(
      refusal(NetworkSet{"n", {}, {subnet("10.0.0.0/24", "10.0.0.10")}}, ErrorCode::kConflict),
      "10.0.0.10"));
  must(NetworkAdd{"m", "t", {}, {subnet("10.5.0.0/24")}});
  refusal(NetworkSet{"n", {}, {subnet("10.0.0.0/24"), subnet("10.5.0.0/16")}},
          ErrorCode::kConflict);
}

TEST_CASE_METHOD(Tenants, "setting changes what is named and nothing else") {
  must(NetworkAdd{"n", "t", {}, {subnet("10.0.0.0/24")}});
  must(NetworkSet{"n", true, {}});
  CHECK(state().network("n")->learn);
  CHECK(state().network("n")->subnets.size() == 1);
  must(TenantSet{"t", true});
  CHECK(state().tenant("t")->routing_denied);
  const auto before = revision();
  must(TenantSet{"t", {}});
  must(NetworkSet{"n", true, {}});
  CHECK(revision() == before);
}

TEST_CASE_METHOD(Tenants, "a change of many operations sees itself, and is undone as a whole") {
  const std::vector<Operation> good{NetworkAdd{"n", "t", {}, {subnet("10.0.0.0/24")}},
                                    EndpointAdd{"a", "n", {}, {kAuto}}, EndpointDel{"a"},
                                    EndpointAdd{"a", "n", {}, {kAuto}}};
  auto bad = good;
  bad.emplace_back(TenantDel{"t"});
  const auto before = revision();
  CHECK_FALSE(change(bad));
  CHECK(revision() == before);
  CHECK(state().networks().empty());
  CHECK(change(good));
  CHECK(revision() == before + 1);
  CHECK(state().endpoint("a") != nullptr);
}

}  // namespace
}  // namespace dove::controller
