#include "tests/bench/ping_guest.h"

#include <linux/icmp.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <span>
#include <stdexcept>
#include <system_error>

#include "netlink/dump.h"
#include "netlink/neighbour.h"
#include "tests/bench/must.h"
#include "tests/bench/netns.h"

namespace dove::bench {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kPayload = 56;  // as ping(8)

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::system_category(), what);
}

netlink::FileDescriptor open_echo_socket() {
  const int fd = ::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMP);
  if (fd < 0) fail("raw ICMP socket");
  netlink::FileDescriptor owner{fd};
  const icmp_filter only_answers{~(1U << ICMP_ECHOREPLY)};
  if (::setsockopt(fd, SOL_RAW, ICMP_FILTER, &only_answers, sizeof only_answers) != 0) {
    fail("ICMP filter");
  }
  return owner;
}

std::uint16_t identifier() { return static_cast<std::uint16_t>(::getpid()); }

std::uint16_t checksum(std::span<const std::uint8_t> bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
    sum += static_cast<std::uint32_t>(bytes[i] << 8U | bytes[i + 1]);
  }
  while (sum >> 16U != 0) sum = (sum & 0xffffU) + (sum >> 16U);
  return static_cast<std::uint16_t>(~sum);
}

std::array<std::uint8_t, sizeof(icmphdr) + kPayload> echo_request(std::uint16_t sequence) {
  std::array<std::uint8_t, sizeof(icmphdr) + kPayload> packet{};
  icmphdr header{};
  header.type = ICMP_ECHO;
  header.un.echo.id = htons(identifier());
  header.un.echo.sequence = htons(sequence);
  std::memcpy(packet.data(), &header, sizeof header);
  header.checksum = htons(checksum(packet));
  std::memcpy(packet.data(), &header, sizeof header);
  return packet;
}

sockaddr_in to_sockaddr(const IpAddress& ip) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(ip.v4_host_order());
  return address;
}

}  // namespace

struct PingGuest::Opened {
  IfIndex device;
  netlink::FileDescriptor echo;
  netlink::Query query;
  netlink::Batch batch;
};

PingGuest::Opened PingGuest::open_inside(const std::string& netns) {
  const Inside inside{netns};
  return {device_index("eth0"), open_echo_socket(), must(netlink::Query::open()),
          must(netlink::Batch::open())};
}

PingGuest::PingGuest(const std::string& netns, const MacAddress& mac, const IpAddress& ip)
    : PingGuest{open_inside(netns), mac, ip} {}

PingGuest::PingGuest(Opened&& opened, const MacAddress& mac, const IpAddress& ip)
    : mac_{mac},
      ip_{ip},
      device_{opened.device},
      echo_{std::move(opened.echo)},
      query_{std::move(opened.query)},
      batch_{std::move(opened.batch)} {}

bool PingGuest::resolves(const IpAddress& ip) {
  const auto entry = must(netlink::find_neighbour(query_, device_, ip));
  return entry && !entry->mac.is_zero() && entry->state != netlink::State::kFailed;
}

void PingGuest::forget(const IpAddress& ip) {
  add(batch_, netlink::Change::kDelete, netlink::NeighbourEntry{.device = device_, .ip = ip});
  for (const auto& verdict : batch_.commit()) {
    if (!verdict.ok() && verdict.error.value() != ENOENT) {
      throw std::runtime_error("cannot flush a guest's ARP entry: " + verdict.to_string());
    }
  }
}

std::optional<std::chrono::nanoseconds> PingGuest::ping(const IpAddress& to,
                                                        std::chrono::milliseconds patience) {
  const auto packet = echo_request(++sequence_);
  const sockaddr_in address = to_sockaddr(to);
  const auto sent = Clock::now();
  if (::sendto(echo_.get(), packet.data(), packet.size(), 0,
               reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
    fail("echo request");
  }
  for (;;) {
    if (is_answer(sequence_, to)) return Clock::now() - sent;
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(patience - (Clock::now() - sent));
    if (left.count() <= 0) return std::nullopt;
    pollfd readable{echo_.get(), POLLIN, 0};
    ::poll(&readable, 1, static_cast<int>(left.count()));
  }
}

// Reads until the answer or until nothing is left; answers to earlier requests are passed over.
bool PingGuest::is_answer(std::uint16_t sequence, const IpAddress& from) {
  std::array<std::uint8_t, 2048> buffer;
  for (;;) {
    const ssize_t size = ::recv(echo_.get(), buffer.data(), buffer.size(), 0);
    if (size < 0) return false;
    iphdr ip;
    icmphdr icmp;
    const std::size_t header = (buffer[0] & 0x0fU) * 4U;
    if (static_cast<std::size_t>(size) < header + sizeof icmp || header < sizeof ip) continue;
    std::memcpy(&ip, buffer.data(), sizeof ip);
    std::memcpy(&icmp, buffer.data() + header, sizeof icmp);
    if (ntohl(ip.saddr) == from.v4_host_order() && ntohs(icmp.un.echo.id) == identifier() &&
        ntohs(icmp.un.echo.sequence) == sequence) {
      return true;
    }
  }
}

}  // namespace dove::bench
