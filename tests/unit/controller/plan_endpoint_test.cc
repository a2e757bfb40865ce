// Rules for endpoints, their addresses and attachments, and hosts, each broken once.
#include "tests/unit/controller/model.h"

namespace dove::controller {
namespace {

struct Networks : Model {
  Networks() {
    must(TenantAdd{"t"});
    must(TenantAdd{"u"});
    must(NetworkAdd{"n", "t", vni(100), {subnet("10.0.0.0/29"), subnet("fd00::/64")}});
    must(NetworkAdd{"m", "t", vni(101), {subnet("10.1.0.0/24")}});
    must(NetworkAdd{"o", "u", vni(102), {subnet("10.0.0.0/24")}});
  }
  std::vector<std::string> ips(const std::string& endpoint) const {
    std::vector<std::string> list;
    for (const auto& address : state().ips_of(endpoint)) list.push_back(address.to_string());
    return list;
  }
  using List = std::vector<std::string>;
};

TEST_CASE_METHOD(Networks, "a MAC is unique in its tenant, and may be repeated by another") {
  must(EndpointAdd{"a", "n", mac("02:00:00:00:00:01"), {}});
  CHECK(contains(refusal(EndpointAdd{"b", "n", mac("02:00:00:00:00:01"), {}}, ErrorCode::kConflict),
                 "\"a\""));
  refusal(EndpointAdd{"b", "m", mac("02:00:00:00:00:01"), {}}, ErrorCode::kConflict);
  must(EndpointAdd{"b", "o", mac("02:00:00:00:00:01"), {}});
}

TEST_CASE_METHOD(Networks, "a chosen MAC is local, unicast, and the same again") {
  must(EndpointAdd{"a", "n", {}, {}});
  must(EndpointAdd{"b", "n", {}, {}});
  const auto chosen = state().endpoint("a")->mac;
  CHECK(chosen.bytes()[0] == 0x02);
  CHECK(chosen != state().endpoint("b")->mac);
  must(EndpointDel{"a"});
  must(EndpointAdd{"a", "n", {}, {}});
  CHECK(state().endpoint("a")->mac == chosen);
  must(EndpointDel{"a"});
  must(EndpointAdd{"thief", "n", chosen, {}});
  must(EndpointAdd{"a", "n", {}, {}});
  CHECK(state().endpoint("a")->mac != chosen);
}

TEST_CASE_METHOD(Networks, "a MAC is chosen anew on demand, and is the one that add would choose") {
  must(EndpointAdd{"a", "n", {}, {}});
  const auto chosen = state().endpoint("a")->mac;
  const auto before = revision();
  must(EndpointSet{"a", {}, {}, true});
  CHECK(revision() == before);
  must(EndpointSet{"a", mac("02:00:00:00:00:99"), {}});
  must(EndpointSet{"a", {}, {}, true});
  CHECK(state().endpoint("a")->mac == chosen);
  CHECK(state().mac_owner("t", mac("02:00:00:00:00:99")) == nullptr);
  must(EndpointSet{"a", mac("02:00:00:00:00:99"), {}});
  REQUIRE(activate(register_host("h1", "192.0.2.1"), "a"));
  CHECK(contains(refusal(EndpointSet{"a", {}, {}, true}, ErrorCode::kConflict), "attached"));
}

TEST_CASE_METHOD(Networks, "an address that the endpoint cannot have is named, and why") {
  const auto refuse = [this](const char* address) {
    return refusal(EndpointAdd{"a", "n", {}, {own(address)}}, ErrorCode::kInvalid);
  };
  CHECK(contains(refuse("10.2.0.1"), "in no subnet of network \"n\""));
  CHECK(contains(refuse("10.0.0.0"), "reserved"));
  CHECK(contains(refuse("10.0.0.7"), "reserved"));
  CHECK(contains(refuse("10.0.0.1"), "gateway"));
  CHECK(contains(refuse("fd00::"), "reserved"));
  CHECK(contains(refuse("fe80::1"), "link-local"));
  CHECK(contains(refuse("224.0.0.1"), "224.0.0.1"));
  CHECK(contains(
      refusal(EndpointAdd{"a", "n", {}, {own("10.0.0.2"), own("10.0.0.2")}}, ErrorCode::kInvalid),
      "twice"));
  CHECK(contains(refusal(EndpointAdd{"a", "x", {}, {}}, ErrorCode::kNotFound), "network \"x\""));
}

TEST_CASE_METHOD(Networks, "an endpoint cannot have addresses without number") {
  const std::vector<WantedAddress> many(1025);
  CHECK(contains(refusal(EndpointAdd{"a", "n", {}, many}, ErrorCode::kInvalid), "1025 addresses"));
  CHECK(state().endpoint("a") == nullptr);
}

TEST_CASE_METHOD(Networks, "an address has one owner in its network, unless all share it") {
  must(EndpointAdd{"a", "n", {}, {own("10.0.0.2"), shared("10.0.0.3")}});
  CHECK(contains(refusal(EndpointAdd{"b", "n", {}, {own("10.0.0.2")}}, ErrorCode::kConflict),
                 "\"a\""));
  refusal(EndpointAdd{"b", "n", {}, {shared("10.0.0.2")}}, ErrorCode::kConflict);
  refusal(EndpointAdd{"b", "n", {}, {own("10.0.0.3")}}, ErrorCode::kConflict);
  must(EndpointAdd{"b", "n", {}, {shared("10.0.0.3")}});
  must(EndpointAdd{"c", "o", {}, {own("10.0.0.2")}});
  const auto generation = state().address({vni(100), ip("10.0.0.3")})->generation;
  must(EndpointDel{"a"});
  const auto* left = state().address({vni(100), ip("10.0.0.3")});
  REQUIRE(left != nullptr);
  CHECK(left->endpoints == List{"b"});
  CHECK(left->generation == generation + 1);
  CHECK(state().address({vni(100), ip("10.0.0.2")}) == nullptr);
}

TEST_CASE_METHOD(Networks, "auto is the lowest free address, one of each subnet first") {
  must(EndpointAdd{"a", "n", {}, {kAuto, kAuto}});
  CHECK(ips("a") == List{"10.0.0.2", "fd00::2"});
  must(EndpointAdd{"b", "n", {}, {own("10.0.0.3"), kAuto, kAuto}});
  CHECK(ips("b") == List{"10.0.0.3", "10.0.0.4", "fd00::3"});
  must(EndpointAdd{"c", "n", {}, {kAuto}});
  must(EndpointAdd{"d", "n", {}, {kAuto}});
  CHECK(ips("d") == List{"10.0.0.6"});
  // The first subnet is full: the next one serves.
  must(EndpointAdd{"e", "n", {}, {kAuto}});
  CHECK(ips("e") == List{"fd00::4"});
}

TEST_CASE_METHOD(Networks, "auto without a free address or a subnet is refused") {
  must(NetworkAdd{"tiny", "t", {}, {subnet("10.9.0.0/30")}});
  must(EndpointAdd{"a", "tiny", {}, {kAuto}});
  CHECK(contains(refusal(EndpointAdd{"b", "tiny", {}, {kAuto}}, ErrorCode::kConflict),
                 "no free address"));
  must(NetworkAdd{"bare", "t", {}, {}});
  CHECK(
      contains(refusal(EndpointAdd{"b", "bare", {}, {kAuto}}, ErrorCode::kConflict), "no subnet"));
}

TEST_CASE_METHOD(Networks, "a freed auto address rests, a freed explicit one does not") {
  must(EndpointAdd{"a", "n", {}, {kAuto}});
  must(EndpointAdd{"b", "n", {}, {own("10.0.0.3")}});
  must(EndpointDel{"a"});
  must(EndpointDel{"b"});
  must(EndpointAdd{"c", "n", {}, {kAuto}});
  CHECK(ips("c") == List{"10.0.0.3"});
  SECTION("until it may be chosen again") {
    pass(State::kQuarantine);
    must(EndpointAdd{"d", "n", {}, {kAuto}});
    CHECK(ips("d") == List{"10.0.0.2"});
  }
  SECTION("but who names it may have it") { must(EndpointAdd{"d", "n", {}, {own("10.0.0.2")}}); }
}

TEST_CASE_METHOD(Networks, "auto that finds only what rests tells how much and how long") {
  must(NetworkAdd{"tiny", "t", {}, {subnet("10.9.0.0/29")}});
  must(EndpointAdd{"kept", "tiny", {}, {kAuto}});
  for (const auto* name : {"a", "b", "c", "d"}) must(EndpointAdd{name, "tiny", {}, {kAuto}});
  const auto refused = [this] {
    return refusal(EndpointAdd{"e", "tiny", {}, {kAuto}}, ErrorCode::kConflict);
  };
  CHECK_FALSE(contains(refused(), "rest"));
  must(EndpointDel{"b"});
  pass(std::chrono::seconds{70});
  must(EndpointDel{"c"});
  must(EndpointDel{"d"});
  must(EndpointAdd{"named", "tiny", {}, {own("10.9.0.6")}});
  must(EndpointDel{"a"});
  // Another network's are none of it.
  must(EndpointAdd{"f", "n", {}, {kAuto}});
  must(EndpointDel{"f"});
  CHECK(contains(refused(),
                 "no free address; 3 were freed lately and rest, the first for another "
                 "8 min 50 s, but each can be had by naming it"));
  pass(State::kQuarantine - std::chrono::seconds{70});
  must(EndpointAdd{"e", "tiny", {}, {kAuto}});
  CHECK(ips("e") == List{"10.9.0.4"});
  CHECK(contains(refusal(EndpointAdd{"g", "tiny", {}, {kAuto}}, ErrorCode::kConflict),
                 "; 2 were freed"));
}

TEST_CASE_METHOD(Networks, "adding again: what is not given is not compared") {
  must(EndpointAdd{"a", "n", {}, {kAuto, own("10.0.0.4"), shared("10.0.0.5")}});
  const auto before = revision();
  must(EndpointAdd{"a", "n", {}, {}});
  must(EndpointAdd{"a", "n", {}, {shared("10.0.0.5")}});
  must(EndpointAdd{"a", "n", {}, {kAuto, own("10.0.0.4")}});
  CHECK(revision() == before);
}

TEST_CASE_METHOD(Networks, "adding again: what was chosen is not compared") {
  must(EndpointAdd{"a", "n", {}, {kAuto, own("10.0.0.4"), shared("10.0.0.5")}});
  const auto before = revision();
  must(EndpointAdd{"a", "n", {}, {shared("10.0.0.5"), own("10.0.0.4"), kAuto}});
  must(EndpointAdd{
      "a", "n", state().endpoint("a")->mac, {own("fd00::2"), own("10.0.0.4"), shared("10.0.0.5")}});
  CHECK(revision() == before);
  const auto refuse = [this](const EndpointAdd& add) { return refusal(add, ErrorCode::kExists); };
  CHECK(contains(refuse({"a", "m", {}, {}}), "network n, not m"));
  CHECK(contains(refuse({"a", "n", mac("02:00:00:00:00:01"), {}}), "not 02:00:00:00:00:01"));
  CHECK(contains(refuse({"a", "n", {}, {own("fd00::2")}}), "10.0.0.4, which"));
  CHECK(contains(refuse({"a", "n", {}, {shared("10.0.0.6")}}), "10.0.0.5, which"));
  CHECK(contains(refuse({"a", "n", {}, {kAuto, kAuto, own("10.0.0.4"), shared("10.0.0.5")}}),
                 "without IP auto"));
  CHECK(contains(refuse({"a", "n", {}, {kAuto, own("10.0.0.4"), own("10.0.0.5")}}), "10.0.0.5"));
}

TEST_CASE_METHOD(Networks, "setting addresses replaces the kinds that are named") {
  must(EndpointAdd{"a", "n", {}, {kAuto, own("10.0.0.4"), shared("10.0.0.5")}});
  must(EndpointSet{"a", {}, {own("10.0.0.6"), kAuto}});
  CHECK(ips("a") == List{"10.0.0.5", "10.0.0.6", "fd00::2"});
  must(EndpointSet{"a", {}, {shared("10.0.0.3")}});
  CHECK(ips("a") == List{"10.0.0.3", "10.0.0.6", "fd00::2"});
  must(EndpointSet{.name = "a", .no_shared_ips = true});
  CHECK(ips("a") == List{"10.0.0.6", "fd00::2"});
  must(EndpointSet{.name = "a", .addresses = {shared("10.0.0.3")}, .no_ips = true});
  CHECK(ips("a") == List{"10.0.0.3"});
  must(EndpointSet{"a", {}, {own("10.0.0.6"), kAuto}});
  must(EndpointSet{"a", mac("02:00:00:00:00:99"), {}});
  CHECK(state().endpoint("a")->mac == mac("02:00:00:00:00:99"));
  CHECK(state().mac_owner("t", mac("02:00:00:00:00:99")) != nullptr);
  CHECK(ips("a").size() == 3);
  must(EndpointAdd{"b", "n", mac("02:00:00:00:00:01"), {}});
  refusal(EndpointSet{"a", mac("02:00:00:00:00:01"), {}}, ErrorCode::kConflict);
  refusal(EndpointSet{"a", {}, {own("10.1.0.5")}}, ErrorCode::kInvalid);
  refusal(EndpointSet{"x", {}, {}}, ErrorCode::kNotFound);
}

TEST_CASE_METHOD(Networks, "the MAC of an attached endpoint stays") {
  must(EndpointAdd{"a", "n", {}, {}});
  REQUIRE(activate(register_host("h1", "192.0.2.1"), "a"));
  CHECK(contains(refusal(EndpointSet{"a", mac("02:00:00:00:00:01"), {}}, ErrorCode::kConflict),
                 "attached"));
}

TEST_CASE_METHOD(Networks, "host ids are given once, VTEPs belong to one host") {
  const auto one = register_host("h1", "192.0.2.1");
  const auto two = register_host("h2", "192.0.2.2");
  CHECK(one != two);
  CHECK(register_host("h1", "192.0.2.11") == one);
  const auto refused = host_asks([&](Draft& draft) -> Status {
    const auto host = plan_registration({"h3", {ip("192.0.2.2")}}, draft);
    return host ? Status{} : Status{host.error()};
  });
  REQUIRE_FALSE(refused);
  CHECK(contains(refused.error().message, "\"h2\""));
  must(HostDel{"h2"});
  const auto three = register_host("h2", "192.0.2.2");
  CHECK(three != two);
  CHECK(three != one);
}

TEST_CASE_METHOD(Networks, "all VTEPs are of one family; the first host's decides") {
  register_host("h1", "2001:db8::1");
  register_host("h2", "2001:db8::2");
  const auto refused = host_asks([&](Draft& draft) -> Status {
    const auto host = plan_registration({"h3", {ip("192.0.2.3")}}, draft);
    return host ? Status{} : Status{host.error()};
  });
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kConflict);
  CHECK(contains(refused.error().message, "192.0.2.3"));
  CHECK(contains(refused.error().message, "2001:db8::"));
  must(HostDel{"h2"});
  register_host("h1", "192.0.2.1");  // the only one may change it
  register_host("h3", "192.0.2.3");
}

TEST_CASE_METHOD(Networks, "all VTEPs are at one UDP port; the first host's decides") {
  const auto join = [&](const char* name, const char* address, std::uint16_t port) {
    return host_asks([&](Draft& draft) -> Status {
      const auto host = plan_registration({name, {ip(address), port}}, draft);
      return host ? Status{} : Status{host.error()};
    });
  };
  REQUIRE(join("h1", "192.0.2.1", 4790));
  const auto refused = join("h2", "192.0.2.2", 4789);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kConflict);
  for (const auto* word : {"\"h1\"", "\"h2\"", "4789", "4790"})
    CHECK(contains(refused.error().message, word));
  REQUIRE(join("h1", "192.0.2.1", 4789));  // the only one may change it
  REQUIRE(join("h2", "192.0.2.2", 4789));
}

