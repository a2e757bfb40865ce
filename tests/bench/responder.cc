// dove_bench_responder: the least that must be done for a miss, as fast as the system calls allow,
// with an answer that is known beforehand. What doved is measured against; nothing of doved's is in
// it.
//
//   notify DEVICE DESTINATION   an FDB entry for every L2 miss of the device, 64 in a batch with
//   one
//                               acknowledgement
//   punt TUN DESTINATION        every packet of the TUN sent on with only its outer destination
//                               rewritten, 64 at a time
//
// Says "ready" when it is, runs until SIGTERM, then prints what it did in one line of JSON.
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "netlink/file_descriptor.h"

namespace dove::bench {
namespace {

constexpr std::size_t kBatch = 64;
constexpr int kReceiveBuffer = 256 << 20;

volatile std::sig_atomic_t stopped = 0;

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::system_category(), what);
}

int check(int result, const char* what) {
  if (result < 0) fail(what);
  return result;
}

in_addr parse_destination(const char* text) {
  in_addr address{};
  if (::inet_pton(AF_INET, text, &address) != 1) {
    throw std::runtime_error(std::string{"not an IPv4 address: "} + text);
  }
  return address;
}

bool wait_readable(int fd) {
  pollfd readable{fd, POLLIN, 0};
  return ::poll(&readable, 1, 100) > 0;
}

// Slots for recvmmsg() and sendmmsg().
template <std::size_t Bytes>
struct Slots {
  Slots() {
    for (std::size_t i = 0; i < kBatch; ++i) {
      vectors[i] = {memory.data() + i * Bytes, Bytes};
      messages[i].msg_hdr.msg_iov = &vectors[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
  }
  std::uint8_t* slot(std::size_t i) { return memory.data() + i * Bytes; }

  std::vector<std::uint8_t> memory = std::vector<std::uint8_t>(kBatch * Bytes);
  std::array<iovec, kBatch> vectors{};
  std::array<mmsghdr, kBatch> messages{};
};

netlink::FileDescriptor open_netlink(unsigned groups) {
  const int fd =
      check(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), "netlink socket");
  netlink::FileDescriptor owner{fd};
  check(::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof kReceiveBuffer),
        "receive buffer");
  const int one = 1;
  check(::setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof one), "NETLINK_CAP_ACK");
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = groups;
  check(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind");
  return owner;
}

// Only misses: without it every entry we make comes back to us.
void accept_misses_only(int fd) {
  sock_filter code[] = {BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(nlmsghdr, nlmsg_type)),
                        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_GETNEIGH), 0, 1),
                        BPF_STMT(BPF_RET | BPF_K, 0xffffffff), BPF_STMT(BPF_RET | BPF_K, 0)};
  const sock_fprog program{static_cast<unsigned short>(std::size(code)), code};
  check(::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program), "filter");
}

class NotifyResponder {
 public:
  NotifyResponder(const char* device, in_addr destination)
      : misses_{open_netlink(RTMGRP_NEIGH)}, changes_{open_netlink(0)} {
    index_ = static_cast<int>(::if_nametoindex(device));
    if (index_ == 0) fail(device);
    accept_misses_only(misses_.get());
    for (Request& request : requests_) request = make_request(destination);
  }

  int fd() const { return misses_.get(); }

