// Rules for policies, each broken once; and what they leave behind.
#include "controller/consequences.h"
#include "tests/unit/controller/model.h"

namespace dove::controller {
namespace {

const PolicyPair kPair{"t", "a", "b"};

struct Networks : Model {
  Networks() {
    must(TenantAdd{"t"});
    must(TenantAdd{"u"});
    must(NetworkAdd{"a", "t", vni(100), {subnet("10.0.0.0/24")}});
    must(NetworkAdd{"b", "t", vni(200), {subnet("10.1.0.0/24")}});
    must(NetworkAdd{"c", "t", vni(300), {subnet("10.2.0.0/24")}});
    must(NetworkAdd{"x", "u", vni(400), {subnet("10.1.0.0/24")}});
  }
  std::vector<Subnet> denied_to(const char* network) {
    Topology topology;
    for (const auto& routing : controller::everything(state(), revision()).tenants)
      topology.replace(routing, revision());
    return topology.denied_to(state().network(network)->vni);
  }
};

TEST_CASE_METHOD(Networks, "a policy is added once, and of the other value it is refused") {
  must(PolicyAdd{kPair, true});
  const auto before = revision();
  must(PolicyAdd{kPair, true});
  CHECK(revision() == before);
  CHECK(contains(refusal(PolicyAdd{kPair, false}, ErrorCode::kExists), "deny, not allow"));
  CHECK(contains(refusal(PolicyDel{kPair, false}, ErrorCode::kConflict), "deny, not allow"));
  must(PolicyDel{kPair, true});
  CHECK(contains(refusal(PolicyDel{kPair}, ErrorCode::kNotFound), "\"a\" and \"b\""));
  must(PolicyAdd{kPair, false});
}

TEST_CASE_METHOD(Networks, "a policy is between two networks of its tenant") {
  const auto refuse = [this](const PolicyPair& pair, ErrorCode code) {
    refusal(PolicyDel{pair}, code);
    return refusal(PolicyAdd{pair, true}, code);
  };
  CHECK(contains(refuse({"z", "a", "b"}, ErrorCode::kNotFound), "tenant \"z\""));
  CHECK(contains(refuse({"t", "a", "z"}, ErrorCode::kNotFound), "network \"z\""));
  CHECK(contains(refuse({"t", "a", "x"}, ErrorCode::kInvalid), "\"x\" is tenant \"u\"'s"));
  v1::Operation message;
  message.mutable_policy_add()->set_tenant("t");
  message.mutable_policy_add()->set_network("b");
  message.mutable_policy_add()->set_other("b");
  CHECK_FALSE(parse_operation(message));
  message.mutable_policy_add()->set_other("a");
  CHECK(std::get<PolicyAdd>(*parse_operation(message)).network == "a");
}

TEST_CASE_METHOD(Networks, "policies go with their networks") {
  must(PolicyAdd{kPair, true});
  must(PolicyAdd{{"t", "b", "c"}, true});
  must(NetworkDel{"a"});
  CHECK(state().policies().size() == 1);
  CHECK(load(store(), now()).policies().size() == 1);
  must(NetworkAdd{"a", "t", vni(100), {}});
  CHECK(state().policies().size() == 1);
}

TEST_CASE_METHOD(Networks, "a policy counts more than what the tenant says of all") {
  CHECK(denied_to("a").empty());
  must(PolicyAdd{kPair, true});
  REQUIRE(denied_to("a").size() == 1);
  CHECK(denied_to("a")[0].prefix.to_string() == "10.1.0.0/24");
  CHECK(denied_to("b").size() == 1);
  CHECK(denied_to("c").empty());
  must(TenantSet{"t", true});
  CHECK(denied_to("a").size() == 2);
  must(PolicyDel{kPair});
  must(PolicyAdd{kPair, false});
  REQUIRE(denied_to("a").size() == 1);
  CHECK(denied_to("a")[0].prefix.to_string() == "10.2.0.0/24");
  CHECK(denied_to("c").size() == 2);
  CHECK(denied_to("x").empty());
}

TEST_CASE_METHOD(Networks, "nobody has the gateways' MAC") {
  CHECK(contains(refusal(EndpointAdd{"e", "a", kDefaultRouterMac, {}}, ErrorCode::kConflict),
                 "02:00:5e:64:00:01"));
  must(EndpointAdd{"e", "a", {}, {}});
  refusal(EndpointSet{"e", kDefaultRouterMac, {}}, ErrorCode::kConflict);
  refusal(EndpointSet{"e", {}, {own("10.0.0.1")}}, ErrorCode::kInvalid);  // nor their IP
}

}  // namespace
}  // namespace dove::controller
