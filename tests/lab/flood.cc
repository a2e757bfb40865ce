// dove_flood: frames out of one device as fast as the kernel takes them, or at a rate, from a
// packet socket. What a guest that means harm would run.
//
//   unknown   unicast to a new random MAC each time
//   groups    likewise to a multicast MAC
//   arp       ARP requests for a new address of --target's /17 each time
//   garp      gratuitous ARPs for the guest's own address, all alike
//   same-arp  ARP requests for one address (--target)
//   ask       ARP requests or neighbour solicitations for --target, the address behind it, the next
//             and so on, --span of them, then from the first again
//   routed    UDP datagrams to those, by the router with MAC --router
//
// Prints one line, at its end or when it is told to end (SIGTERM): frames sent, seconds, frames per
// second.
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <system_error>
#include <thread>

#include "core/mac_address.h"
#include "fmt/core.h"
#include "tests/lab/scan_frames.h"

namespace {

using Clock = std::chrono::steady_clock;
using Frame = std::array<std::uint8_t, 60>;
using dove::lab::Bytes;

volatile std::sig_atomic_t stopped = 0;

constexpr std::size_t kBatch = 64;
constexpr std::size_t kArpBody = 14;

struct Options {
  std::string kind;
  std::string device = "eth0";
  std::string mac;
  std::string ip = "0.0.0.0";
  std::string target = "0.0.0.0";
  std::string router;
  std::uint64_t span = 1U << 20U;
  double seconds = 1.0;
  std::uint64_t count = 0;  // 0: until the time is over
  double rate = 0;          // frames a second; 0: as fast as it goes
};

using Octets = std::array<std::uint8_t, 4>;

Octets ip_octets(const std::string& text) {
  Octets octets{};
  if (inet_pton(AF_INET, text.c_str(), octets.data()) != 1) {
    throw CLI::ValidationError("no IPv4 address: " + text);
  }
  return octets;
}

class Source {
 public:
  virtual ~Source() = default;
  virtual std::span<const std::uint8_t> next() = 0;
};

template <class Value>
Value parse(const std::string& text, const char* kind) {
  const auto value = Value::parse(text);
  if (!value) throw CLI::ValidationError(fmt::format("no {}: {}", kind, text));
  return *value;
}

class Scan final : public Source {
 public:
  explicit Scan(const Options& options)
      : who_{parse<dove::MacAddress>(options.mac, "MAC address"),
             parse<dove::IpAddress>(options.ip, "IP address")},
        first_{parse<dove::IpAddress>(options.target, "IP address")},
        span_{options.span} {
    if (options.kind == "routed") router_ = parse<dove::MacAddress>(options.router, "MAC address");
  }

  std::span<const std::uint8_t> next() override {
    const auto target = dove::lab::behind(first_, sent_++ % span_);
    frame_ =
        router_ ? dove::lab::datagram(who_, *router_, target) : dove::lab::question(who_, target);
    return frame_;
  }

 private:
  const dove::lab::Scanner who_;
  const dove::IpAddress first_;
  const std::uint64_t span_;
  std::optional<dove::MacAddress> router_;
  std::uint64_t sent_ = 0;
  Bytes frame_;
};

class Template final : public Source {
 public:
  explicit Template(const Options& options)
      : groups_(options.kind == "groups"),
        random_(groups_ || options.kind == "unknown"),
        scan_(options.kind == "arp") {
    const auto mac = parse<dove::MacAddress>(options.mac, "MAC address");
    std::copy(mac.bytes().begin(), mac.bytes().end(), frame_.begin() + 6);
    if (random_) {
      set_type(0x88b5);
      return;
    }
    std::fill_n(frame_.begin(), 6, std::uint8_t{0xff});
    set_type(ETHERTYPE_ARP);
    fill_arp(ip_octets(options.ip),
             ip_octets(options.kind == "garp" ? options.ip : options.target));
  }

  std::span<const std::uint8_t> next() override {
    if (random_) {
      const std::uint64_t bits = engine_();
      std::memcpy(frame_.data(), &bits, 6);
      frame_[0] = static_cast<std::uint8_t>((frame_[0] & 0xfcU) | (groups_ ? 0x03U : 0x02U));
    } else if (scan_) {
      const std::uint64_t bits = engine_();
      frame_[kArpBody + 26] = static_cast<std::uint8_t>(net_ | (bits & 0x7fU));
      frame_[kArpBody + 27] = static_cast<std::uint8_t>(bits >> 8U);
    }
    return frame_;
  }

