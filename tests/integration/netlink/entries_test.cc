// Batches, FDB and neighbour entries, and what the kernel makes of them.
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cerrno>

#include "netlink/dump.h"
#include "tests/integration/netlink/kernel.h"

namespace dove::netlink::test {
namespace {

struct Bench {
  Links links = take(Links::open());
  Query query = take(Query::open());
  Batch batch = take(Batch::open());
  IfIndex vx = make_vxlan(links).index;

  Verdict apply(Change change, const FdbEntry& entry) {
    add(batch, change, entry);
    return batch.commit().front();
  }
  Verdict apply(Change change, const NeighbourEntry& entry) {
    add(batch, change, entry);
    return batch.commit().front();
  }
  FdbEntry remote(const char* address, const char* destination) const {
    return {.device = vx, .mac = mac(address), .destination = ip(destination)};
  }
  std::vector<std::string> destinations(const char* address) {
    std::vector<std::string> found;
    for (const FdbEntry& entry : take(dump_fdb(query, vx)))
      if (entry.mac == mac(address))
        found.push_back(entry.destination ? entry.destination->to_string() : "none");
    std::sort(found.begin(), found.end());
    return found;
  }
};

using Texts = std::vector<std::string>;

TEST_CASE("of three requests the second is refused: the first and the third are installed") {
  enter_fresh_namespace();
  Bench bench;
  add(bench.batch, Change::kReplace, bench.remote("02:00:00:00:00:01", "192.0.2.1"));
  add(bench.batch, Change::kReplace,
      FdbEntry{.device = IfIndex{4711},
               .mac = mac("02:00:00:00:00:02"),
               .destination = ip("192.0.2.1")});
  add(bench.batch, Change::kReplace, bench.remote("02:00:00:00:00:03", "192.0.2.3"));
  const auto verdicts = bench.batch.commit();
  REQUIRE(verdicts.size() == 3);
  CHECK(verdicts[0].ok());
  CHECK(verdicts[1].error.value() == ENODEV);
  CHECK(verdicts[2].ok());
  CHECK(bench.destinations("02:00:00:00:00:01") == Texts{"192.0.2.1"});
  CHECK(bench.destinations("02:00:00:00:00:03") == Texts{"192.0.2.3"});
  CHECK(bench.batch.empty());
}

TEST_CASE("the last of a batch may be the refused one, and the kernel's words are kept") {
  enter_fresh_namespace();
  Bench bench;
  add(bench.batch, Change::kAppend, bench.remote("01:00:5e:00:00:01", "192.0.2.1"));
  add(bench.batch, Change::kReplace, bench.remote("01:00:5e:00:00:01", "192.0.2.2"));
  const auto verdicts = bench.batch.commit();
  CHECK(verdicts[0].ok());
  CHECK(verdicts[1].error.value() == EOPNOTSUPP);
  CHECK(verdicts[1].message == "Cannot replace non-unicast fdb entries");
  CHECK(verdicts[1].to_string() ==
        "Operation not supported (Cannot replace non-unicast fdb entries)");
}

TEST_CASE("a thousand requests in several sends have a verdict each") {
  enter_fresh_namespace();
  Bench bench;
  const auto nth = [](unsigned i) {
    return MacAddress{
        {2, 0, 0, 0, static_cast<std::uint8_t>(i >> 8U), static_cast<std::uint8_t>(i)}};
  };
  for (unsigned i = 0; i < 1000; ++i)
    add(bench.batch, Change::kReplace,
        FdbEntry{.device = i % 100 == 50 ? IfIndex{4711} : bench.vx,
                 .mac = nth(i),
                 .destination = ip("192.0.2.1")});
  const auto verdicts = bench.batch.commit();
  REQUIRE(verdicts.size() == 1000);
  for (unsigned i = 0; i < 1000; ++i)
    CHECK(verdicts[i].error.value() == (i % 100 == 50 ? ENODEV : 0));
  CHECK(take(dump_fdb(bench.query, bench.vx)).size() == 990);
}

TEST_CASE("a request that cannot be made is refused alone, and an empty batch is nothing") {
  enter_fresh_namespace();
  Bench bench;
  CHECK(bench.batch.commit().empty());
  add(bench.batch, Change::kReplace, bench.remote("02:00:00:00:00:01", "192.0.2.1"));
  bench.batch.begin(RTM_NEWLINK, 0).put(1, std::string(5000, 'x'));
  auto verdicts = bench.batch.commit();
  CHECK(verdicts[0].ok());
  CHECK(verdicts[1].error == std::errc::message_size);
  bench.batch.begin(RTM_NEWLINK, 0).fail();
  verdicts = bench.batch.commit();
  CHECK(verdicts[0].error == std::errc::message_size);
  CHECK(bench.destinations("02:00:00:00:00:01") == Texts{"192.0.2.1"});
}

TEST_CASE("a fence that is lost makes an error of what nobody knows") {
  enter_fresh_namespace();
  auto links = take(Links::open());
  const IfIndex vx = make_vxlan(links).index;
  // The smallest buffer holds a few refusals, not 64.
  auto socket = take(Socket::open(NETLINK_ROUTE, {.receive_buffer = 1}));
  Batch batch{std::move(socket)};
  for (int i = 0; i < 64; ++i)
    add(batch, Change::kReplace,
        FdbEntry{.device = i == 0 ? vx : IfIndex{4711},
                 .mac = mac("02:00:00:00:00:01"),
                 .destination = ip("192.0.2.1")});
  auto verdicts = batch.commit();
  CHECK(verdicts[0].error == std::errc::no_buffer_space);  // done, but nobody can know
  CHECK(std::none_of(verdicts.begin(), verdicts.end(), [](const Verdict& v) { return v.ok(); }));
  add(batch, Change::kReplace,
      FdbEntry{.device = vx, .mac = mac("02:00:00:00:00:01"), .destination = ip("192.0.2.1")});
  CHECK(batch.commit().front().ok());  // and it works on
}

TEST_CASE("every attribute of an FDB entry is read back, bridge(8) agrees") {
  enter_fresh_namespace();
  Bench bench;
  take(bench.links.create_veth("under", "peer"));
  const auto under = take(bench.links.find("under")).index;
  const FdbEntry full{.device = bench.vx,
                      .mac = mac("02:00:00:00:00:09"),
                      .destination = ip("192.0.2.9"),
                      .vni = Vni::from(20),
                      .port = 4790,
                      .via = under,
                      .state = State::kStatic,
                      .flags = NTF_SELF | NTF_ROUTER | NTF_EXT_LEARNED};
  CHECK(bench.apply(Change::kReplace, full).ok());
  const auto table = take(dump_fdb(bench.query, bench.vx));
  REQUIRE(table.size() == 1);
  CHECK(table[0] == full);
  CHECK(take(find_fdb(bench.query, bench.vx, full.mac)) == full);
  CHECK_FALSE(take(find_fdb(bench.query, bench.vx, mac("02:00:00:00:00:0a"))));

  const auto seen = bridge_json("fdb show dev vx").at(0);
  CHECK(seen.at("mac") == "02:00:00:00:00:09");
  CHECK(seen.at("dst") == "192.0.2.9");
  CHECK(seen.at("vni") == 20);
  CHECK(seen.at("port") == 4790);
  CHECK(seen.at("viaIf") == "under");
  CHECK(seen.at("state") == "static");

  auto dynamic = bench.remote("02:00:00:00:00:09", "192.0.2.10");
  CHECK(bench.apply(Change::kReplace, dynamic).ok());  // replaces, does not add
  CHECK(take(dump_fdb(bench.query, bench.vx)) == std::vector{dynamic});
}

TEST_CASE("the all-zero MAC leads into the punt by a device of its own") {
  enter_fresh_namespace();
  Bench bench;
  take(bench.links.create_veth("under", "peer"));
  const FdbEntry punt{.device = bench.vx,
                      .mac = MacAddress{},
                      .destination = ip("169.254.77.65"),
                      .via = take(bench.links.find("under")).index,
                      .state = State::kPermanent};
  CHECK(bench.apply(Change::kAppend, punt).ok());
  const auto seen = bridge_json("fdb show dev vx").at(0);
  CHECK(seen.at("mac") == "00:00:00:00:00:00");
  CHECK(seen.at("dst") == "169.254.77.65");
  CHECK(seen.at("viaIf") == "under");
  CHECK(take(find_fdb(bench.query, bench.vx, MacAddress{}))->via == punt.via);
}

TEST_CASE("a MAC on the bridge is `dst 0.0.0.0`, of either family") {
  enter_fresh_namespace();
  Bench bench;
  auto local = bench.remote("02:00:00:00:00:02", "0.0.0.0");
  local.state = State::kPermanent;
  CHECK(bench.apply(Change::kReplace, local).ok());
  CHECK(bench.destinations("02:00:00:00:00:02") == Texts{"0.0.0.0"});
  CHECK(bridge_json("fdb show dev vx").at(0).at("dst") == "0.0.0.0");
  CHECK(bench.apply(Change::kDelete, local).ok());
  CHECK(bench.destinations("02:00:00:00:00:02").empty());
  CHECK(bench.apply(Change::kDelete, local).error.value() == ENOENT);
}

TEST_CASE("a group's list grows by appending and loses single destinations") {
  enter_fresh_namespace();
  Bench bench;
  constexpr const char* kGroup = "01:00:5e:00:00:05";
  for (const char* to : {"192.0.2.1", "192.0.2.2", "192.0.2.2", "192.0.2.3"}) {
    auto entry = bench.remote(kGroup, to);
    entry.state = State::kPermanent;
    CHECK(bench.apply(Change::kAppend, entry).ok());  // the repeated one, too
  }
  CHECK(bench.destinations(kGroup) == Texts{"192.0.2.1", "192.0.2.2", "192.0.2.3"});
  CHECK(bench.apply(Change::kReplace, bench.remote(kGroup, "192.0.2.9")).error.value() ==
        EOPNOTSUPP);
  for (int i = 0; i < 2; ++i) {  // the second time it is not there: success, and nothing changes
    CHECK(bench.apply(Change::kDelete, bench.remote(kGroup, "192.0.2.2")).ok());
    CHECK(bench.destinations(kGroup) == Texts{"192.0.2.1", "192.0.2.3"});
  }
  CHECK(bench.apply(Change::kDelete, FdbEntry{.device = bench.vx, .mac = mac(kGroup)}).ok());
  CHECK(bench.destinations(kGroup).empty());
}

// Whoever fills an empty list removes it as a whole first, or lives with the 0.0.0.0 in it.
TEST_CASE("the kernel takes the deletion of a list's 0.0.0.0 for that of the list") {
  enter_fresh_namespace();
  Bench bench;
  constexpr const char* kGroup = "ff:ff:ff:ff:ff:ff";
  CHECK(bench.apply(Change::kAppend, bench.remote(kGroup, "0.0.0.0")).ok());
  CHECK(bench.apply(Change::kAppend, bench.remote(kGroup, "192.0.2.1")).ok());
  CHECK(bench.destinations(kGroup) == Texts{"0.0.0.0", "192.0.2.1"});
  CHECK(bench.apply(Change::kDelete, bench.remote(kGroup, "192.0.2.1")).ok());
  CHECK(bench.destinations(kGroup) == Texts{"0.0.0.0"});
  CHECK(bench.apply(Change::kAppend, bench.remote(kGroup, "192.0.2.1")).ok());
  CHECK(bench.apply(Change::kDelete, bench.remote(kGroup, "0.0.0.0")).ok());
  CHECK(bench.destinations(kGroup).empty());
}

TEST_CASE("neighbours, IPv4 and IPv6, are made, replaced, found, dumped and deleted") {
  enter_fresh_namespace();
  Bench bench;
  for (const char* address : {"10.1.0.2", "fd00::2", "fe80::2"}) {
    NeighbourEntry entry{.device = bench.vx, .ip = ip(address), .mac = mac("02:00:00:00:00:01")};
    CHECK(bench.apply(Change::kCreate, entry).ok());
    CHECK(bench.apply(Change::kCreate, entry).error.value() == EEXIST);
    entry.mac = mac("02:00:00:00:00:02");
    CHECK(bench.apply(Change::kReplace, entry).ok());
    CHECK(take(find_neighbour(bench.query, bench.vx, entry.ip)) == entry);
    const auto table = take(dump_neighbours(bench.query, bench.vx));
    CHECK(std::count(table.begin(), table.end(), entry) == 1);
    const auto seen = ip_json("neigh show " + std::string{address} + " dev vx").at(0);
    CHECK(seen.at("lladdr") == "02:00:00:00:00:02");
    CHECK(seen.at("state").at(0) == "PERMANENT");
    CHECK(bench.apply(Change::kDelete, entry).ok());
    CHECK_FALSE(take(find_neighbour(bench.query, bench.vx, entry.ip)));
    CHECK(bench.apply(Change::kDelete, entry).error.value() == ENOENT);
  }
}

TEST_CASE("a dump is of one device alone") {
  enter_fresh_namespace();
  Bench bench;
  auto other = vxlan_attributes(11);
  const auto vy =
      take(bench.links.create_vxlan("vy", other, {.up = true, .no_ipv6_addresses = true}));
  CHECK(bench.apply(Change::kReplace, bench.remote("02:00:00:00:00:01", "192.0.2.1")).ok());
  auto elsewhere = bench.remote("02:00:00:00:00:02", "192.0.2.2");
  elsewhere.device = vy.index;
  CHECK(bench.apply(Change::kReplace, elsewhere).ok());
  CHECK(bench
            .apply(Change::kReplace,
                   NeighbourEntry{
                       .device = vy.index, .ip = ip("10.1.0.2"), .mac = mac("02:00:00:00:00:02")})
            .ok());
  CHECK(take(dump_fdb(bench.query, bench.vx)).size() == 1);
  CHECK(take(dump_fdb(bench.query, vy.index)) == std::vector{elsewhere});
  CHECK(take(dump_neighbours(bench.query, bench.vx)).empty());
  CHECK(take(dump_neighbours(bench.query, vy.index)).size() == 1);
  const auto gone = dump_fdb(bench.query, IfIndex{4711});
  CHECK((!gone || gone->empty()));
}

TEST_CASE("a guest's static entry in the bridge's own FDB") {
  enter_fresh_namespace();
  Bench bench;
  const auto bridge =
      take(bench.links.create_bridge("br", {}, {.up = true, .no_ipv6_addresses = true}));
  take(bench.links.create_veth("tap0", "guest0"));
  const auto tap = take(bench.links.find("tap0")).index;
  take(bench.links.change(tap, {.master = bridge.index, .up = true}));
  const FdbEntry guest{
      .device = tap, .mac = mac("02:00:00:00:00:77"), .state = State::kNoArp, .flags = NTF_MASTER};
  CHECK(bench.apply(Change::kReplace, guest).ok());
  CHECK(bench.apply(Change::kReplace, guest).ok());
  const auto table = take(dump_bridge_fdb(bench.query, bridge.index));
  const auto found = std::find_if(table.begin(), table.end(),
                                  [&](const FdbEntry& e) { return e.mac == guest.mac; });
  REQUIRE(found != table.end());
  CHECK(found->device == tap);
  CHECK(found->state == State::kNoArp);
  CHECK(run("bridge fdb show dev tap0").find("02:00:00:00:00:77 master br static") !=
        std::string::npos);
  CHECK(bench.apply(Change::kDelete, guest).ok());
  CHECK(run("bridge fdb show dev tap0").find("02:00:00:00:00:77") == std::string::npos);
}

TEST_CASE("a large table is dumped whole, in many parts") {
  enter_fresh_namespace();
  Bench bench;
  for (unsigned i = 0; i < 5000; ++i)
    add(bench.batch, Change::kReplace,
        NeighbourEntry{.device = bench.vx,
                       .ip = IpAddress::v4(0x0a010000U + i),
                       .mac = mac("02:00:00:00:00:01")});
  const auto verdicts = bench.batch.commit();
  CHECK(std::all_of(verdicts.begin(), verdicts.end(), [](const Verdict& v) { return v.ok(); }));
  CHECK(take(dump_neighbours(bench.query, bench.vx)).size() == 5000);
}

}  // namespace
}  // namespace dove::netlink::test
