// dove_bench_misses: frames from one guest to distinct MACs that its host does not know, and how
// soon each is dealt with. A frame that nobody dealt with is sent again, as a guest would.
//
// Self-clocked: at most --window frames are under way, 0 for no limit. What a frame must have
// caused is said by --table (an FDB entry), --receiver (it came out of another host's VXLAN device)
// or both; the time runs from before the first frame until all of it is there. Entries are counted
// by a dump afterwards.
//
// Prints one object of JSON.
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <sys/socket.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <exception>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "core/mac_address.h"
#include "fmt/core.h"
#include "netlink/file_descriptor.h"
#include "tests/bench/netns.h"
#include "tests/bench/receive_counter.h"
#include "tests/bench/vxlan_table.h"

namespace dove::bench {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kBatch = 64;
constexpr auto kPoll = std::chrono::microseconds{50};
constexpr auto kStall = std::chrono::milliseconds{100};  // no progress so long: something was lost
constexpr int kRounds = 20;

struct Options {
  std::string netns;  // of the guest
  std::string device = "eth0";
  std::string source;
  std::string first;  // the first destination; the others follow by number
  std::size_t count = 10000;
  std::size_t window = 0;
  std::string table;     // NETNS:DEVICE
  std::string receiver;  // likewise
  bool clear = false;
};

struct Place {
  std::string netns;
  std::string device;
};

Place parse_place(const std::string& text) {
  const auto colon = text.find(':');
  if (colon == std::string::npos) throw CLI::ValidationError("not NETNS:DEVICE: " + text);
  return {text.substr(0, colon), text.substr(colon + 1)};
}

MacAddress parse_mac(const std::string& text) {
  const auto mac = MacAddress::parse(text);
  if (!mac) throw CLI::ValidationError("not a MAC address: " + text);
  return *mac;
}

std::vector<MacAddress> numbered_macs(const MacAddress& first, std::size_t count) {
  std::uint64_t number = 0;
  for (const std::uint8_t byte : first.bytes()) number = number << 8U | byte;
  std::vector<MacAddress> macs;
  macs.reserve(count);
  for (; macs.size() < count; ++number) {
    MacAddress::Bytes bytes;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = static_cast<std::uint8_t>(number >> (8U * (bytes.size() - 1 - i)));
    }
    macs.emplace_back(bytes);
  }
  return macs;
}

// The guest: frames of the shortest kind out of its device.
class Guest {
 public:
  Guest(const std::string& netns, const std::string& device, const MacAddress& source)
      : socket_{open(netns, device)} {
    for (std::size_t i = 0; i < kBatch; ++i) {
      frames_[i].fill(0);
      std::copy(source.bytes().begin(), source.bytes().end(), frames_[i].begin() + ETH_ALEN);
      frames_[i][12] = 0x88;  // IEEE 802 local experimental
      frames_[i][13] = 0xb5;
      vectors_[i] = {frames_[i].data(), frames_[i].size()};
      messages_[i].msg_hdr.msg_iov = &vectors_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
    }
  }

  // At most kBatch destinations.
  void send(std::span<const MacAddress> destinations) {
    for (std::size_t i = 0; i < destinations.size(); ++i) {
      const auto& bytes = destinations[i].bytes();
      std::copy(bytes.begin(), bytes.end(), frames_[i].begin());
    }
    for (std::size_t sent = 0; sent < destinations.size();) {
      const int done = ::sendmmsg(socket_.get(), &messages_[sent],
                                  static_cast<unsigned>(destinations.size() - sent), 0);
      if (done > 0) sent += static_cast<std::size_t>(done);
      if (done < 0 && errno != ENOBUFS && errno != EINTR) {
        throw std::system_error(errno, std::system_category(), "frame");
      }
    }
  }

 private:
  static netlink::FileDescriptor open(const std::string& netns, const std::string& device) {
    const Inside inside{netns};
    netlink::FileDescriptor fd{::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)};
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_ifindex = static_cast<int>(device_index(device));
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    if (::bind(fd.get(), generic, sizeof address) != 0) {
      throw std::system_error(errno, std::system_category(), "packet socket");
    }
    return fd;
  }

  netlink::FileDescriptor socket_;
  std::array<std::array<std::uint8_t, ETH_ZLEN>, kBatch> frames_;
  std::array<iovec, kBatch> vectors_{};
  std::array<mmsghdr, kBatch> messages_{};
};

// How far those who deal with the frames have come.
class Observer {
 public:
  explicit Observer(const Options& options) {
    if (!options.table.empty()) {
      const Place place = parse_place(options.table);
      table_.emplace(place.netns, place.device);
    }
    if (!options.receiver.empty()) {
      const Place place = parse_place(options.receiver);
      receiver_.emplace(place.netns, place.device);
    }
    if (!table_ && !receiver_) throw CLI::ValidationError("--table or --receiver is needed");
  }

  VxlanTable* table() { return table_ ? &*table_ : nullptr; }
  bool counts_frames() const { return receiver_.has_value(); }
  std::uint64_t received() { return receiver_ ? receiver_->packets() : 0; }

 private:
  std::optional<VxlanTable> table_;
  std::optional<ReceiveCounter> receiver_;
};

// Sends a list of destinations, no more than the window ahead of what is dealt with.
class Sender {
 public:
  Sender(Guest& guest, Observer& observer, std::size_t window)
      : guest_{guest}, observer_{observer}, window_{window} {}