  void turn() {
    const int received =
        ::recvmmsg(misses_.get(), inbox_.messages.data(), kBatch, MSG_DONTWAIT, nullptr);
    if (received < 0) {
      if (errno == ENOBUFS) ++overruns_;
      return;
    }
    std::size_t count = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(received); ++i) {
      const std::uint8_t* mac = find_mac(inbox_.slot(i), inbox_.messages[i].msg_len);
      if (mac != nullptr) std::memcpy(requests_[count++].mac, mac, 6);
    }
    if (count != 0) install(count);
  }

  std::string report() const {
    return fmt::format(R"({{"answered": {}, "overruns": {}, "refused": {}}})", answered_, overruns_,
                       refused_);
  }

 private:
  struct Request {
    nlmsghdr header;
    ndmsg neighbour;
    nlattr mac_attribute;
    std::uint8_t mac[8];
    nlattr destination_attribute;
    in_addr destination;
  };

  Request make_request(in_addr destination) const {
    Request request{};
    request.header.nlmsg_len = sizeof request;
    request.header.nlmsg_type = RTM_NEWNEIGH;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE;
    request.neighbour.ndm_family = AF_BRIDGE;
    request.neighbour.ndm_ifindex = index_;
    request.neighbour.ndm_state = NUD_REACHABLE;
    request.neighbour.ndm_flags = NTF_SELF;
    request.mac_attribute = {NLA_HDRLEN + 6, NDA_LLADDR};
    request.destination_attribute = {NLA_HDRLEN + sizeof destination, NDA_DST};
    request.destination = destination;
    return request;
  }

  // In a notification of ours about an L2 miss; nullptr otherwise.
  const std::uint8_t* find_mac(const std::uint8_t* bytes, std::size_t size) const {
    nlmsghdr header;
    ndmsg neighbour;
    if (size < sizeof header + sizeof neighbour) return nullptr;
    std::memcpy(&header, bytes, sizeof header);
    std::memcpy(&neighbour, bytes + sizeof header, sizeof neighbour);
    if (header.nlmsg_type != RTM_GETNEIGH || neighbour.ndm_ifindex != index_) return nullptr;
    std::size_t at = sizeof header + sizeof neighbour;
    while (at + sizeof(nlattr) <= size) {
      nlattr attribute;
      std::memcpy(&attribute, bytes + at, sizeof attribute);
      if (attribute.nla_len < sizeof attribute || at + attribute.nla_len > size) return nullptr;
      if (attribute.nla_type == NDA_LLADDR) return bytes + at + NLA_HDRLEN;
      at += NLA_ALIGN(attribute.nla_len);
    }
    return nullptr;
  }

  void install(std::size_t count) {
    Request& last = requests_[count - 1];
    last.header.nlmsg_flags |= NLM_F_ACK;
    if (::send(changes_.get(), requests_.data(), count * sizeof(Request), 0) < 0) fail("send");
    last.header.nlmsg_flags &= static_cast<std::uint16_t>(~NLM_F_ACK);
    read_fence();
    answered_ += count;
  }

  // Refusals come before the last one's acknowledgement.
  void read_fence() {
    std::array<std::uint8_t, 8192> buffer;
    for (;;) {
      const ssize_t size = ::recv(changes_.get(), buffer.data(), buffer.size(), 0);
      if (size < 0 && errno == EINTR) continue;
      if (size < static_cast<ssize_t>(sizeof(nlmsghdr) + sizeof(nlmsgerr))) fail("acknowledgement");
      nlmsgerr verdict;
      std::memcpy(&verdict, buffer.data() + sizeof(nlmsghdr), sizeof verdict);
      if (verdict.error == 0) return;
      ++refused_;
    }
  }

  netlink::FileDescriptor misses_;
  netlink::FileDescriptor changes_;
  int index_ = 0;
  Slots<256> inbox_;
  std::array<Request, kBatch> requests_;
  std::uint64_t answered_ = 0;
  std::uint64_t overruns_ = 0;
  std::uint64_t refused_ = 0;
};

netlink::FileDescriptor open_tun(const char* name) {
  const int fd = check(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), "/dev/net/tun");
  netlink::FileDescriptor owner{fd};
  ifreq request{};
  std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  check(::ioctl(fd, TUNSETIFF, &request), name);
  return owner;
}

netlink::FileDescriptor open_raw(in_addr destination) {
  const int fd = check(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW), "raw socket");
  netlink::FileDescriptor owner{fd};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr = destination;
  check(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), "connect");
  return owner;
}

