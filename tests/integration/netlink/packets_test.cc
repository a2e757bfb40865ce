// The ways of packets in and out: TUN and TAP, the packet log, packet and raw sockets.
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>

#include "netlink/log.h"
#include "netlink/packet_socket.h"
#include "netlink/raw_socket.h"
#include "netlink/segment_socket.h"
#include "netlink/tun.h"
#include "tests/integration/netlink/kernel.h"

namespace dove::netlink::test {
namespace {

using Bytes = std::vector<std::byte>;

template <class T>
void append(Bytes& bytes, const T& value) {
  const auto view = std::as_bytes(std::span{&value, 1});
  bytes.insert(bytes.end(), view.begin(), view.end());
}

// IPv4 and UDP, checksums left to the kernel (IP) or out (UDP).
Bytes udp_packet(const char* source, const char* destination, std::size_t payload) {
  Bytes packet;
  iphdr header{};
  header.version = 4;
  header.ihl = 5;
  header.ttl = 64;
  header.protocol = IPPROTO_UDP;
  header.tot_len = htons(static_cast<std::uint16_t>(28 + payload));
  header.saddr = inet_addr(source);
  header.daddr = inet_addr(destination);
  append(packet, header);
  append(packet,
         udphdr{{{htons(1234), htons(4789), htons(static_cast<std::uint16_t>(8 + payload)), 0}}});
  packet.resize(28 + payload, std::byte{0x5a});
  return packet;
}

TEST_CASE("what is routed into a TUN is read, what is written enters the kernel") {
  enter_fresh_namespace();
  auto links = take(Links::open());
  auto tun = take(Tun::open("dvpunt"));
  take(links.change(tun.index(),
                    {.mtu = 1500, .tx_queue_length = 8192, .up = true, .no_ipv6_addresses = true}));
  take(links.add_address(tun.index(), ip("169.254.77.64"), 31));
  const auto link = take(links.find("dvpunt"));
  CHECK(link.kind == "tun");
  CHECK(link.up);
  CHECK_FALSE(link.mac);
  Bytes buffer64(64);
  CHECK_FALSE(take(tun.read(buffer64)));

  const int sender = ::socket(AF_INET, SOCK_DGRAM, 0);
  const int receiver = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(4789);
  to.sin_addr.s_addr = inet_addr("169.254.77.65");
  CHECK(::sendto(sender, "hello", 5, 0, reinterpret_cast<sockaddr*>(&to), sizeof to) == 5);
  const auto packet = read_one(tun);
  REQUIRE(packet);
  REQUIRE(packet->size() == 33);
  CHECK(std::memcmp(packet->data() + 28, "hello", 5) == 0);

  to.sin_addr.s_addr = inet_addr("169.254.77.64");
  REQUIRE(::bind(receiver, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
  auto reply = udp_packet("169.254.77.65", "169.254.77.64", 4);
  reply[10] = std::byte{0};
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < 20; i += 2)
    sum += std::to_integer<unsigned>(reply[i]) << 8U | std::to_integer<unsigned>(reply[i + 1]);
  sum = ~((sum & 0xffffU) + (sum >> 16U)) & 0xffffU;
  reply[10] = static_cast<std::byte>(sum >> 8U);
  reply[11] = static_cast<std::byte>(sum);
  take(tun.write(reply));
  char buffer[16];
  CHECK(eventually([&] { return ::recv(receiver, buffer, sizeof buffer, 0) == 4; }));
  ::close(sender);
  ::close(receiver);

  take(links.change(tun.index(), {.up = false}));
  CHECK(tun.write(reply).error().code == ErrorCode::kUnavailable);
}

TEST_CASE("a persistent TUN outlives its descriptor and is opened again; others go") {
  enter_fresh_namespace();
  auto links = take(Links::open());
  IfIndex index{};
  {
    const auto tun = take(Tun::open("dvpunt", {.persistent = true, .owner = 65534}));
    index = tun.index();
    const auto again = Tun::open("dvpunt", {.persistent = true});
    REQUIRE_FALSE(again);
    CHECK(again.error().code == ErrorCode::kConflict);
    CHECK(again.error().message == "cannot open tun device \"dvpunt\": somebody else has it open");
  }
  CHECK(take(links.find("dvpunt")).index == index);
  CHECK(take(Tun::open("dvpunt", {.persistent = true})).index() == index);
  take(Tun::remove("dvpunt"));
  CHECK_FALSE(links.find("dvpunt"));
  take(Tun::remove("dvpunt"));
  { const auto tap = take(Tun::open("tap0", {.tap = true})); }
  CHECK_FALSE(links.find("tap0"));
}

TEST_CASE("a device of another kind is no TUN, and is not harmed") {
  enter_fresh_namespace();
  auto links = take(Links::open());
  take(links.create_bridge("dvpunt", {}, {}));
  CHECK(Tun::open("dvpunt").error().code == ErrorCode::kExists);
  CHECK(take(links.find("dvpunt")).kind == "bridge");
  { const auto tap = take(Tun::open("tap0", {.tap = true, .persistent = true})); }
  CHECK(Tun::open("tap0").error().code == ErrorCode::kExists);
  CHECK(Tun::open("sixteencharacter").error().code == ErrorCode::kInvalid);
}

// In a child with a mount namespace of its own, where /dev/net is empty.
TEST_CASE("a machine without /dev/net/tun is told so") {
  enter_fresh_namespace();
  const pid_t child = ::fork();
  if (child == 0) {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("none", "/dev/net", "tmpfs", 0, nullptr) != 0)
      ::_exit(2);
    const auto tun = Tun::open("dvpunt");
    const bool said = !tun && tun.error().code == ErrorCode::kSystem &&
                      tun.error().message ==
                          "cannot open tun device \"dvpunt\": this machine has no /dev/net/tun (is "
                          "the module \"tun\" there?)";
    ::_exit(said ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

struct Veth {
  Links links = take(Links::open());
  IfIndex a = make();
  IfIndex b = take(links.find("b")).index;

  IfIndex make() {
    take(links.create_veth("a", "b"));
    for (const char* name : {"a", "b"})
      take(links.change(take(links.find(name)).index, {.up = true, .no_ipv6_addresses = true}));
    return take(links.find("a")).index;
  }
};

// Everything that arrives at a device.
class Capture {
 public:
  explicit Capture(IfIndex device) {
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(device);
    REQUIRE(::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  ~Capture() { ::close(fd_); }
  std::optional<Bytes> next() {
    Bytes buffer(2048);
    ssize_t length = -1;
    if (!eventually([&] { return (length = ::recv(fd_, buffer.data(), buffer.size(), 0)) >= 0; },
                    std::chrono::milliseconds{500}))
      return std::nullopt;
    buffer.resize(static_cast<std::size_t>(length));
    return buffer;
  }

 private:
  int fd_ = ::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL));
};

Bytes ethernet(std::uint16_t type, std::size_t size) {
  Bytes frame;
  for (const unsigned byte : {0xffU, 0xffU, 0xffU, 0xffU, 0xffU, 0xffU, 2U, 0U, 0U, 0U, 0U, 7U})
    frame.push_back(static_cast<std::byte>(byte));
  append(frame, htons(type));
  frame.resize(size, std::byte{0x42});
  return frame;
}

TEST_CASE("frames leave by the device they are given, a bad one does not stop the others") {
  enter_fresh_namespace();
  Veth veth;
  auto socket = take(PacketSocket::open());
  Capture at_b{veth.b};
  const Bytes good = ethernet(0x88b5, 60);
  const Bytes second = ethernet(0x88b5, 100);
  const Bytes too_long = ethernet(0x88b5, 4000);
  const std::vector<OutgoingFrame> frames{{veth.a, good},
                                          {IfIndex{4711}, good},
                                          {veth.a, too_long},
                                          {veth.a, Bytes{}},
                                          {veth.a, second}};
  const auto sent = socket.send(frames);
  CHECK(sent.sent == 2);
  CHECK(sent.failed == 3);
  CHECK(sent.first_error.value() == EINVAL);  // the empty one is found before any is sent
  CHECK(at_b.next() == good);
  CHECK(at_b.next() == second);
  const std::vector<OutgoingFrame> many(1000, OutgoingFrame{veth.a, good});
  CHECK(socket.send(many).sent == 1000);
  CHECK(socket.send({}).sent == 0);
}

TEST_CASE("the packet socket hears nothing") {
  enter_fresh_namespace();
  Veth veth;
  auto socket = take(PacketSocket::open());
  Capture at_b{veth.b};
  const Bytes frame = ethernet(0x88b5, 60);
  const std::vector<OutgoingFrame> frames{{veth.a, frame}};
  CHECK(socket.send(frames).sent == 1);
  CHECK(at_b.next());
  CHECK(run("cat /proc/self/net/packet").find(" 0003 ") != std::string::npos);  // the capture's
}

TEST_CASE("built packets are sent as they are, to where they say") {
  enter_fresh_namespace();
  Veth veth;
  take(veth.links.add_address(veth.a, ip("192.0.2.1"), 24));
  run("ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev a nud permanent");
  auto socket = take(RawSocket::open(AF_INET));
  Capture at_b{veth.b};
  const Bytes good = udp_packet("192.0.2.1", "192.0.2.2", 50);
  const Bytes other_source = udp_packet("198.51.100.1", "192.0.2.2", 60);
  const Bytes nowhere = udp_packet("192.0.2.1", "203.0.113.1", 10);
  const Bytes too_long = udp_packet("192.0.2.1", "192.0.2.2", 1600);
  const Bytes nonsense(10, std::byte{0xff});
  const std::vector<ByteView> packets{good, nonsense, nowhere, too_long, other_source};
  const auto sent = socket.send(packets);
  CHECK(sent.sent == 2);
  CHECK(sent.failed == 3);
  for (const Bytes& expected : {good, other_source}) {
    auto frame = at_b.next();
    REQUIRE(frame);
    REQUIRE(frame->size() == 14 + expected.size());
    CHECK(std::memcmp(frame->data() + 14 + 12, expected.data() + 12, expected.size() - 12) == 0);
    CHECK((*frame)[14 + 8] == std::byte{64});  // the TTL is its own
  }
  const std::vector<ByteView> long_one{too_long};
  CHECK(socket.send(long_one).first_error == std::errc::message_size);
  const std::vector<ByteView> lost_one{nowhere};
  CHECK(socket.send(lost_one).first_error == std::errc::network_unreachable);
}

TEST_CASE("a fragment is sent as the fragment it is") {
  enter_fresh_namespace();
  Veth veth;
  take(veth.links.add_address(veth.a, ip("192.0.2.1"), 24));
  run("ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev a nud permanent");
  auto socket = take(RawSocket::open(AF_INET, {.mark = 7}));
  Capture at_b{veth.b};
  Bytes fragment = udp_packet("192.0.2.1", "192.0.2.2", 16);
  iphdr header = *load<iphdr>(fragment);
  header.id = htons(0x1234);
  header.frag_off = htons(185);  // the second part, none after it
  std::memcpy(fragment.data(), &header, sizeof header);
  const std::vector<ByteView> packets{fragment};
  CHECK(socket.send(packets).sent == 1);
  const auto frame = at_b.next();
  REQUIRE(frame);
  const auto sent = load<iphdr>(ByteView{*frame}.subspan(14));
  CHECK(sent->id == htons(0x1234));
  CHECK(sent->frag_off == htons(185));
}

TEST_CASE("IPv6 packets likewise") {
  enter_fresh_namespace();
  Veth veth;
  take(veth.links.add_address(veth.a, ip("fd00::1"), 64));
  run("ip neigh add fd00::2 lladdr 02:00:00:00:00:02 dev a nud permanent");
  auto socket = take(RawSocket::open(AF_INET6));
  Capture at_b{veth.b};
  Bytes packet;
  ip6_hdr header{};
  header.ip6_flow = htonl(6U << 28U);
  header.ip6_plen = htons(8);
  header.ip6_nxt = IPPROTO_UDP;
  header.ip6_hlim = 33;
  inet_pton(AF_INET6, "fd00::99", &header.ip6_src);
  inet_pton(AF_INET6, "fd00::2", &header.ip6_dst);
  append(packet, header);
  append(packet, udphdr{{{htons(1), htons(4789), htons(8), htons(1)}}});
  const Bytes v4 = udp_packet("192.0.2.1", "192.0.2.2", 1);
  const std::vector<ByteView> packets{v4, packet};
  const auto sent = socket.send(packets);
  CHECK(sent.sent == 1);
  CHECK(sent.first_error == std::errc::invalid_argument);
  std::optional<Bytes> frame;
  do {
    frame = at_b.next();
    REQUIRE(frame);
  } while (frame->size() != 14 + packet.size());
  CHECK(std::memcmp(frame->data() + 14, packet.data(), packet.size()) == 0);
}

struct Datagram {
  iphdr ip;
  udphdr udp;
  Bytes payload;
};

std::optional<Datagram> read_datagram(Tun& tun) {
  const auto packet = read_one(tun);
  if (!packet || packet->size() < 28) return std::nullopt;
  const ByteView view{*packet};
  return Datagram{
      *load<iphdr>(view), *load<udphdr>(view.subspan(20)), {packet->begin() + 28, packet->end()}};
}

TEST_CASE("a run of datagrams arrives as the datagrams that it is of") {
  enter_fresh_namespace();
  WayOut out;
  out.add_address();
  auto socket = take(SegmentSocket::open(ip("192.0.2.1")));
  std::vector<Bytes> payloads;
  for (int i = 0; i < 64; ++i) payloads.emplace_back(i < 63 ? 100 : 60, static_cast<std::byte>(i));
  const std::vector<ByteView> views{payloads.begin(), payloads.end()};
  const Vtep to{ip("192.0.2.2"), 4790};
  CHECK_FALSE(socket.send({.to = to, .hop_limit = 9, .traffic_class = 2, .payloads = views}));
  std::set<std::uint16_t> ports;
  for (const auto& payload : payloads) {
    const auto datagram = read_datagram(out.tun);
    REQUIRE(datagram);
    CHECK(datagram->payload == payload);
    CHECK(datagram->ip.ttl == 9);
    CHECK(datagram->ip.tos == 2);
    CHECK(datagram->ip.frag_off == 0);
    CHECK(datagram->ip.saddr == inet_addr("192.0.2.1"));
    CHECK(ntohs(datagram->udp.dest) == 4790);
    ports.insert(datagram->udp.source);
  }
  CHECK(ports.size() == 1);
}

TEST_CASE("a run that cannot go is refused as a whole") {
  enter_fresh_namespace();
  WayOut out;
  auto socket = take(SegmentSocket::open(ip("192.0.2.1")));
  const Bytes payload(100), too_long(1473);
  const std::vector<ByteView> two{payload, payload}, long_ones{too_long, too_long};
  const std::vector<ByteView> too_many(65, payload);
  const Vtep to{ip("192.0.2.2")};
  CHECK(socket.send({.to = to, .payloads = two}));  // no such address here yet
  out.add_address();
  CHECK_FALSE(socket.send({.to = to, .payloads = two}));
  CHECK(socket.send({.to = to, .payloads = long_ones}));
  CHECK(socket.send({.to = to, .payloads = too_many}) == std::errc::invalid_argument);
  CHECK_FALSE(socket.send({.to = to, .payloads = {}}));
  CHECK(socket.send({.to = Vtep{ip("203.0.113.1")}, .payloads = two}) ==
        std::errc::network_unreachable);
}

constexpr const char* kRules = R"(nft -f - <<'RULES'
table bridge doves {
  chain ear {
    type filter hook prerouting priority 0;
    iifname "b" ether type arp log prefix "q b" group 77
    iifname "b" ether type 0x8035 log prefix "r b" group 77
  }
}
RULES)";

struct LogBench : Veth {
  IfIndex bridge =
      take(links.create_bridge("br", {}, {.up = true, .no_ipv6_addresses = true})).index;
  PacketSocket socket = take(PacketSocket::open());
  LogBench() {
    take(links.change(b, {.master = bridge}));
    run(kRules);
  }
  void send(const Bytes& frame, std::size_t times = 1) {
    const std::vector<OutgoingFrame> frames(times, OutgoingFrame{a, frame});
    CHECK(socket.send(frames).sent == times);
  }
};

TEST_CASE("an ARP request is logged with its port, its sender and all of itself") {
  enter_fresh_namespace();
  LogBench bench;
  auto listener = take(LogListener::open({.group = 77}));
  std::vector<LoggedPacket> packets;
  const Bytes frame = ethernet(ETHERTYPE_ARP, 60);
  bench.send(frame);
  REQUIRE(eventually([&] {
    take(listener.drain(packets));
    return !packets.empty();
  }));
  REQUIRE(packets.size() == 1);
  CHECK(packets[0].family == 7);
  CHECK(packets[0].ether_type == ETHERTYPE_ARP);
  CHECK(packets[0].prefix == "q b");
  CHECK(packets[0].port == bench.b);
  CHECK(packets[0].device == bench.bridge);
  CHECK(packets[0].source == mac("02:00:00:00:00:07"));
  CHECK(packets[0].mark == 0);
  REQUIRE(packets[0].link_header.size() == 14);
  CHECK(std::memcmp(packets[0].link_header.data(), frame.data(), 14) == 0);
  REQUIRE(packets[0].payload.size() == frame.size() - 14);
  CHECK(std::memcmp(packets[0].payload.data(), frame.data() + 14, frame.size() - 14) == 0);

  bench.send(ethernet(0x88b5, 60));  // no rule for it
  bench.send(ethernet(0x8035, 60));
  REQUIRE(eventually([&] {
    take(listener.drain(packets));
    return !packets.empty();
  }));
  REQUIRE(packets.size() == 1);
  CHECK(packets[0].ether_type == 0x8035);
  CHECK(packets[0].prefix == "r b");
}

TEST_CASE("what is longer than the copy range is cut, many are drained at once") {
  enter_fresh_namespace();
  LogBench bench;
  auto listener = take(LogListener::open({.group = 77, .copy_range = 64}));
  bench.send(ethernet(ETHERTYPE_ARP, 1000), 100);
  std::vector<LoggedPacket> packets;
  const auto drained = take(listener.drain(packets));
  CHECK(packets.size() == 100);
  CHECK_FALSE(drained.overrun);
  for (const auto& packet : packets) CHECK(packet.payload.size() == 64);
}

TEST_CASE("an overrun of the log is a value, and it works on") {
  enter_fresh_namespace();
  LogBench bench;
  auto listener = take(LogListener::open({.group = 77, .receive_buffer = 4096}));
  const Bytes frame = ethernet(ETHERTYPE_ARP, 60);
  const std::vector<OutgoingFrame> many(1000, OutgoingFrame{bench.a, frame});
  CHECK(bench.socket.send(many).sent > 500);  // the veth's own queue may be full, too
  std::vector<LoggedPacket> packets;
  std::size_t seen = 0;
  bool overrun = false;
  for (bool more = true; more;) {
    const auto drained = take(listener.drain(packets));
    seen += packets.size();
    overrun = overrun || drained.overrun;
    more = drained.more || drained.overrun;
  }
  CHECK(overrun);
  CHECK(seen < 500);
  bench.send(ethernet(ETHERTYPE_ARP, 60));
  take(listener.drain(packets));
  CHECK(packets.size() == 1);
}

TEST_CASE("a second listener to a group is refused") {
  enter_fresh_namespace();
  const auto first = take(LogListener::open({.group = 77}));
  const auto second = LogListener::open({.group = 77});
  REQUIRE_FALSE(second);
  CHECK(
      second.error().message ==
      "cannot listen to log group 77: another program listens to it, or CAP_NET_ADMIN is missing");
  CHECK(second.error().code == ErrorCode::kDenied);
  take(LogListener::open({.group = 78}));
}

}  // namespace
}  // namespace dove::netlink::test
