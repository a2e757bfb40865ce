// The comparison of a network's tables, against a model of the kernel's.
#include "agent/datapath/tables.h"

#include <algorithm>
#include <random>

#include "tests/catch.h"

namespace dove::agent {
namespace {

using netlink::Change;
using netlink::FdbEntry;
using netlink::NeighbourEntry;
using netlink::State;

const EntryForm kForm{.vxlan = IfIndex{7}};
const MacAddress kRouter = *MacAddress::parse("02:d0:00:00:00:01");

MacAddress guest(unsigned n) {
  return MacAddress{{0x02, 0, 0, 0, 0x10, static_cast<std::uint8_t>(n)}};
}
MacAddress group(unsigned n) {
  return n == 0 ? MacAddress::broadcast() : *MacAddress::parse("01:00:5e:00:00:05");
}
IpAddress ip(unsigned n) { return IpAddress::v4(0x0a000001U + n); }
Vtep host(unsigned n) { return {IpAddress::v4(0xc0000200U + n)}; }

// What the kernel has, and what it makes of a change (kernel facts; the real one is asked in
// tests/integration).
struct Kernel {
  std::map<MacAddress, std::vector<FdbEntry>> fdb;
  std::map<IpAddress, NeighbourEntry> neighbours;

  static bool same_place(const FdbEntry& a, const FdbEntry& b) {
    return a.destination == b.destination && a.vni == b.vni && a.port == b.port && a.via == b.via;
  }
  void change(Change how, const FdbEntry& entry) {
    auto& rows = fdb[entry.mac];
    if (how == Change::kDelete) {
      if (!entry.destination || entry.destination->is_unspecified())
        rows.clear();
      else
        std::erase_if(rows, [&](const auto& row) { return same_place(row, entry); });
    } else if (how == Change::kReplace) {
      rows = {entry};
    } else {
      for (auto& row : rows) row.state = entry.state, row.flags = entry.flags;  // of all of a MAC
      if (std::none_of(rows.begin(), rows.end(),
                       [&](const auto& row) { return same_place(row, entry); }))
        rows.push_back(entry);
    }
    if (rows.empty()) fdb.erase(entry.mac);
  }
  void change(Change how, const NeighbourEntry& entry) {
    if (how == Change::kDelete)
      neighbours.erase(entry.ip);
    else
      neighbours.insert_or_assign(entry.ip, entry);
  }
  void carry_out(const std::vector<TableChange>& changes) {
    for (const auto& one : changes)
      std::visit([&](const auto& row) { change(one.how, row); }, one.row);
  }
  std::vector<TableDifference> compare(const Tables& wanted) const {
    TableComparison comparison{kForm};
    for (const auto& [mac, rows] : fdb)
      for (const auto& row : rows) comparison.see(wanted, row);
    for (const auto& [address, row] : neighbours) comparison.see(wanted, row);
    return comparison.finish(wanted);
  }
};

class Random {
 public:
  explicit Random(unsigned seed) : engine_{seed} {}
  unsigned below(unsigned n) { return static_cast<unsigned>(engine_() % n); }
  bool sometimes() { return below(2) == 0; }