TEST_CASE_METHOD(Networks, "a host is deleted only while it is away, and its endpoints with it") {
  must(EndpointAdd{"a", "n", {}, {}});
  const auto host = register_host("h1", "192.0.2.1");
  REQUIRE(activate(host, "a"));
  const auto generation = state().endpoint("a")->generation;
  set_connected(true);
  CHECK(contains(refusal(HostDel{"h1"}, ErrorCode::kConflict), "connected"));
  set_connected(false);
  must(HostDel{"h1"});
  CHECK_FALSE(state().endpoint("a")->active);
  CHECK(state().endpoint("a")->generation > generation);
  refusal(HostDel{"h1"}, ErrorCode::kNotFound);
}

TEST_CASE_METHOD(Networks, "announced link-local addresses are bounded: the oldest makes room") {
  must(EndpointAdd{"a", "n", {}, {}});
  const auto host = register_host("h1", "192.0.2.1");
  REQUIRE(activate(host, "a"));
  const auto announce = [&](std::size_t i) {
    const auto address = ip(("fe80::1:" + std::to_string(i)).c_str());
    return host_asks([&](Draft& draft) {
      return plan_announcement(host, {state().endpoint("a")->key(), address}, surroundings(),
                               draft);
    });
  };
  for (std::size_t i = 1; i <= kLinkLocals + 1; ++i) REQUIRE(announce(i));
  CHECK(ips("a").size() == kLinkLocals);
  CHECK(state().address({vni(100), ip("fe80::1:1")}) == nullptr);
  CHECK(state().address({vni(100), ip("fe80::1:2")}) != nullptr);
  must(EndpointSet{"a", {}, {kAuto}});
  CHECK(ips("a").size() == kLinkLocals + 1);
}

