#include "controller/directory.h"

#include <variant>

#include "core/link_local.h"
#include "tests/catch.h"

namespace dove::controller {
namespace {

const Vni kVni = *Vni::from(100);
const MacKey kMac{kVni, MacAddress{{2, 0, 0, 0, 0, 1}}};
const MacKey kOtherMac{kVni, MacAddress{{2, 0, 0, 0, 0, 2}}};
const IpKey kIp{kVni, *IpAddress::parse("10.0.0.1")};

struct Heard {
  ReaderId reader;
  std::variant<MacBinding, IpBinding> binding;
};

struct Ear final : Directory::Listener {
  void tell(ReaderId reader, const MacBinding& binding) override {
    heard.push_back({reader, binding});
  }
  void tell(ReaderId reader, const IpBinding& binding) override {
    heard.push_back({reader, binding});
  }
  const MacBinding& mac(std::size_t i) const { return std::get<MacBinding>(heard.at(i).binding); }
  const IpBinding& ip(std::size_t i) const { return std::get<IpBinding>(heard.at(i).binding); }
  std::vector<Heard> heard;
};

MacBinding at(const MacKey& key, std::uint32_t host, std::uint64_t revision) {
  return {.key = key,
          .verdict = Verdict::kFound,
          .host = HostId{host},
          .generation = revision,
          .revision = revision};
}
IpUpdate owned(const IpKey& key, const MacAddress& mac, std::uint64_t revision) {
  return {{.key = key,
           .verdict = Verdict::kFound,
           .mac = mac,
           .generation = revision,
           .revision = revision},
          true};
}

struct World {
  Directory directory{std::chrono::milliseconds{500}};
  Ear ear;
  void update(std::uint64_t revision, std::vector<MacBinding> macs, std::vector<IpUpdate> ips) {
    ear.heard.clear();
    directory.update(revision, macs, ips, ear);
  }
  template <class Key>
  void ask(ReaderId reader, const Key& key) {
    ear.heard.clear();
    directory.ask(reader, key, ear);
  }
};

TEST_CASE_METHOD(World, "nobody's key is not found, as of the last commit, for a while") {
  update(7, {}, {});
  ask(1, kMac);
  REQUIRE(ear.heard.size() == 1);
  CHECK(ear.mac(0).verdict == Verdict::kNotFound);
  CHECK(ear.mac(0).revision == 7);
  CHECK(ear.mac(0).ttl == std::chrono::milliseconds{500});
}

TEST_CASE_METHOD(World, "only who asked is told, once a change") {
  ask(1, kMac);
  ask(2, kOtherMac);
  update(1, {at(kMac, 5, 1)}, {});
  REQUIRE(ear.heard.size() == 1);
  CHECK(ear.heard[0].reader == 1);
  update(2, {at(kMac, 5, 1)}, {});
  CHECK(ear.heard.empty());
  directory.forget(1, kMac);
  update(3, {at(kMac, 6, 3)}, {});
  CHECK(ear.heard.empty());
}

TEST_CASE_METHOD(World, "who is told of an owner is told of its MAC from then on") {
  ask(1, kIp);
  update(1, {at(kMac, 5, 1)}, {owned(kIp, kMac.mac, 1)});
  REQUIRE(ear.heard.size() == 2);
  CHECK(ear.ip(0).mac == kMac.mac);
  CHECK(ear.mac(1).host == HostId{5});
  update(2, {at(kMac, 6, 2)}, {});
  REQUIRE(ear.heard.size() == 1);
  CHECK(ear.mac(0).host == HostId{6});
  update(3, {at(kOtherMac, 7, 3)}, {owned(kIp, kOtherMac.mac, 3)});
  REQUIRE(ear.heard.size() == 2);
  CHECK(ear.mac(1).key == kOtherMac);
  CHECK(directory.interest(1) == 3);
}

TEST_CASE_METHOD(World, "an introduction is like an answer, once, and is marked") {
  update(1, {at(kMac, 5, 1)}, {owned(kIp, kMac.mac, 1)});
  CHECK(directory.place_of(kIp)->host == HostId{5});
  ear.heard.clear();
  directory.introduce(1, kIp, ear);
  REQUIRE(ear.heard.size() == 2);
  CHECK(ear.ip(0).introduced);
  CHECK(ear.ip(0).mac == kMac.mac);
  CHECK(ear.mac(1).host == HostId{5});
  ear.heard.clear();
  directory.introduce(1, kIp, ear);
  CHECK(ear.heard.empty());
  update(2, {at(kOtherMac, 6, 2)}, {owned(kIp, kOtherMac.mac, 2)});
  REQUIRE(ear.heard.size() == 2);
  CHECK_FALSE(ear.ip(0).introduced);
  CHECK(directory.place_of(kIp)->host == HostId{6});
  update(3, {{.key = kOtherMac, .revision = 3}}, {});
  CHECK_FALSE(directory.place_of(kIp));
}

TEST_CASE_METHOD(World, "a link-local address follows the MAC it is made from, or its record") {
  const IpKey key{kVni, link_local_of(kMac.mac)};
  ask(1, key);
  CHECK(ear.ip(0).verdict == Verdict::kNotFound);
  update(1, {at(kMac, 5, 1)}, {});
  REQUIRE(ear.heard.size() == 2);
  CHECK(ear.ip(0).mac == kMac.mac);
  update(2, {}, {owned(key, kOtherMac.mac, 2)});
  CHECK(ear.ip(0).mac == kOtherMac.mac);
  update(3, {at(kMac, 6, 3)}, {});  // the record counts, not the MAC
  for (const auto& heard : ear.heard) CHECK(heard.binding.index() == 0);
  update(4, {}, {{{.key = key, .revision = 4}, false}});
  CHECK(ear.ip(0).mac == kMac.mac);
}

TEST_CASE_METHOD(World, "what nobody knows and nobody asks about takes no room") {
  for (std::uint8_t n = 0; n < 100; ++n) ask(1, MacKey{kVni, MacAddress{{2, 0, 0, 0, 1, n}}});
  CHECK(directory.interest(1) == 100);
  directory.forget_all(1);
  CHECK(directory.interest(1) == 0);
  update(1, {at(kMac, 5, 1)}, {});
  ask(2, kMac);
  CHECK(ear.mac(0).verdict == Verdict::kFound);
}

// Tenant t has two networks: kVni with 10.0.0.0/24, kFar with 10.1.0.0/24; u has kStrange.
const Vni kFar = *Vni::from(200);
const Vni kStrange = *Vni::from(300);
const MacKey kFarMac{kFar, MacAddress{{2, 0, 0, 0, 0, 9}}};
const IpKey kFarIp{kFar, *IpAddress::parse("10.1.0.9")};
const MacKey kSeenMac{kVni, kFarMac.mac};
const IpKey kSeenIp{kVni, kFarIp.ip};

Network network(Vni vni, const std::string& tenant, const char* subnet) {
  return {"n" + vni.to_string(), tenant, vni, {{*Prefix::parse(subnet), std::nullopt}}, false};
}

struct Routed : World {
  Routed() {
    route(1, {});
    update(2, {at(kFarMac, 5, 2)}, {owned(kFarIp, kFarMac.mac, 2)});
  }
  void route(std::uint64_t revision, std::set<std::pair<Vni, Vni>> exceptions, bool far = true) {
    Routing t{"t", {network(kVni, "t", "10.0.0.0/24")}, false, std::move(exceptions)};
    if (far) t.networks.push_back(network(kFar, "t", "10.1.0.0/24"));
    const Routing u{"u", {network(kStrange, "u", "10.1.0.0/24")}, false, {}};
    ear.heard.clear();
    directory.route(revision, std::vector{t, u}, ear);
  }
};

TEST_CASE_METHOD(Routed, "what is in another network of the tenant is found there") {
  ask(1, kSeenIp);
  REQUIRE(ear.heard.size() == 2);
  CHECK(ear.ip(0).key == kSeenIp);
  CHECK(ear.ip(0).mac == kFarMac.mac);
  CHECK(ear.ip(0).target == kFar);
  CHECK(ear.mac(1).key == kSeenMac);
  CHECK(ear.mac(1).host == HostId{5});
  CHECK(ear.mac(1).target == kFar);
  CHECK(directory.interest(1) == 2);
  CHECK(directory.place_of(kSeenIp)->vni == kFar);
  ask(2, kFarMac);
  CHECK_FALSE(ear.mac(0).target);
  update(3, {at(kFarMac, 6, 3)}, {});
  REQUIRE(ear.heard.size() == 2);  // each under the key that it asked for
  for (const auto& heard : ear.heard) {
    const auto& told = std::get<MacBinding>(heard.binding);
    CHECK(told.host == HostId{6});
    CHECK(told.key == (heard.reader == 1 ? kSeenMac : kFarMac));
  }
  update(4, {{.key = kFarMac, .revision = 4}}, {{{.key = kFarIp, .revision = 4}, true}});
  REQUIRE(ear.heard.size() == 3);
  CHECK(ear.ip(2).key == kSeenIp);
  CHECK(ear.ip(2).verdict == Verdict::kNotFound);
  CHECK(ear.ip(2).revision == 4);
}

TEST_CASE_METHOD(Routed, "what another tenant has is nobody's") {
  ask(1, MacKey{kStrange, kFarMac.mac});
  CHECK(ear.mac(0).verdict == Verdict::kNotFound);
  ask(1, IpKey{kStrange, kFarIp.ip});
  CHECK(ear.ip(0).verdict == Verdict::kNotFound);
  ask(1, IpKey{*Vni::from(400), kFarIp.ip});
  CHECK(ear.ip(0).verdict == Verdict::kNotFound);
}

TEST_CASE_METHOD(Routed, "a link-local address is not routed") {
  ask(1, IpKey{kVni, link_local_of(kFarMac.mac)});
  CHECK(ear.ip(0).verdict == Verdict::kNotFound);
  ask(1, IpKey{kFar, link_local_of(kFarMac.mac)});
  CHECK(ear.ip(0).verdict == Verdict::kFound);
}

TEST_CASE_METHOD(Routed, "a policy turns what was found into denied and back, newer each time") {
  ask(1, kSeenIp);
  ask(2, kFarIp);
  route(3, {{kVni, kFar}});
  REQUIRE(ear.heard.size() == 2);  // its own network does not care
  CHECK(ear.mac(0).verdict == Verdict::kDenied);
  CHECK(ear.mac(0).revision == 3);
  CHECK(ear.mac(0).ttl == std::chrono::milliseconds{500});
  CHECK(ear.ip(1).verdict == Verdict::kDenied);
  CHECK_FALSE(directory.place_of(kSeenIp));
  update(4, {at(kFarMac, 6, 4)}, {});
  for (const auto& heard : ear.heard) CHECK(heard.reader == 2);
  route(5, {});
  REQUIRE(ear.heard.size() >= 2);
  CHECK(ear.mac(0).verdict == Verdict::kFound);
  CHECK(ear.mac(0).revision == 5);
  CHECK(ear.mac(0).host == HostId{6});
  CHECK(ear.ip(1).revision == 5);
  ask(3, kSeenIp);
  CHECK(ear.ip(0).revision == 5);
}

TEST_CASE_METHOD(Routed, "a network that comes or goes takes its addresses with it") {
  route(3, {}, false);
  ask(1, kSeenIp);
  ask(1, kSeenMac);
  CHECK(ear.mac(0).verdict == Verdict::kNotFound);
  route(4, {});
  REQUIRE(!ear.heard.empty());
  CHECK(ear.ip(ear.heard.size() - 2).target == kFar);
  route(5, {}, false);
  REQUIRE(ear.heard.size() == 2);
  CHECK(ear.mac(0).verdict == Verdict::kNotFound);
  CHECK(ear.ip(1).verdict == Verdict::kNotFound);
  CHECK(ear.ip(1).revision == 5);
}

TEST_CASE_METHOD(Routed, "an introduction to another network says from where") {
  update(3, {at(kMac, 7, 3)}, {owned(kIp, kMac.mac, 3)});
  ear.heard.clear();
  directory.introduce(1, {kFar, kIp.ip}, ear);
  REQUIRE(ear.heard.size() == 2);
  CHECK(ear.ip(0).introduced);
  CHECK(ear.ip(0).target == kVni);
  CHECK(ear.mac(1).key == MacKey{kFar, kMac.mac});
  CHECK(ear.mac(1).target == kVni);
}

TEST_CASE("link-local addresses and MACs lead to each other") {
  const auto mac = *MacAddress::parse("02:00:5e:10:00:01");
  CHECK(link_local_of(mac).to_string() == "fe80::5eff:fe10:1");
  CHECK(mac_of_link_local(link_local_of(mac)) == mac);
  CHECK_FALSE(mac_of_link_local(*IpAddress::parse("fe80::1")));
  CHECK_FALSE(mac_of_link_local(*IpAddress::parse("fe80:0:0:1:0:5eff:fe10:1")));
  CHECK_FALSE(mac_of_link_local(*IpAddress::parse("2001:db8::5eff:fe10:1")));
  CHECK_FALSE(mac_of_link_local(*IpAddress::parse("10.0.0.1")));
}

}  // namespace
}  // namespace dove::controller
