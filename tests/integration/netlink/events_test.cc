// What the kernel tells: misses and changes.
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <thread>

#include "netlink/dump.h"
#include "netlink/miss.h"
#include "netlink/monitor.h"
#include "netlink/packet_socket.h"
#include "tests/integration/netlink/kernel.h"

namespace dove::netlink::test {
namespace {

using Frame = std::vector<std::byte>;

void append(Frame& frame, std::initializer_list<unsigned> bytes) {
  for (const unsigned byte : bytes) frame.push_back(static_cast<std::byte>(byte));
}

void append(Frame& frame, ByteView bytes) { frame.insert(frame.end(), bytes.begin(), bytes.end()); }

// An Ethernet frame of 60 bytes with a local experimental type.
Frame frame_to(const MacAddress& destination) {
  Frame frame;
  append(frame, destination.wire());
  append(frame, {2, 0xee, 0, 0, 0, 1, 0x88, 0xb5});
  frame.resize(60);
  return frame;
}

Frame arp_request(const IpAddress& target) {
  Frame frame;
  append(frame, MacAddress::broadcast().wire());
  append(frame, {2, 0xee, 0, 0, 0, 1, 0x08, 0x06});
  append(frame, {0, 1, 8, 0, 6, 4, 0, 1});
  append(frame, {2, 0xee, 0, 0, 0, 1, 10, 1, 0, 1});
  append(frame, {0, 0, 0, 0, 0, 0});
  append(frame, target.wire());
  frame.resize(60);
  return frame;
}

void inject(IfIndex device, const Frame& frame, std::size_t times = 1) {
  auto socket = take(PacketSocket::open());
  const std::vector<OutgoingFrame> frames(times, OutgoingFrame{device, frame});
  CHECK(socket.send(frames).sent == times);
}

std::vector<Miss> drain_all(MissMonitor& monitor, bool* overrun = nullptr) {
  std::vector<Miss> misses;
  for (bool more = true; more;) {
    const auto drained = take(monitor.drain(misses));
    if (overrun != nullptr) *overrun = *overrun || drained.overrun;
    more = drained.more;
  }
  return misses;
}

TEST_CASE("an unknown destination and an unknown address are misses of their device") {
  enter_fresh_namespace();
  auto links = take(Links::open());
  auto monitor = take(MissMonitor::open());
  CHECK(monitor.receive_buffer() >= 16U << 20U);
  const auto vx = make_vxlan(links).index;
  CHECK(drain_all(monitor).empty());

  inject(vx, frame_to(mac("02:00:00:00:00:99")));
  CHECK(drain_all(monitor) == std::vector<Miss>{MacMiss{vx, mac("02:00:00:00:00:99")}});
  inject(vx, arp_request(ip("10.1.0.7")));
  CHECK(drain_all(monitor) == std::vector<Miss>{IpMiss{vx, ip("10.1.0.7")}});
}

TEST_CASE("a known destination is no miss, an aged out one is again") {
  enter_fresh_namespace();
  auto links = take(Links::open());
  auto batch = take(Batch::open());
  auto monitor = take(MissMonitor::open());
  const auto vx = make_vxlan(links).index;
  const FdbEntry entry{
      .device = vx, .mac = mac("02:00:00:00:00:99"), .destination = ip("127.0.0.2")};
  add(batch, Change::kReplace, entry);
  take(batch.commit_all("install"));
  inject(vx, frame_to(entry.mac));
  CHECK(drain_all(monitor).empty());
  add(batch, Change::kDelete, entry);
  take(batch.commit_all("delete"));
  inject(vx, frame_to(entry.mac));
  CHECK(drain_all(monitor).size() == 1);
}

TEST_CASE("a default entry silences L2 misses; a group MAC never misses") {
  enter_fresh_namespace();
  auto links = take(Links::open());
  auto batch = take(Batch::open());
  auto monitor = take(MissMonitor::open());
  const auto vx = make_vxlan(links).index;
  inject(vx, frame_to(mac("01:00:5e:00:00:05")));
  CHECK(drain_all(monitor).empty());
  inject(vx, frame_to(mac("02:00:00:00:00:99")));
  CHECK(drain_all(monitor).size() == 1);  // the positive control
  add(batch, Change::kAppend,
      FdbEntry{.device = vx,
               .mac = MacAddress{},
               .destination = ip("127.0.0.2"),
               .state = State::kPermanent});
  take(batch.commit_all("install"));
  inject(vx, frame_to(mac("02:00:00:00:00:99")));
  CHECK(drain_all(monitor).empty());
}

TEST_CASE("the filter keeps our own installs out of the miss socket") {
  enter_fresh_namespace();
  auto links = take(Links::open());
  auto batch = take(Batch::open());
  const auto vx = make_vxlan(links).index;
  auto filtered = take(Socket::open(NETLINK_ROUTE));
  auto plain = take(Socket::open(NETLINK_ROUTE));
  constexpr std::uint16_t kTypes[] = {RTM_GETNEIGH, RTM_DELNEIGH};
  take(filtered.accept_only(kTypes));
  take(filtered.join(RTNLGRP_NEIGH));
  take(plain.join(RTNLGRP_NEIGH));

  const FdbEntry entry{
      .device = vx, .mac = mac("02:00:00:00:00:01"), .destination = ip("127.0.0.2")};
  add(batch, Change::kReplace, entry);
  add(batch, Change::kDelete, entry);
  take(batch.commit_all("install and delete"));
  inject(vx, frame_to(mac("02:00:00:00:00:99")));

  const auto types = [](Socket& socket) {
    Inbox inbox{64, 8192};
    std::vector<std::uint16_t> seen;
    const auto received = take(socket.receive(inbox));
    for (ByteView rest : received.datagrams)
      while (const auto message = Message::next(rest)) seen.push_back(message->type());
    seen.erase(std::unique(seen.begin(), seen.end()), seen.end());  // kernels before 6.14 repeat
    return seen;
  };
  CHECK(types(plain) == std::vector<std::uint16_t>{RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH});
  CHECK(types(filtered) == std::vector<std::uint16_t>{RTM_DELNEIGH, RTM_GETNEIGH});
}

TEST_CASE("20,000 misses at once all arrive with a forced buffer") {
  enter_fresh_namespace();
  auto links = take(Links::open());
  auto monitor = take(MissMonitor::open());
  const auto vx = make_vxlan(links).index;
  inject(vx, frame_to(mac("02:00:00:00:00:99")), 20000);
  bool overrun = false;
  CHECK(drain_all(monitor, &overrun).size() == 20000);
  CHECK_FALSE(overrun);
}

TEST_CASE("an overrun of the miss socket is a value, and it works on") {
  enter_fresh_namespace();
  auto links = take(Links::open());
  auto monitor = take(MissMonitor::open(4096));
  const auto vx = make_vxlan(links).index;
  inject(vx, frame_to(mac("02:00:00:00:00:99")), 5000);
  bool overrun = false;
  const auto misses = drain_all(monitor, &overrun);
  CHECK(overrun);
  CHECK(misses.size() < 5000);
  inject(vx, frame_to(mac("02:00:00:00:00:98")));
  overrun = false;
  CHECK(drain_all(monitor, &overrun) == std::vector<Miss>{MacMiss{vx, mac("02:00:00:00:00:98")}});
  CHECK_FALSE(overrun);
}

TEST_CASE("only the kernel is believed") {
  enter_fresh_namespace();
  auto victim = take(Socket::open(NETLINK_ROUTE));
  auto forger = take(Socket::open(NETLINK_ROUTE));
  const nlmsghdr message{.nlmsg_len = sizeof(nlmsghdr),
                         .nlmsg_type = RTM_GETNEIGH,
                         .nlmsg_flags = 0,
                         .nlmsg_seq = 0,
                         .nlmsg_pid = 0};
  sockaddr_nl to{};
  to.nl_family = AF_NETLINK;
  to.nl_pid = victim.port_id();
  const auto sent = ::sendto(forger.fd(), &message, sizeof message, 0,
                             reinterpret_cast<const sockaddr*>(&to), sizeof to);
  REQUIRE(sent == sizeof message);  // it can be sent: the refusal is ours
  char byte = 0;
  REQUIRE(::recv(victim.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1);  // and it is there
  Inbox inbox{4, 4096};
  const auto received = take(victim.receive(inbox));
  CHECK(received.datagrams.empty());
  CHECK_FALSE(received.overrun);
}

TEST_CASE("a datagram longer than its slot is an overrun, not half a message") {
  enter_fresh_namespace();
  auto links = take(Links::open());
  auto socket = take(Socket::open(NETLINK_ROUTE, {.groups = {RTNLGRP_LINK}}));
  take(links.create_bridge("br", {}, {}));
  Inbox small{4, 256};
  const auto received = take(socket.receive(small));
  CHECK(received.overrun);
  CHECK(received.datagrams.empty());
}

std::vector<KernelChange> changes_of(ChangeMonitor& monitor) {
  std::vector<KernelChange> changes;
  while (take(monitor.drain(changes))) {
  }
  return changes;
}

// Kernels before 6.14 tell of an FDB entry that is made or deleted on request twice, once without
// its destination.
bool is_echo(const KernelChange& change) {
  const auto* gone = std::get_if<FdbGone>(&change);
  const auto* set = std::get_if<FdbSet>(&change);
  return (gone != nullptr && !gone->entry.destination) ||
         (set != nullptr && !set->entry.destination);
}

template <class T>
std::vector<T> only(const std::vector<KernelChange>& changes) {
  std::vector<T> found;
  for (const KernelChange& change : changes)
    if (const auto* wanted = std::get_if<T>(&change); wanted != nullptr && !is_echo(change))
      found.push_back(*wanted);
  return found;
}

TEST_CASE("a device's life is told") {
  enter_fresh_namespace();
  auto monitor = take(ChangeMonitor::open());
  auto links = take(Links::open());
  const auto bridge = take(links.create_bridge("br", {}, {.up = true, .no_ipv6_addresses = true}));
  take(links.create_veth("tap0", "guest0"));
  const auto tap = take(links.find("tap0")).index;
  changes_of(monitor);

  const auto last = [&](const char* name) {
    std::optional<Link> link;
    for (const LinkChanged& change : only<LinkChanged>(changes_of(monitor)))
      if (change.link.name == name) link = change.link;
    REQUIRE(link);
    return *link;
  };
  take(links.change(tap, {.master = bridge.index}));
  CHECK(last("tap0").master == bridge.index);
  take(links.change(tap, {.mtu = 1400, .up = true}));
  auto link = last("tap0");
  CHECK(link.mtu == 1400);
  CHECK(link.up);
  CHECK(link.kind == "veth");
  take(links.change(tap, {.alias = "mark"}));
  CHECK(last("tap0").alias == "mark");

  take(links.set_port_flags(tap, {.learning = false, .locked = true}));
  const auto ports = only<PortChanged>(changes_of(monitor));
  REQUIRE_FALSE(ports.empty());
  CHECK(ports.back().index == tap);
  CHECK(ports.back().bridge == bridge.index);
  CHECK(ports.back().flags.learning == false);
  CHECK(ports.back().flags.locked == true);

  take(links.release(tap));
  CHECK_FALSE(last("tap0").master);
  take(links.remove(tap));
  const auto gone = only<LinkGone>(changes_of(monitor));
  CHECK(std::any_of(gone.begin(), gone.end(),
                    [&](const LinkGone& g) { return g.index == tap && g.name == "tap0"; }));
}

TEST_CASE("entries that go are told, those that come only when asked for") {
  enter_fresh_namespace();
  auto links = take(Links::open());
  auto batch = take(Batch::open());
  const auto vx = make_vxlan(links).index;
  auto monitor = take(ChangeMonitor::open({.links = false}));
  auto curious = take(ChangeMonitor::open({.links = false, .installs = Installs::kAll}));
  const FdbEntry fdb{.device = vx, .mac = mac("02:00:00:00:00:01"), .destination = ip("127.0.0.2")};
  const NeighbourEntry neighbour{
      .device = vx, .ip = ip("10.1.0.2"), .mac = mac("02:00:00:00:00:01")};
  add(batch, Change::kReplace, fdb);
  add(batch, Change::kReplace, neighbour);
  take(batch.commit_all("install"));
  CHECK(changes_of(monitor).empty());
  const auto installs = changes_of(curious);
  REQUIRE(only<FdbSet>(installs).size() == 1);
  CHECK(only<FdbSet>(installs)[0].entry == fdb);
  REQUIRE(only<NeighbourSet>(installs).size() == 1);
  CHECK(only<NeighbourSet>(installs)[0].entry == neighbour);

  add(batch, Change::kDelete, fdb);
  add(batch, Change::kDelete, neighbour);
  take(batch.commit_all("delete"));
  const auto changes = changes_of(monitor);
  CHECK(only<FdbSet>(changes).empty());
  CHECK(only<NeighbourSet>(changes).empty());
  REQUIRE(only<FdbGone>(changes).size() == 1);
  CHECK(only<FdbGone>(changes)[0].entry == fdb);
  CHECK_FALSE(only<FdbGone>(changes)[0].aged);
  REQUIRE(only<NeighbourGone>(changes).size() == 1);
  CHECK(only<NeighbourGone>(changes)[0].entry.ip == neighbour.ip);
}

TEST_CASE("the kernel does not say whose deletion it was") {
  enter_fresh_namespace();
  auto links = take(Links::open());
  auto batch = take(Batch::open());
  const auto vx = make_vxlan(links).index;
  auto socket = take(Socket::open(NETLINK_ROUTE));
  constexpr std::uint16_t kTypes[] = {RTM_DELNEIGH};
  take(socket.accept_only(kTypes));
  take(socket.join(RTNLGRP_NEIGH));
  const FdbEntry fdb{.device = vx, .mac = mac("02:00:00:00:00:01"), .destination = ip("127.0.0.2")};
  const NeighbourEntry neighbour{
      .device = vx, .ip = ip("10.1.0.2"), .mac = mac("02:00:00:00:00:01")};
  add(batch, Change::kReplace, fdb);
  add(batch, Change::kReplace, neighbour);
  add(batch, Change::kDelete, fdb);
  add(batch, Change::kDelete, neighbour);
  take(batch.commit_all("install and delete"));
  Inbox inbox{8, 4096};
  const auto received = take(socket.receive(inbox));
  CHECK(received.datagrams.size() >= 2);
  for (ByteView rest : received.datagrams) {
    const auto message = Message::next(rest);
    REQUIRE(message);
    CHECK(message->port_id() == 0);
    CHECK(message->sequence() == 0);
  }
}

TEST_CASE("an unused dynamic entry ages and that is told; a static one stays") {
  enter_fresh_namespace();
  auto links = take(Links::open());
  auto batch = take(Batch::open());
  auto query = take(Query::open());
  const auto vx = make_vxlan(links, "vx", 1).index;
  auto monitor = take(ChangeMonitor::open({.links = false}));
  const FdbEntry dynamic{
      .device = vx, .mac = mac("02:00:00:00:00:01"), .destination = ip("127.0.0.2")};
  FdbEntry fixed = dynamic;
  fixed.mac = mac("02:00:00:00:00:02");
  fixed.state = State::kStatic;
  FdbEntry learned = dynamic;
  learned.mac = mac("02:00:00:00:00:03");
  learned.flags = NTF_SELF | NTF_EXT_LEARNED;
  for (const FdbEntry& entry : {dynamic, fixed, learned}) add(batch, Change::kReplace, entry);
  take(batch.commit_all("install"));

  std::vector<KernelChange> changes;
  CHECK(eventually(
      [&] {
        take(monitor.drain(changes));
        return !changes.empty();
      },
      std::chrono::seconds{15}));
  const auto gone = only<FdbGone>(changes);
  REQUIRE(gone.size() == 1);
  CHECK(gone[0].aged);
  CHECK(gone[0].entry.mac == dynamic.mac);
  CHECK(gone[0].entry.destination == dynamic.destination);
  CHECK_FALSE(take(find_fdb(query, vx, dynamic.mac)));
  CHECK(take(find_fdb(query, vx, fixed.mac)) == fixed);
  CHECK(take(find_fdb(query, vx, learned.mac)) == learned);
}

TEST_CASE("a VXLAN device that goes down loses its dynamic entries, one notification each") {
  enter_fresh_namespace();
  auto links = take(Links::open());
  auto batch = take(Batch::open());
  const auto vx = make_vxlan(links).index;
  auto monitor = take(ChangeMonitor::open({.links = false}));
  add(batch, Change::kReplace,
      FdbEntry{.device = vx, .mac = mac("02:00:00:00:00:01"), .destination = ip("127.0.0.2")});
  take(batch.commit_all("install"));
  take(links.change(vx, {.up = false}));
  const auto gone = only<FdbGone>(changes_of(monitor));
  REQUIRE(gone.size() == 1);
  CHECK_FALSE(gone[0].aged);
}

TEST_CASE("an overrun of the changes socket stands before what came after it") {
  enter_fresh_namespace();
  auto links = take(Links::open());
  auto batch = take(Batch::open());
  const auto vx = make_vxlan(links).index;
  auto monitor = take(ChangeMonitor::open({.receive_buffer = 4096, .links = false}));
  for (unsigned i = 0; i < 500; ++i) {
    const FdbEntry entry{.device = vx,
                         .mac = MacAddress{{2, 0, 0, 0, static_cast<std::uint8_t>(i >> 8U),
                                            static_cast<std::uint8_t>(i)}},
                         .destination = ip("127.0.0.2")};
    add(batch, Change::kReplace, entry);
    add(batch, Change::kDelete, entry);
  }
  take(batch.commit_all("install and delete"));
  auto changes = changes_of(monitor);
  REQUIRE_FALSE(changes.empty());
  CHECK(only<Overrun>(changes).size() == 1);
  CHECK(std::holds_alternative<Overrun>(changes.front()));
  CHECK(only<FdbGone>(changes).size() < 500);

  const FdbEntry entry{
      .device = vx, .mac = mac("02:00:00:00:00:01"), .destination = ip("127.0.0.2")};
  add(batch, Change::kReplace, entry);
  add(batch, Change::kDelete, entry);
  take(batch.commit_all("once more"));
  changes = changes_of(monitor);
  CHECK(only<Overrun>(changes).empty());
  CHECK(only<FdbGone>(changes).size() == 1);
}

}  // namespace
}  // namespace dove::netlink::test