// RFC 1624: the checksum of what changed from `before` to `after`.
std::uint16_t update_checksum(std::uint16_t sum, std::uint32_t before, std::uint32_t after) {
  std::uint32_t total = static_cast<std::uint16_t>(~sum);
  total +=
      static_cast<std::uint16_t>(~before & 0xffffU) + static_cast<std::uint16_t>(~before >> 16U);
  total += (after & 0xffffU) + (after >> 16U);
  while (total >> 16U != 0) total = (total & 0xffffU) + (total >> 16U);
  return static_cast<std::uint16_t>(~total);
}

class PuntResponder {
 public:
  PuntResponder(const char* tun, in_addr destination)
      : tun_{open_tun(tun)}, raw_{open_raw(destination)}, destination_{destination} {}

  int fd() const { return tun_.get(); }

  void turn() {
    std::size_t count = 0;
    while (count < kBatch) {
      const ssize_t size = ::read(tun_.get(), slots_.slot(count), kSlot);
      if (size < 0) break;
      if (!redirect(slots_.slot(count), static_cast<std::size_t>(size))) continue;
      slots_.vectors[count++].iov_len = static_cast<std::size_t>(size);
    }
    read_ += count;
    for (std::size_t sent = 0; sent < count;) {
      const int done =
          ::sendmmsg(raw_.get(), &slots_.messages[sent], static_cast<unsigned>(count - sent), 0);
      if (done <= 0) ++errors_;
      sent += static_cast<std::size_t>(std::max(done, 1));
    }
  }

  std::string report() const {
    return fmt::format(R"({{"answered": {}, "errors": {}}})", read_, errors_);
  }

 private:
  static constexpr std::size_t kSlot = 2048;

  bool redirect(std::uint8_t* packet, std::size_t size) const {
    iphdr ip;
    udphdr udp;
    if (size < sizeof ip + sizeof udp || packet[0] != 0x45) return false;
    std::memcpy(&ip, packet, sizeof ip);
    std::memcpy(&udp, packet + sizeof ip, sizeof udp);
    if (ip.protocol != IPPROTO_UDP) return false;
    if (udp.check != 0) udp.check = update_checksum(udp.check, ip.daddr, destination_.s_addr);
    ip.daddr = destination_.s_addr;
    std::memcpy(packet, &ip, sizeof ip);  // its checksum is the kernel's work
    std::memcpy(packet + sizeof ip, &udp, sizeof udp);
    return true;
  }

  netlink::FileDescriptor tun_;
  netlink::FileDescriptor raw_;
  in_addr destination_;
  Slots<kSlot> slots_;
  std::uint64_t read_ = 0;
  std::uint64_t errors_ = 0;
};

template <class Responder>
void serve(Responder responder) {
  fmt::print("ready\n");
  std::fflush(stdout);
  while (stopped == 0) {
    if (wait_readable(responder.fd())) responder.turn();
  }
  fmt::print("{}\n", responder.report());
}

void stop_on_sigterm() {
  struct sigaction action {};
  action.sa_handler = [](int) { stopped = 1; };
  ::sigaction(SIGTERM, &action, nullptr);
}

void run(std::string_view kind, const char* device, const char* destination) {
  stop_on_sigterm();
  if (kind == "notify") return serve(NotifyResponder{device, parse_destination(destination)});
  if (kind == "punt") return serve(PuntResponder{device, parse_destination(destination)});
  throw std::runtime_error("notify or punt, not " + std::string{kind});
}

}  // namespace
}  // namespace dove::bench

int main(int argc, char** argv) {
  if (argc != 4) {
    fmt::print(stderr, "usage: dove_bench_responder notify|punt DEVICE DESTINATION\n");
    return 1;
  }
  try {
    dove::bench::run(argv[1], argv[2], argv[3]);
  } catch (const std::exception& problem) {
    fmt::print(stderr, "dove_bench_responder: {}\n", problem.what());
    return 2;
  }
  return 0;
}