  // Returns when the last is dealt with, or nothing has moved for kStall.
  void run(std::span<const MacAddress> macs) {
    macs_ = macs;
    sent_ = done_ = lost_ = 0;
    received_before_ = observer_.received();
    progress_ = Clock::now();
    while (sent_ < macs.size()) {
      if (!has_room()) continue;
      const std::size_t batch = std::min(kBatch, macs.size() - sent_);
      guest_.send(macs.subspan(sent_, batch));
      sent_ += batch;
    }
    if (window_ == 0) progress_ = Clock::now();
    while (done_ < macs.size() && !stalled()) wait();
  }
  Clock::time_point last_progress() const { return progress_; }

 private:
  bool has_room() {
    if (window_ == 0 || sent_ - done_ < window_) return true;
    wait();
    // What is missing by now is lost: go on, the next round repeats it.
    if (stalled()) {
      lost_ += sent_ - done_;
      advance(sent_);
    }
    return false;
  }
  bool stalled() const { return Clock::now() - progress_ > kStall; }

  void wait() {
    const std::size_t done = look();
    if (done > done_) return advance(done);
    std::this_thread::sleep_for(kPoll);
  }
  void advance(std::size_t done) {
    done_ = done;
    progress_ = Clock::now();
  }

  // Frames are counted without a lock of the kernel's; a look into the table takes the one that
  // entries are made under. That every entry was made is found out at the end.
  std::size_t look() {
    if (observer_.counts_frames())
      return std::min<std::size_t>(sent_, lost_ + observer_.received() - received_before_);
    return look(*observer_.table());
  }
  // Entries come in order, by the batch: one look a batch will do.
  std::size_t look(VxlanTable& table) const {
    std::size_t done = done_;
    while (done < sent_) {
      const std::size_t next = std::min(done + kBatch, sent_);
      if (!table.forwards(macs_[next - 1])) break;
      done = next;
    }
    return done;
  }

  Guest& guest_;
  Observer& observer_;
  std::size_t window_;
  std::span<const MacAddress> macs_;
  std::size_t sent_ = 0;
  std::size_t done_ = 0;
  std::size_t lost_ = 0;
  std::uint64_t received_before_ = 0;
  Clock::time_point progress_;
};

std::vector<MacAddress> missing(Observer& observer, std::span<const MacAddress> macs) {
  std::vector<MacAddress> absent;
  if (observer.table() == nullptr) return absent;
  const auto present = observer.table()->forwarded();
  for (const auto& mac : macs) {
    if (!present.contains(mac)) absent.push_back(mac);
  }
  return absent;
}

nlohmann::json measure(const Options& options) {
  Guest guest{options.netns, options.device, parse_mac(options.source)};
  Observer observer{options};
  const auto macs = numbered_macs(parse_mac(options.first), options.count);
  Sender sender{guest, observer, options.window};
  const std::uint64_t before = observer.received();
  const auto begin = Clock::now();
  sender.run(macs);
  std::size_t resent = 0;
  auto absent = missing(observer, macs);
  for (int round = 0; round < kRounds && !absent.empty(); ++round) {
    resent += absent.size();
    sender.run(absent);
    absent = missing(observer, macs);
  }
  const std::chrono::duration<double> taken = sender.last_progress() - begin;
  const std::uint64_t received = observer.received() - before;
  nlohmann::json result{{"sent", macs.size()}, {"resent", resent}, {"seconds", taken.count()}};
  if (observer.counts_frames()) result["received"] = received;
  if (observer.table() != nullptr) result["installed"] = macs.size() - absent.size();
  return result;
}

nlohmann::json clear(const Options& options) {
  Observer observer{options};
  if (observer.table() == nullptr) throw CLI::ValidationError("--clear needs --table");
  const auto macs = numbered_macs(parse_mac(options.first), options.count);
  observer.table()->remove(macs);
  return {{"left", observer.table()->forwarded().size()}};
}

Options parse(int argc, char** argv, CLI::App& app) {
  Options options;
  app.add_option("--netns", options.netns, "the guest's");
  app.add_option("--dev", options.device);
  app.add_option("--source", options.source, "the guest's MAC");
  app.add_option("--first", options.first, "the first destination")->required();
  app.add_option("--count", options.count);
  app.add_option("--window", options.window, "frames under way; 0: as fast as it goes");
  app.add_option("--table", options.table, "NETNS:DEVICE whose FDB must have the entries");
  app.add_option("--receiver", options.receiver, "NETNS:DEVICE that must receive the frames");
  app.add_flag("--clear", options.clear, "only remove the destinations' entries from --table");
  app.parse(argc, argv);
  return options;
}

}  // namespace
}  // namespace dove::bench

int main(int argc, char** argv) {
  CLI::App app{"Misses as fast as they are answered"};
  try {
    const auto options = dove::bench::parse(argc, argv, app);
    const auto result = options.clear ? dove::bench::clear(options) : dove::bench::measure(options);
    fmt::print("{}\n", result.dump());
  } catch (const CLI::Error& problem) {
    return app.exit(problem);
  } catch (const std::exception& problem) {
    fmt::print(stderr, "dove_bench_misses: {}\n", problem.what());
    return 2;
  }
  return 0;
}