 private:
  void set_type(std::uint16_t type) {
    frame_[12] = static_cast<std::uint8_t>(type >> 8U);
    frame_[13] = static_cast<std::uint8_t>(type & 0xffU);
  }
  void fill_arp(const Octets& sender, const Octets& target) {
    constexpr std::array<std::uint8_t, 8> kRequest{0, 1, 8, 0, 6, 4, 0, 1};
    std::copy(kRequest.begin(), kRequest.end(), frame_.begin() + kArpBody);
    std::copy_n(frame_.begin() + 6, 6, frame_.begin() + kArpBody + 8);
    std::copy(sender.begin(), sender.end(), frame_.begin() + kArpBody + 14);
    std::copy(target.begin(), target.end(), frame_.begin() + kArpBody + 24);
    net_ = target[2] & 0x80U;
  }

  bool groups_;
  bool random_;
  bool scan_;
  unsigned net_ = 0;  // the bit of the third octet that an ARP scan leaves alone
  Frame frame_{};
  std::mt19937_64 engine_{std::random_device{}()};
};

int open_device(const std::string& name) {
  const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "packet socket");
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_ifindex = static_cast<int>(if_nametoindex(name.c_str()));
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw std::system_error(errno, std::generic_category(), "device " + name);
  }
  return fd;
}

std::size_t send_batch(int fd, Source& source, std::size_t wanted) {
  std::array<Bytes, kBatch> frames;
  std::array<iovec, kBatch> vectors{};
  std::array<mmsghdr, kBatch> messages{};
  for (std::size_t i = 0; i < wanted; ++i) {
    const auto frame = source.next();
    frames[i].assign(frame.begin(), frame.end());
    vectors[i] = {frames[i].data(), frames[i].size()};
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  const int sent = sendmmsg(fd, messages.data(), static_cast<unsigned>(wanted), 0);
  if (sent >= 0) return static_cast<std::size_t>(sent);
  if (errno == ENOBUFS || errno == EAGAIN || errno == EINTR) return 0;
  throw std::system_error(errno, std::generic_category(), "send");
}

double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// How many frames may go now; 0: wait a little.
std::size_t allowance(const Options& options, std::uint64_t sent, double elapsed) {
  std::size_t room = kBatch;
  if (options.count != 0) room = std::min<std::size_t>(room, options.count - sent);
  if (options.rate > 0) {
    const auto due = static_cast<std::uint64_t>(elapsed * options.rate) + 1;
    room = std::min<std::size_t>(room, due > sent ? due - sent : 0);
  }
  return room;
}

std::unique_ptr<Source> source_of(const Options& options) {
  if (options.kind == "ask" || options.kind == "routed") return std::make_unique<Scan>(options);
  return std::make_unique<Template>(options);
}

void flood(const Options& options) {
  const auto source = source_of(options);
  const int fd = open_device(options.device);
  const auto start = Clock::now();
  std::uint64_t sent = 0;
  while (stopped == 0 && since(start) < options.seconds &&
         (options.count == 0 || sent < options.count)) {
    const std::size_t room = allowance(options, sent, since(start));
    if (room == 0) {
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    } else {
      sent += send_batch(fd, *source, room);
    }
  }
  const double seconds = since(start);
  close(fd);
  fmt::print("{} frames in {:.3f} s: {:.0f}/s\n", sent, seconds,
             static_cast<double>(sent) / seconds);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"Sends frames as fast as the kernel takes them"};
  app.add_option("kind", options.kind, "unknown, arp, garp, same-arp, ask or routed")
      ->required()
      ->check(CLI::IsMember({"unknown", "groups", "arp", "garp", "same-arp", "ask", "routed"}));
  app.add_option("--mac", options.mac, "source MAC")->required();
  app.add_option("--dev", options.device);
  app.add_option("--ip", options.ip, "sender's address");
  app.add_option("--target", options.target, "subnet (arp), address (same-arp), or the first one");
  app.add_option("--router", options.router, "the router's MAC (routed)");
  app.add_option("--span", options.span, "how many addresses (ask, routed)")
      ->check(CLI::PositiveNumber);
  app.add_option("--seconds", options.seconds);
  app.add_option("--count", options.count);
  app.add_option("--rate", options.rate);
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGTERM, [](int) { stopped = 1; });
  try {
    flood(options);
  } catch (const std::exception& problem) {
    fmt::print(stderr, "dove_flood: {}\n", problem.what());
    return 2;
  }
  return 0;
}
