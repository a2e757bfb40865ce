// A host under test: the network namespace of this program, with an underlay to a second one that
// plays the other host, and guests behind veths or taps. Everything goes with the objects.
#pragma once

#include <asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/datapath/datapath.h"
#include "tests/integration/netlink/kernel.h"

namespace dove::agent::test {

using netlink::test::bridge_json;
using netlink::test::enter_fresh_namespace;
using netlink::test::eventually;
using netlink::test::ip;
using netlink::test::ip_json;
using netlink::test::mac;
using netlink::test::run;
using netlink::test::succeeds;
using netlink::test::take;

inline Vni vni(std::uint32_t raw) { return *Vni::from(raw); }

// A named namespace; the name is unique to this process.
class Namespace {
 public:
  explicit Namespace(std::string_view role);
  ~Namespace();
  Namespace(const Namespace&) = delete;
  Namespace& operator=(const Namespace&) = delete;

  const std::string& name() const noexcept { return name_; }
  std::string run(const std::string& command) const;
  bool succeeds(const std::string& command) const;

 private:
  std::string name_;
};

// Enters a fresh namespace with the device u0, 192.0.2.1/24, whose peer is 192.0.2.2 in `peer`.
class Underlay {
 public:
  Underlay();
  Namespace peer{"peer"};

  // A guest of the other host, without any doved: VXLAN device vx<vni> there, with this MAC and
  // address, that sends what it does not know to us.
  void remote_guest(std::uint32_t vni, const char* guest_mac, const char* address);
};

// A guest's machine: a namespace with eth0, whose other end is the device `port` here. It speaks
// IPv6 only when its address is one, so that a test counts nothing but its own frames.
class Guest {
 public:
  Guest(const std::string& port, const char* guest_mac, const char* address);
  Namespace machine;
  const MacAddress guest_mac;
  const std::string port;
};

// Keeps what it is told.
struct Recorder final : DatapathListener {
  void on_mac_miss(const MacMiss& miss) override { mac_misses.push_back(miss.key); }
  void on_other_device(const std::string& /*device*/) override {}
  void on_ip_miss(const IpMiss& miss) override { ip_misses.push_back(miss.key); }
  void on_heard(const GuestHeard& one) override { heard.push_back(one); }
  void on_query(const AddressQuery& query) override { queries.push_back(query); }
  void on_seen(const AddressSeen& address) override { seen.push_back(address); }
  void on_punted(PuntedFrame&& frame) override { punted.push_back(std::move(frame)); }
  void on_fdb_gone(const MacKey& key) override { fdb_gone.push_back(key); }
  void on_neighbour_gone(const IpKey& key) override { neighbour_gone.push_back(key); }
  void on_group(const Memberships::Change& change) override { groups.push_back(change); }
  void on_port_gone(const std::string& device) override { ports_gone.push_back(device); }
  void on_port_back(const std::string& device, IfIndex) override { ports_back.push_back(device); }
  void on_trouble(const std::string& what) override { troubles.push_back(what); }
  void on_guest_mtu(unsigned value) override { mtu = value; }
  void on_turn_end() override { ++turns; }

  std::vector<MacKey> mac_misses, fdb_gone;
  std::vector<IpKey> ip_misses, neighbour_gone;
  std::vector<GuestHeard> heard;
  std::vector<AddressQuery> queries;
  std::vector<AddressSeen> seen;
  std::vector<PuntedFrame> punted;
  std::vector<Memberships::Change> groups;
  std::vector<std::string> ports_gone, ports_back, troubles;
  unsigned mtu = 0;
  unsigned turns = 0;
};

DatapathOptions default_options();

// A datapath in the present namespace with its loop.
class Switch {
 public:
  explicit Switch(const DatapathOptions& options = default_options());
  ~Switch();

  Datapath& operator*() noexcept { return *datapath_; }
  Datapath* operator->() noexcept { return datapath_.get(); }
  void close() { datapath_.reset(); }  // as if it was killed: nothing is put away

  // Runs the loop until `check` says so; false when `patience` is over.
  bool until(const std::function<bool()>& check,
             std::chrono::milliseconds patience = std::chrono::seconds{10});
  void run_for(std::chrono::milliseconds time);
  // With port security when the guest's own addresses are given.
  Result<DatapathPort> add_port(const std::string& device, const MacKey& guest,
                                const OwnAddresses& own = {});
  Status remove_port(const std::string& device);
  DatapathPort add_guest(const Guest& guest, Vni network, const OwnAddresses& own = {});

  Recorder heard;

 private:
  asio::io_context io_;
  std::unique_ptr<Datapath> datapath_;
};

}  // namespace dove::agent::test
