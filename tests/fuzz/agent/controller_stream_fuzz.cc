// A controller says whatever it likes to what decides in an agent: resolver, ports, replicas. What
// comes of it is fit for the kernel: no list leads back to this host or twice to another, entries
// are of guests and of networks that are here; and a port is off the bridge only after word of its
// own endpoint.
#include <google/protobuf/stubs/logging.h>

#include <set>

#include "agent/knowledge.h"
#include "agent/ports.h"
#include "agent/resolver.h"
#include "agent/session_reader.h"
#include "tests/fuzz/agent/must.h"
#include "tests/fuzz/maker.h"
#include "tests/unit/agent/fakes.h"

namespace dove::agent::fuzz {
namespace {

// The library would write a line about every string that is no UTF-8.
[[maybe_unused]] const auto kQuiet = google::protobuf::SetLogHandler(nullptr);

const HostId kSelf{1};
const Vtep kOwn{IpAddress::v4(0xc0000201)};
const Vni kNetworks[] = {*Vni::from(100), *Vni::from(101)};
const MacKey kGuest{kNetworks[0], MacAddress{{2, 0, 0, 0, 0, 1}}};

class Host final : public DirectoryListener {
 public:
  Host() : resolver_{limits()}, ports_{directory_, port_host_} {
    reader_.set_self(kSelf, kOwn);
    resolver_.set_self(kSelf);
    for (const auto vni : kNetworks) {
      resolver_.add_network(vni, actions_);
      (void)knowledge_.set_network({.vni = vni, .name = "n", .tenant = "t"});
      knowledge_.set_replica(vni, {});
    }
    resolver_.set_router(kNetworks[0],
                         Router{MacAddress{{2, 0xd0, 0, 0, 0, 1}}, {IpAddress::v4(0x0a0100fe)}});
    resolver_.add_local(kGuest, actions_);
    port_host_.devices = {"tap0"};
    directory_.add_endpoint("e0", "n0", 100, "02:00:00:00:00:01");
    ports_.add({.dev = "tap0", .endpoint = "e0"},
               [](const Result<Port>& added) { must(added.ok()); });
    directory_.run();
    on_session_ready(true, kSelf);
    judge();
  }

  void hear(const v1::FromController& message) {
    lost_ = false;
    reader_.read(message);
    directory_.run();
    judge();
  }
  // A guest wants to know an address; its host asks.
  void want(std::uint32_t n) {
    const IpKey key{kNetworks[n % 2], IpAddress::v4(0x0a010000U + n / 2)};
    resolver_.on_event(IpMiss{key}, now_, actions_);
    judge();
  }
  void pass(std::chrono::milliseconds time) {
    now_ += time;
    resolver_.on_time(now_, actions_);
    judge();
  }

  void on_session_ready(bool new_store, HostId) override {
    resolver_.on_session_ready(new_store, now_, actions_);
  }
  void on_session_lost(const Error&, bool) override {}
  void on_hosts(std::span<const HostRecord> hosts, bool full) override {
    std::vector<Resolver::HostChange> changes;
    for (const auto& host : hosts) changes.push_back({.id = host.id, .vtep = host.vtep});
    resolver_.on_hosts(changes, full, actions_);
  }
  void on_bindings(std::span<const BindingRecord> bindings) override {
    for (const auto& binding : bindings)
      std::visit([&](const auto& one) { resolver_.on_binding(one, now_, actions_); }, binding);
  }
  void on_flood_list(Vni vni, std::span<const HostId> add, std::span<const HostId> remove,
                     bool full) override {
    resolver_.on_flood_list(vni, add, remove, full, actions_);
  }
  void on_group_list(Vni vni, const std::optional<MacAddress>& group, std::span<const HostId> add,
                     std::span<const HostId> remove, bool full) override {
    resolver_.on_group_list(vni, group, add, remove, full, actions_);
  }
  void on_network(const NetworkSettings& settings) override {
    ports_.on_network(settings);
    if (knowledge_.has_network(settings.vni)) (void)knowledge_.set_network(settings);
  }
  void on_lost(const Attachment& attachment) override {
    lost_ = attachment.endpoint == "e0";
    ports_.on_lost(attachment);
  }
  void on_network_gone(Vni vni) override { ports_.on_network_gone(vni); }
  void on_readdressed(const Attachment& attachment) override { ports_.on_readdressed(attachment); }
  void on_replica(const ReplicaWord& word) override {
    if (auto* replica = knowledge_.replica(word.vni)) (void)replica->take(word);
  }
  void on_resync(const std::optional<Vni>&) override {
    resolver_.on_session_ready(false, now_, actions_);
  }
  void on_sync(std::uint64_t, std::uint64_t) override {}

 private:
  static Limits limits() {
    Limits limits;
    limits.keys_per_network = 16;
    limits.groups_per_network = 4;
    return limits;
  }

  void judge() {
    for (const auto& change : actions_.kernel)
      std::visit([](const auto& one) { fit(one); }, change);
    actions_.clear();
    must(resolver_.usage().unresolved_keys <= 2 * limits().keys_per_network);
    judge_port();
    for (const auto vni : kNetworks)
      for (std::uint8_t n = 0; n < 8; ++n) {
        const auto answer = knowledge_.answer(IpKey{vni, IpAddress::v4(0x0a010000U + n)}, true);
        if (answer && answer->ip) must(answer->ip->key.vni == vni);
      }
  }
  void judge_port() {
    const bool on_bridge = port_host_.ports.contains("tap0");
    must(on_bridge || lost_ || off_);
    off_ = !on_bridge;
  }
  static void fit(Vni vni) { must(vni == kNetworks[0] || vni == kNetworks[1]); }
  static void fit(const SetFdb& set) {
    fit(set.key.vni);
    must(set.key.mac.is_unicast());
    must(set.vtep != kOwn || set.target.has_value());
  }
  static void fit(const SetLocalFdb& set) { fit(set.key.vni); }
  static void fit(const DeleteFdb& change) { fit(change.key.vni); }
  static void fit(const SetNeighbour& set) {
    fit(set.key.vni);
    must(set.mac.is_unicast());
  }
  static void fit(const DeleteNeighbour& change) { fit(change.key.vni); }
  static void fit(const SetGroup& set) {
    fit(set.key.vni);
    must(set.key.mac.is_multicast());
    std::set<Vtep> once;
    for (const auto& vtep : set.vteps) must(vtep != kOwn && once.insert(vtep).second);
  }
  static void fit(const DeleteGroup& change) { fit(change.key.vni); }

  TimePoint now_{std::chrono::hours{1}};
  Calls calls_;
  FakeDirectory directory_{calls_};
  FakeHost port_host_{calls_, directory_};
  Resolver resolver_;
  Knowledge knowledge_;
  Ports ports_;
  Actions actions_;
  std::uint64_t malformed_ = 0;
  SessionReader reader_{*this, malformed_};
  bool lost_ = false;  // by the message at hand
  bool off_ = false;
};

}  // namespace
}  // namespace dove::agent::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 512) return 0;
  dove::fuzz::Maker maker{data, size};
  dove::agent::fuzz::Host host;
  while (!maker.done()) {
    switch (maker.choose(8)) {
      case 0:
        host.want(maker.choose(16));
        break;
      case 1:
        host.pass(std::chrono::milliseconds{100 * maker.choose(64)});
        break;
      default:
        host.hear(maker.from_controller());
    }
  }
  return 0;
}
