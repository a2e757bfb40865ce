// Thousands of random operations against a model so simple that it is plainly right: what is
// accepted, and what is there afterwards, is the same; and what a fresh start would load is what is
// in memory.
#include <map>
#include <random>
#include <set>

#include "tests/unit/controller/model.h"

namespace dove::controller {
namespace {

struct NaiveNetwork {
  std::string tenant;
  std::uint32_t vni;
  int subnet;  // 10.<subnet>.0.0/24, gateway .1
};
struct NaiveEndpoint {
  std::string network;
  std::uint8_t mac;
  int host_part;
  std::optional<std::string> host;
};

// Every rule as a search through everything.
struct Naive {
  std::set<std::string> tenants;
  std::map<std::string, NaiveNetwork> networks;
  std::map<std::string, NaiveEndpoint> endpoints;
  std::map<std::uint32_t, std::string> resting;  // by VNI: its former tenant

  bool may(const TenantAdd&) const { return true; }
  bool may(const TenantDel& del) const {
    if (!tenants.contains(del.name)) return false;
    return std::none_of(networks.begin(), networks.end(),
                        [&](const auto& n) { return n.second.tenant == del.name; });
  }
  bool may_add(const std::string& name, const NaiveNetwork& wanted) const {
    if (const auto at = networks.find(name); at != networks.end())
      return at->second.tenant == wanted.tenant && at->second.vni == wanted.vni &&
             at->second.subnet == wanted.subnet;
    if (!tenants.contains(wanted.tenant)) return false;
    const auto rests = resting.find(wanted.vni);
    if (rests != resting.end() && rests->second != wanted.tenant) return false;
    return std::none_of(networks.begin(), networks.end(), [&](const auto& n) {
      return n.second.vni == wanted.vni ||
             (n.second.tenant == wanted.tenant && n.second.subnet == wanted.subnet);
    });
  }
  bool may_delete_network(const std::string& name) const {
    if (!networks.contains(name)) return false;
    return std::none_of(endpoints.begin(), endpoints.end(),
                        [&](const auto& e) { return e.second.network == name; });
  }
  bool may_add(const std::string& name, const NaiveEndpoint& wanted) const {
    if (const auto at = endpoints.find(name); at != endpoints.end())
      return at->second.network == wanted.network && at->second.mac == wanted.mac &&
             at->second.host_part == wanted.host_part;
    if (!networks.contains(wanted.network)) return false;
    if (wanted.host_part < 2 || wanted.host_part > 254) return false;
    const auto& tenant = networks.at(wanted.network).tenant;
    return std::none_of(endpoints.begin(), endpoints.end(), [&](const auto& e) {
      const bool same_tenant = networks.at(e.second.network).tenant == tenant;
      return (same_tenant && e.second.mac == wanted.mac) ||
             (e.second.network == wanted.network && e.second.host_part == wanted.host_part);
    });
  }
};

class Race {
 public:
  explicit Race(unsigned seed) : random_{seed} {
    hosts_ = {{"h0", model_.register_host("h0", "192.0.2.1")},
              {"h1", model_.register_host("h1", "192.0.2.2")}};
  }

  void step() {
    switch (pick(8)) {
      case 0:
        return add_tenant();
      case 1:
        return delete_tenant();
      case 2:
        return add_network();
      case 3:
        return delete_network();
      case 4:
      case 5:
        return add_endpoint();
      case 6:
        return delete_endpoint();
      default:
        return attach();
    }
  }

  void compare() const {
    const auto& state = model_.state();
    CHECK(state.tenants().size() == naive_.tenants.size());
    REQUIRE(state.networks().size() == naive_.networks.size());
    REQUIRE(state.endpoints().size() == naive_.endpoints.size());
    for (const auto& [name, network] : naive_.networks) {
      CHECK(state.network(name)->tenant == network.tenant);
      CHECK(state.network(vni(network.vni))->name == name);
    }
    for (const auto& [name, endpoint] : naive_.endpoints) {
      const auto* there = state.endpoint(name);
      CHECK(there->network == endpoint.network);
      CHECK(there->active == endpoint.host.has_value());
      if (there->active) CHECK(there->host == hosts_.at(*endpoint.host));
      CHECK(state.endpoint(there->key()) == there);
      const auto address = address_of(endpoint);
      REQUIRE(state.address({there->vni, address}) != nullptr);
      CHECK(state.ips_of(name) == std::set<IpAddress>{address});
    }
  }

