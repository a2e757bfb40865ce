// Thousands of random changes, each planned, committed and told as in the controller, against the
// plain rule: at any time, what every reader was told last about each key that it is interested in
// is what a search through everything finds; and nothing told later is older.
#include <random>

#include "controller/consequences.h"
#include "core/link_local.h"
#include "tests/unit/controller/model.h"

namespace dove::controller {
namespace {

constexpr int kReaders = 3;

struct Answer {
  Verdict verdict = Verdict::kNotFound;
  HostId host{};
  MacAddress mac;
  std::optional<Vni> target;
  friend bool operator==(const Answer&, const Answer&) = default;
};

// --- every rule as a search through everything

bool is_allowed(const State& state, const Network& one, const Network& other) {
  for (const auto& [name, policy] : state.policies()) {
    if (policy.network == one.name && policy.other == other.name) return !policy.denied;
    if (policy.network == other.name && policy.other == one.name) return !policy.denied;
  }
  return !state.tenant(one.tenant)->routing_denied;
}

Answer seen(const State& state, Vni from, const Kept<Endpoint>& endpoint, Answer found) {
  if (endpoint.vni == from) return found;
  if (!is_allowed(state, *state.network(from), *state.network(endpoint.vni)))
    return {.verdict = Verdict::kDenied};
  found.target = endpoint.vni;
  return found;
}

bool is_reachable(const State& state, Vni from, Vni to) {
  const auto* one = state.network(from);
  const auto* other = state.network(to);
  return from == to || (one != nullptr && one->tenant == other->tenant);
}

Answer search(const State& state, const MacKey& key) {
  for (const auto& [name, endpoint] : state.endpoints())
    if (endpoint.active && endpoint.mac == key.mac && is_reachable(state, key.vni, endpoint.vni))
      return seen(state, key.vni, endpoint,
                  {.verdict = Verdict::kFound, .host = endpoint.host, .mac = {}, .target = {}});
  return {};
}

bool speaks(const State& state, const Address& address, const std::string& name) {
  for (const auto& endpoint : address.endpoints)
    if (state.endpoint(endpoint)->active) return endpoint == name;
  return false;
}

Answer search(const State& state, const IpKey& key) {
  for (const auto& [name, endpoint] : state.endpoints()) {
    if (!endpoint.active || !is_reachable(state, key.vni, endpoint.vni)) continue;
    if (key.ip.is_link_local() && endpoint.vni != key.vni) continue;
    const auto* record = state.address({endpoint.vni, key.ip});
    const bool own =
        record != nullptr ? speaks(state, *record, name) : link_local_of(endpoint.mac) == key.ip;
    if (own)
      return seen(state, key.vni, endpoint,
                  {.verdict = Verdict::kFound, .host = {}, .mac = endpoint.mac, .target = {}});
  }
  return {};
}

Answer said(const MacBinding& binding) {
  if (binding.verdict != Verdict::kFound) return {.verdict = binding.verdict};
  return {binding.verdict, binding.host, {}, binding.target};
}
Answer said(const IpBinding& binding) {
  if (binding.verdict != Verdict::kFound) return {.verdict = binding.verdict};
  return {binding.verdict, {}, binding.mac, binding.target};
}

class Race final : Directory::Listener {
 public:
  explicit Race(unsigned seed) : random_{seed} {
    model_.on_commit([this](const auto& changes) { tell(changes); });
    for (int i = 0; i < 3; ++i)
      hosts_.push_back(
          model_.register_host("h" + std::to_string(i), "192.0.2." + std::to_string(i + 1)));
    for (const auto* tenant : {"t0", "t1"}) model_.must(TenantAdd{tenant});
  }

  void step() {
    if (pick(2) == 0) return ask();
    switch (pick(8)) {
      case 0:
        return change(TenantSet{name('t', 2), pick(2) == 0});
      case 1:
      case 2:
        return change_policy();
      case 3:
        return change_network();
      case 4:
        return change_endpoint();
      default:
        return attach();
    }
  }

  void compare() const {
    for (ReaderId reader = 0; reader < kReaders; ++reader) {
      const auto& known = known_[reader];
      CHECK(directory_.interest(reader) == known.macs.size() + known.ips.size());
      for (const auto& [key, binding] : known.macs)
        CHECK(said(binding) == search(model_.state(), key));
      for (const auto& [key, binding] : known.ips)
        CHECK(said(binding) == search(model_.state(), key));
    }
  }

  std::size_t count(Verdict verdict, bool routed) const {
    return static_cast<std::size_t>(
        std::count_if(told_.begin(), told_.end(), [&](const Answer& answer) {
          return answer.verdict == verdict && answer.target.has_value() == routed;
        }));
  }

 private:
  // Interest and the last word, by reader. Being told an IP's owner makes interested in its MAC.
  struct Known {
    std::map<MacKey, MacBinding> macs;
    std::map<IpKey, IpBinding> ips;
  };

  void tell(ReaderId reader, const MacBinding& binding) override {
    hear(known_[reader].macs, binding);
  }
  void tell(ReaderId reader, const IpBinding& binding) override {
    hear(known_[reader].ips, binding);
  }
  template <class Bindings, class Binding>
  void hear(Bindings& bindings, const Binding& binding) {
    const auto [at, fresh] = bindings.try_emplace(binding.key, binding);
    if (!fresh) CHECK(binding.revision >= at->second.revision);
    at->second = binding;
    told_.push_back(said(binding));
  }

