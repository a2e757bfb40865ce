#include "agent/session_reader.h"

#include "api/convert.h"
#include "tests/catch.h"

namespace dove::agent {
namespace {

// Keeps what it was told of hosts.
class Listener final : public DirectoryListener {
 public:
  std::vector<HostRecord> hosts;
  int told = 0;

  void on_session_ready(bool, HostId) override { ++told; }
  void on_session_lost(const Error&, bool) override { ++told; }
  void on_hosts(std::span<const HostRecord> all, bool) override {
    ++told;
    hosts.assign(all.begin(), all.end());
  }
  void on_bindings(std::span<const BindingRecord>) override { ++told; }
  void on_flood_list(Vni, std::span<const HostId>, std::span<const HostId>, bool) override {
    ++told;
  }
  void on_group_list(Vni, const std::optional<MacAddress>&, std::span<const HostId>,
                     std::span<const HostId>, bool) override {
    ++told;
  }
  void on_network(const NetworkSettings&) override { ++told; }
  void on_lost(const Attachment&) override { ++told; }
  void on_network_gone(Vni) override { ++told; }
  void on_readdressed(const Attachment&) override { ++told; }
  void on_replica(const ReplicaWord&) override { ++told; }
  void on_resync(const std::optional<Vni>&) override { ++told; }
  void on_sync(std::uint64_t, std::uint64_t) override { ++told; }
};

struct Bench {
  Listener listener;
  std::uint64_t malformed = 0;
  SessionReader reader{listener, malformed};
};

v1::FromController hosts(std::initializer_list<std::pair<std::uint32_t, const char*>> all) {
  v1::FromController message;
  for (const auto& [id, vtep] : all) {
    auto* host = message.mutable_hosts()->add_hosts();
    host->set_id(id);
    host->set_vtep(api::to_bytes(*IpAddress::parse(vtep)));
  }
  message.mutable_hosts()->set_revision(7);
  return message;
}

TEST_CASE("session reader: another host with this host's VTEP makes no sense") {
  Bench bench;
  bench.reader.set_self(HostId{1}, {*IpAddress::parse("192.0.2.1")});
  const auto message = hosts({{1, "192.0.2.1"}, {2, "192.0.2.2"}, {3, "192.0.2.1"}});
  CHECK(bench.reader.read(message) == 7);
  REQUIRE(bench.listener.hosts.size() == 2);
  CHECK(bench.listener.hosts[0].id == HostId{1});
  CHECK(bench.listener.hosts[1].id == HostId{2});
  CHECK(bench.malformed == 1);
}

TEST_CASE("session reader: what is malformed is counted, and tells of no revision") {
  Bench bench;
  v1::FromController message;
  message.mutable_flood_list()->set_vni(0);
  message.mutable_flood_list()->set_revision(9);
  CHECK(bench.reader.read(message) == 0);
  message.mutable_group_list()->set_vni(100);
  message.mutable_group_list()->set_group(api::to_bytes(MacAddress{{2, 0, 0, 0, 0, 1}}));
  message.mutable_group_list()->set_revision(9);
  CHECK(bench.reader.read(message) == 0);
  message.mutable_lost()->mutable_attachment()->set_vni(1U << 24U);
  CHECK(bench.reader.read(message) == 0);
  message.mutable_resync()->set_vni(1U << 24U);
  CHECK(bench.reader.read(message) == 0);
  CHECK(bench.malformed == 4);
  CHECK(bench.listener.told == 0);
  message.mutable_resync()->set_vni(100);
  CHECK(bench.reader.read(message) == 0);
  CHECK(bench.listener.told == 1);
}

}  // namespace
}  // namespace dove::agent