TEST_CASE_METHOD(Networks, "a shared address is whose announced it last, and nobody else's") {
  for (const auto* name : {"a", "b", "c"}) must(EndpointAdd{name, "n", {}, {}});
  for (const auto* name : {"a", "b"})
    must(EndpointSet{name, {}, {{ip("10.0.0.5"), true}, {ip("fd00::5"), true}}});
  const auto host = register_host("h1", "192.0.2.1");
  const auto other = register_host("h2", "192.0.2.2");
  for (const auto* name : {"a", "c"}) REQUIRE(activate(host, name));
  REQUIRE(activate(other, "b"));
  const auto announce = [&](HostId from, const char* name, const char* address,
                            std::optional<bool> router = {}) {
    const Announcement said{state().endpoint(name)->key(), ip(address), router};
    return host_asks(
        [&](Draft& draft) { return plan_announcement(from, said, surroundings(), draft); });
  };
  const auto address = [&](const char* text) { return *state().address({vni(100), ip(text)}); };
  const auto before = address("10.0.0.5");
  REQUIRE(before.endpoints.front() == "a");

  REQUIRE(announce(other, "b", "10.0.0.5"));
  CHECK(address("10.0.0.5").endpoints == std::vector<std::string>{"b", "a"});
  CHECK(address("10.0.0.5").generation == before.generation + 1);
  const auto revision_then = revision();
  REQUIRE(announce(other, "b", "10.0.0.5"));
  CHECK(revision() == revision_then);
  CHECK_FALSE(announce(host, "c", "10.0.0.5"));
  CHECK_FALSE(announce(other, "a", "10.0.0.5"));  // it is not there
  CHECK(address("10.0.0.5").endpoints.front() == "b");

  REQUIRE(announce(host, "a", "fd00::5", true));
  CHECK(address("fd00::5").router);
  REQUIRE(announce(other, "b", "fd00::5"));  // of whom nothing of the kind is known
  CHECK_FALSE(address("fd00::5").router);
  CHECK_FALSE(announce(host, "a", "10.0.0.6"));
}

TEST_CASE_METHOD(Networks, "a new endpoint's generation is above every former one's of its name") {
  must(EndpointAdd{"a", "n", {}, {}});
  const auto host = register_host("h1", "192.0.2.1");
  for (int i = 0; i < 5; ++i) {
    REQUIRE(activate(host, "a"));
    const auto generation = state().endpoint("a")->generation;
    REQUIRE(host_asks([&](Draft& d) { return plan_detachment(host, "a", generation, d); }));
  }
  const auto last = state().endpoint("a")->generation;
  REQUIRE(change({EndpointDel{"a"}, EndpointAdd{"a", "n", {}, {}}}));
  CHECK(state().endpoint("a")->generation > last);
}

}  // namespace
}  // namespace dove::controller