  void tell(const std::vector<Change>& changes) {
    const auto all = consequences_of(model_.state(), changes, model_.revision());
    directory_.route(all.revision, all.tenants, *this);
    directory_.update(all.revision, all.macs, all.ips, *this);
  }

  int pick(int below) { return static_cast<int>(random_() % static_cast<unsigned>(below)); }
  std::string name(char kind, int below) { return kind + std::to_string(pick(below)); }
  Vni random_vni() { return vni(static_cast<std::uint32_t>(100 + pick(7))); }
  MacAddress random_mac() {
    return MacAddress{{2, 0, 0, 0, 0, static_cast<std::uint8_t>(pick(8))}};
  }
  IpAddress random_ip() {
    if (pick(4) == 0) return link_local_of(random_mac());
    if (pick(8) == 0) return ip("fe80::77");
    return ip(("10." + std::to_string(pick(5)) + ".0." + std::to_string(1 + pick(5))).c_str());
  }

  void ask() {
    const auto reader = static_cast<ReaderId>(pick(kReaders));
    auto& known = known_[reader];
    const MacKey mac_key{random_vni(), random_mac()};
    const IpKey ip_key{random_vni(), random_ip()};
    switch (pick(8)) {
      case 0:
        directory_.forget(reader, mac_key);
        known.macs.erase(mac_key);
        return;
      case 1:
        directory_.forget(reader, ip_key);
        known.ips.erase(ip_key);
        return;
      case 2:
        if (pick(10) != 0) return directory_.introduce(reader, ip_key, *this);
        directory_.forget_all(reader);
        known = {};
        return;
      case 3:
      case 4:
        return directory_.ask(reader, mac_key, *this);
      default:
        return directory_.ask(reader, ip_key, *this);
    }
  }

  // Whether it is accepted is others' to judge.
  void change(const Operation& operation) { (void)model_.change({operation}); }

  void change_policy() {
    auto one = name('n', 6);
    auto other = name('n', 6);
    if (one == other) return;
    if (other < one) std::swap(one, other);
    const PolicyPair pair{name('t', 2), one, other};
    if (pick(2) == 0) return change(PolicyAdd{pair, pick(2) == 0});
    change(PolicyDel{pair});
  }
  std::vector<Subnet> random_subnets() {
    std::vector<Subnet> subnets;
    for (auto left = pick(3); left > 0; --left)
      subnets.push_back(subnet(("10." + std::to_string(pick(5)) + ".0.0/24").c_str(), nullptr));
    return subnets;
  }
  static Subnet subnet(const char* prefix, std::nullptr_t) {
    return {*Prefix::parse(prefix), std::nullopt};
  }
  void change_network() {
    const auto network = name('n', 6);
    switch (pick(8)) {
      case 0:
        return change(NetworkDel{network});
      case 1:
        return change(NetworkSet{network, pick(2) == 0, random_subnets()});
      case 2:  // to another VNI by one commit, when it is empty
        (void)model_.change(
            {Operation{NetworkDel{network}},
             Operation{NetworkAdd{network, name('t', 2), random_vni(), random_subnets()}}});
        return;
      default:
        return change(NetworkAdd{network, name('t', 2), random_vni(), random_subnets()});
    }
  }
  void change_endpoint() {
    const auto endpoint = name('e', 12);
    if (pick(6) == 0) return change(EndpointDel{endpoint});
    EndpointAdd add{endpoint, name('n', 6), random_mac(), {}};
    const auto* network = model_.state().network(add.network);
    if (network != nullptr && !network->subnets.empty())
      add.addresses.push_back(
          {network->subnets.front().prefix.address_at(static_cast<std::uint64_t>(2 + pick(4))),
           pick(3) == 0});
    change(add);
  }
  void attach() {
    const auto endpoint = name('e', 12);
    const auto* there = model_.state().endpoint(endpoint);
    if (there == nullptr) return;
    const auto generation = there->generation;
    const auto key = there->key();
    const auto host = hosts_[static_cast<std::size_t>(pick(3))];
    if (pick(4) == 0)
      (void)model_.host_asks(
          [&](Draft& draft) { return plan_detachment(host, endpoint, generation, draft); });
    else if (pick(4) == 0)
      (void)model_.host_asks([&](Draft& draft) {
        return plan_announcement(host, {key, ip("fe80::77")}, model_.surroundings(), draft);
      });
    else
      CHECK(model_.activate(host, endpoint));
  }

  std::mt19937 random_;
  Model model_;
  Directory directory_{std::chrono::milliseconds{500}};
  std::vector<HostId> hosts_;
  Known known_[kReaders];
  std::vector<Answer> told_;
};

TEST_CASE("readers know what a search through everything finds") {
  const auto seed = GENERATE(range(1U, 9U));
  INFO("seed " << seed);
  Race race{seed};
  for (int i = 0; i < 4000; ++i) {
    race.step();
    if (i % 5 == 0) race.compare();
  }
  race.compare();
  // Otherwise nothing was tried.
  CHECK(race.count(Verdict::kFound, false) > 100);
  CHECK(race.count(Verdict::kFound, true) > 100);
  CHECK(race.count(Verdict::kDenied, false) > 100);
}

}  // namespace
}  // namespace dove::controller
