#include "controller/directory.h"

#include <variant>

#include "controller/link_local.h"
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
  CHECK(directory.host_of(kIp) == HostId{5});
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
  CHECK(directory.host_of(kIp) == HostId{6});
  update(3, {{.key = kOtherMac, .revision = 3}}, {});
  CHECK_FALSE(directory.host_of(kIp));
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
