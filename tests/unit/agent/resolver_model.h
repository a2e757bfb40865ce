// The world around a resolver, simple enough to be believed: a controller that knows where
// everything is and tells those who asked, and a kernel that does as told. One step is one thing
// that happens, chosen by the caller's numbers; after each step everything the resolver did is
// judged.
//
// Judged at every step: nothing leads where the last word told does not say; a neighbour stands
// only on an FDB entry; frames of one sender to one MAC stay in order and go where the MAC is;
// packets to the router go to who has their address, with the MACs that routing gives them; nobody
// is told his own address; memory is within the limits. And in calm, when every word has
// arrived: what is in the kernel is the truth, and what is missed gets there.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>

#include "agent/resolver.h"

namespace dove::agent {

class ResolverModel {
 public:
  // A number below `limit` (> 0).
  using Choose = std::function<std::uint32_t(std::uint32_t limit)>;
  // With `refusals` the kernel refuses some changes; then it is judged in calm only.
  ResolverModel(const Limits& limits, bool refusals, Choose choose);

  void step();
  void calm_down();  // ends with the judgement in calm

  // What went wrong first; empty while nothing has.
  const std::string& failure() const noexcept { return failure_; }

 private:
  static constexpr std::uint32_t kSelf = 1;    // of the hosts 1 to 4
  static constexpr std::uint32_t kKeys = 10;   // MACs and IPs of a network
  static constexpr std::uint32_t kGuests = 3;  // that send; their MACs are the first ones

  using Binding = std::variant<MacBinding, IpBinding>;
  struct Frame {
    Key to;  // an IP's, when it is for the router
    std::uint32_t guest;
    std::uint32_t number;
  };
  struct Entry {
    Vtep vtep;
    std::optional<Vni> target;
  };

  // --- choices
  bool chance(std::uint32_t in) { return choose_(in) == 0; }
  Vni any_network() { return networks_[choose_(2)]; }
  MacKey any_mac();
  IpKey any_ip();
  std::uint32_t any_host() { return 1 + choose_(4); }

  // --- what happens
  void guest_does_something();
  void send_frame(const MacKey& to, std::uint32_t guest);
  void send_packet(const IpKey& to, std::uint32_t guest);
  void send(PuntedFrame&& frame, const Key& to, std::uint32_t guest);
  void policy_changes(const Key& key);
  void endpoint_changes();
  void port_changes();
  void host_changes();
  void kernel_loses_something();
  void session_changes();
  void network_changes();
  void members_change();
  void doved_restarts();
  void time_passes(std::chrono::milliseconds time);

  // --- the controller
  HostId id_of(std::uint32_t host) const { return HostId{host + 16 * store_}; }
  void tell_hosts(bool full);
  void tell_members(Vni vni);
  void start_session(bool new_store);
  void place(const MacKey& key, std::optional<std::uint32_t> host);
  void give(const IpKey& key, std::optional<MacAddress> owner);
  MacBinding binding_of(const MacKey& key) const;
  IpBinding binding_of(const IpKey& key) const;
  void tell(const MacKey& key);
  void tell(const IpKey& key);
  void introduce(const IpKey& key);
  void on_ask(const Key& key);
  void deliver(std::size_t words);

  // --- the kernel
  void end_turn();
  void apply(const KernelChange& change);
  void on_change(const SetFdb& change);
  void on_change(const SetLocalFdb& change);
  void on_change(const DeleteFdb& change);
  void on_change(const SetNeighbour& change);
  void on_change(const DeleteNeighbour& change);
  void on_change(const SetGroup& change);
  void on_change(const DeleteGroup&) {}
  void on_answer(const AnswerQuery& answer);
  void on_resend(const Resend& resend);
  void on_deliver(const Deliver& delivery);
  std::optional<Frame> landed(const PuntedPackets& packets);
  std::optional<MacKey> receiver(const Frame& frame, const std::optional<RoutedMacs>& macs);

  // --- judgement
  void expect(bool holds, const char* what);
  bool may_lead(const MacKey& key, const Entry& entry) const;
  bool may_stand(const IpKey& key, const MacAddress& mac) const;
  bool is_there(const MacKey& key, const Entry& entry) const;
  void judge_kernel();
  void judge_bounds();
  void judge_truth();
  void judge_reach();

  Limits limits_;
  bool refusals_;
  Choose choose_;
  std::string failure_;
  std::optional<Resolver> resolver_;
  Actions out_;
  TimePoint now_ = TimePoint{} + std::chrono::hours{1};
  std::vector<Vni> networks_{*Vni::from(10), *Vni::from(20)};

  // The truth, and what of it has been said and heard.
  std::uint32_t store_ = 0;
  std::uint64_t revision_ = 1;
  bool online_ = false;
  std::map<MacKey, std::pair<std::uint32_t, std::uint64_t>> places_;  // host (0: none), revision
  std::map<IpKey, std::pair<std::optional<MacAddress>, std::uint64_t>> owners_;
  std::map<MacKey, Vni> targets_;  // of those that are in another network
  std::set<Key> denied_;
  std::map<std::uint32_t, Vtep> vteps_;             // of hosts
  std::map<Vni, std::set<std::uint32_t>> members_;  // hosts that have a network
  std::set<Key> interest_;
  std::deque<Binding> words_;  // on their way
  std::map<MacKey, MacBinding> told_macs_;
  std::map<IpKey, IpBinding> told_ips_;
  std::map<HostId, Vtep> told_hosts_;

  std::set<Vni> open_;
  std::set<MacKey> locals_;
  std::map<MacKey, std::optional<Entry>> fdb_;  // empty: local
  std::set<IpKey> routed_;                      // what packets to the router were for
  std::map<IpKey, MacAddress> neighbours_;
  std::map<MacKey, std::vector<Vtep>> groups_;
  std::map<std::pair<Key, std::uint32_t>, std::uint32_t> last_sent_;  // by receiver and guest
  std::uint32_t frames_ = 0;
  std::map<std::uint32_t, Frame> flying_;  // by number
};

}  // namespace dove::agent