 private:
  std::mt19937 engine_;
};

Tables random_tables(Random& random) {
  Tables tables;
  for (unsigned n = 0; n < 4; ++n) {
    if (random.sometimes()) continue;
    if (random.sometimes())
      tables.locals.insert(guest(n));
    else
      tables.remotes.insert_or_assign(
          guest(n),
          Remote{host(random.below(3)), random.sometimes() ? Vni::from(20) : std::optional<Vni>{}});
    tables.neighbours.insert_or_assign(ip(n), guest(n));
  }
  for (unsigned n = 0; n < 2; ++n)
    if (random.sometimes())
      for (unsigned i = random.below(4); i > 0; --i) tables.lists[group(n)].insert(host(i));
  if (random.sometimes())
    tables.punt = FdbEntry{.device = kForm.vxlan,
                           .mac = MacAddress{},
                           .destination = host(99).address,
                           .via = IfIndex{3},
                           .state = State::kPermanent};
  if (random.sometimes()) {
    tables.router = {kRouter, {ip(100), ip(101)}};
    tables.router_entry = FdbEntry{.device = kForm.vxlan,
                                   .mac = kRouter,
                                   .destination = host(99).address,
                                   .via = IfIndex{3},
                                   .state = State::kStatic,
                                   .flags = NTF_SELF | NTF_ROUTER};
  }
  return tables;
}

State random_state(Random& random) {
  constexpr State kStates[] = {State::kReachable, State::kStatic, State::kPermanent};
  return kStates[random.below(3)];
}

// Some of what is wanted, some of it changed, some of nobody's.
Kernel random_kernel(Random& random, const Tables& wanted) {
  Kernel kernel;
  for (const auto& difference : Kernel{}.compare(wanted))
    if (random.sometimes())
      std::visit([&](const auto& row) { kernel.change(Change::kAppend, row); }, *difference.should);
  for (unsigned i = random.below(4); i > 0; --i) {
    const MacAddress macs[] = {guest(random.below(4)), group(random.below(2)), MacAddress{},
                               kRouter};
    const FdbEntry foreign{
        .device = kForm.vxlan,
        .mac = macs[random.below(4)],
        .destination = random.sometimes() ? host(random.below(4)).address : kForm.nowhere,
        .state = random_state(random)};
    kernel.change(foreign.mac.is_unicast() ? Change::kReplace : Change::kAppend, foreign);
  }
  for (unsigned i = random.below(3); i > 0; --i)
    kernel.change(Change::kReplace, NeighbourEntry{.device = kForm.vxlan,
                                                   .ip = ip(random.below(5)),
                                                   .mac = guest(random.below(4)),
                                                   .state = random_state(random)});
  return kernel;
}

// What has aged is wanted no more.
void forget_aged(Tables& wanted, const std::vector<TableDifference>& differences) {
  for (const auto& one : differences) {
    if (!may_age(wanted, one)) continue;
    if (const auto* entry = std::get_if<FdbEntry>(&*one.should))
      wanted.remotes.erase(entry->mac);
    else
      wanted.neighbours.erase(std::get<NeighbourEntry>(*one.should).ip);
  }
}

TEST_CASE("tables: what is mended is equal, whatever it was", "[audit]") {
  unsigned differing = 0;
  for (unsigned seed = 0; seed < 20'000; ++seed) {
    INFO("seed " << seed);
    Random random{seed};
    Tables wanted = random_tables(random);
    Kernel kernel = random_kernel(random, wanted);
    const auto found = kernel.compare(wanted);
    differing += found.empty() ? 0 : 1;
    const auto changes = mending(wanted, kForm, found);
    forget_aged(wanted, found);
    kernel.carry_out(changes);
    REQUIRE(kernel.compare(wanted).empty());
  }
  CHECK(differing > 15'000);  // the test does meet differences
}

TEST_CASE("tables: what is equal has no differences, in whatever order it is seen", "[audit]") {
  for (unsigned seed = 0; seed < 2'000; ++seed) {
    INFO("seed " << seed);
    Random random{seed};
    const Tables wanted = random_tables(random);
    Kernel kernel;
    auto missing = Kernel{}.compare(wanted);
    std::reverse(missing.begin(), missing.end());
    for (const auto& one : missing) {
      CHECK_FALSE(one.is);
      std::visit([&](const auto& row) { kernel.change(Change::kAppend, row); }, *one.should);
    }
    REQUIRE(kernel.compare(wanted).empty());
  }
}

TEST_CASE("tables: each kind of difference is told as what it is", "[audit]") {
  Tables wanted;
  wanted.remotes.insert_or_assign(guest(0), Remote{host(2), {}});
  wanted.lists[group(0)] = {host(2), host(3)};
  Kernel kernel;
  FdbEntry moved = kForm.to(guest(0), {host(9), {}});
  kernel.change(Change::kReplace, moved);
  kernel.change(Change::kAppend, kForm.to(group(0), {host(2), {}}));
  kernel.change(Change::kAppend, kForm.to(group(0), {host(9), {}}));
  kernel.change(Change::kReplace, kForm.neighbour(ip(1), guest(1)));

  const auto found = kernel.compare(wanted);
  const TableDifference changed{kForm.to(guest(0), {host(2), {}}), moved};
  const TableDifference foreign{std::nullopt, kForm.to(group(0), {host(9), {}})};
  const TableDifference missing{kForm.to(group(0), {host(3), {}}), std::nullopt};
  const TableDifference neighbour{std::nullopt, kForm.neighbour(ip(1), guest(1))};
  CHECK(found.size() == 4);
  for (const auto& one : {changed, foreign, missing, neighbour})
    CHECK(std::count(found.begin(), found.end(), one) == 1);
}

TEST_CASE("tables: a difference lasts only when it is seen again as it was", "[audit]") {
  const TableDifference here{kForm.neighbour(ip(1), guest(1)), std::nullopt};
  const TableDifference there{kForm.neighbour(ip(2), guest(1)), std::nullopt};
  const TableDifference other{kForm.neighbour(ip(1), guest(2)), std::nullopt};
  CHECK(lasting({here, there}, {there, other}) == std::vector{there});
  CHECK(lasting({here}, {}).empty());
  CHECK(lasting({}, {here}).empty());
}

TEST_CASE("tables: the kernel's own neighbours are nobody's doing", "[audit]") {
  const Tables none;
  Kernel kernel;
  kernel.change(Change::kReplace, NeighbourEntry{.device = kForm.vxlan,
                                                 .ip = *IpAddress::parse("ff02::1"),
                                                 .mac = *MacAddress::parse("33:33:00:00:00:01"),
                                                 .state = State::kNoArp});
  kernel.change(
      Change::kReplace,
      NeighbourEntry{.device = kForm.vxlan, .ip = ip(1), .mac = {}, .state = State::kFailed});
  CHECK(kernel.compare(none).empty());
}

}  // namespace
}  // namespace dove::agent