  // Every record of the store is in memory as it is stored, and no other.
  void compare_with_store() {
    const auto loaded = Model::load(model_.store(), model_.now());
    std::size_t addresses = 0;
    for (const auto& [name, network] : model_.state().networks())
      model_.state().each_address(network.vni, [&](const auto&) { ++addresses; });
    std::size_t stored_addresses = 0;
    for (const auto& record : model_.records()) {
      const auto value = *decode(record.key, record.value);
      const auto in_memory = model_.state().find(value);
      REQUIRE(in_memory);
      CHECK(in_memory->value == value);
      CHECK(in_memory->revision == record.revision);
      stored_addresses += std::holds_alternative<Address>(value) ? 1 : 0;
    }
    CHECK(addresses == stored_addresses);
    CHECK(loaded.endpoints().size() == model_.state().endpoints().size());
    CHECK(loaded.networks().size() == model_.state().networks().size());
    CHECK(loaded.tenants().size() == model_.state().tenants().size());
  }

 private:
  int pick(int below) { return static_cast<int>(random_() % static_cast<unsigned>(below)); }
  std::string name(char kind, int below) { return kind + std::to_string(pick(below)); }

  IpAddress address_of(const NaiveEndpoint& endpoint) const {
    const auto subnet_number =
        static_cast<std::uint32_t>(naive_.networks.at(endpoint.network).subnet);
    return IpAddress::v4(0x0a000000U + (subnet_number << 16U) +
                         static_cast<std::uint32_t>(endpoint.host_part));
  }

  bool did(const Operation& operation, bool expected) {
    const auto made = model_.change({operation});
    INFO((made ? "accepted" : made.error().message));
    CHECK(made.ok() == expected);
    return made.ok();
  }

  void add_tenant() {
    const TenantAdd add{name('t', 4)};
    if (did(add, naive_.may(add))) naive_.tenants.insert(add.name);
  }
  void delete_tenant() {
    const TenantDel del{name('t', 4)};
    if (did(del, naive_.may(del))) naive_.tenants.erase(del.name);
  }
  void add_network() {
    const auto network = name('n', 8);
    const NaiveNetwork wanted{name('t', 4), static_cast<std::uint32_t>(100 + pick(10)), pick(6)};
    const NetworkAdd add{network,
                         wanted.tenant,
                         vni(wanted.vni),
                         {subnet(("10." + std::to_string(wanted.subnet) + ".0.0/24").c_str())}};
    if (!did(add, naive_.may_add(network, wanted))) return;
    if (naive_.networks.emplace(network, wanted).second) naive_.resting.erase(wanted.vni);
  }
  void delete_network() {
    const auto network = name('n', 8);
    if (!did(NetworkDel{network}, naive_.may_delete_network(network))) return;
    const auto at = naive_.networks.find(network);
    naive_.resting[at->second.vni] = at->second.tenant;
    naive_.networks.erase(at);
  }
  void add_endpoint() {
    const auto endpoint = name('e', 20);
    const NaiveEndpoint wanted{name('n', 8), static_cast<std::uint8_t>(pick(24)), pick(12), {}};
    EndpointAdd add{endpoint, wanted.network, MacAddress{{0x02, 0, 0, 0, 0, wanted.mac}}, {}};
    const bool known = naive_.networks.contains(wanted.network);
    add.addresses.push_back({known ? address_of(wanted) : ip("10.0.0.5"), false});
    if (did(add, naive_.may_add(endpoint, wanted))) naive_.endpoints.emplace(endpoint, wanted);
  }
  void delete_endpoint() {
    const auto endpoint = name('e', 20);
    if (did(EndpointDel{endpoint}, naive_.endpoints.contains(endpoint)))
      naive_.endpoints.erase(endpoint);
  }
  void attach() {
    const auto at = naive_.endpoints.find(name('e', 20));
    if (at == naive_.endpoints.end()) return;
    const auto host = name('h', 2);
    const auto generation = model_.state().endpoint(at->first)->generation;
    if (pick(2) == 0) {
      CHECK(model_.activate(hosts_.at(host), at->first));
      at->second.host = host;
    } else {
      const auto detached = model_.host_asks([&](Draft& draft) {
        return plan_detachment(hosts_.at(host), at->first, generation, draft);
      });
      CHECK(detached.ok() == (!at->second.host || at->second.host == host));
      if (at->second.host == host) at->second.host.reset();
    }
    CHECK(model_.state().endpoint(at->first)->generation >= generation);
  }

  std::mt19937 random_;
  Model model_;
  Naive naive_;
  std::map<std::string, HostId> hosts_;
};

TEST_CASE("random operations end as in a naive model") {
  const auto seed = GENERATE(range(1U, 9U));
  INFO("seed " << seed);
  Race race{seed};
  for (int i = 0; i < 1500; ++i) {
    race.step();
    if (i % 10 == 0) race.compare();
  }
  race.compare();
  race.compare_with_store();
}

}  // namespace
}  // namespace dove::controller
