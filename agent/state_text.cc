// {
//   "version": 1,
//   "store": {"id": "<hex>", "revision": 7},
//   "self": 3,
//   "router_mac": "02:00:5e:64:00:01",
//   "ports": [{"dev": "tap0", "endpoint": "vm1", "network": "blue", "vni": 100,
//              "mac": "52:54:00:00:00:01", "ips": ["10.0.0.1"], "shared_ips": [],
//              "generation": 3, "security": true}],
//   "joined": [{"network": "blue", "vni": 100}],
//   "detached": [{"endpoint": "vm2", "generation": 5}],
//   "vteps": ["192.0.2.12", "192.0.2.13"],
//   "hosts": [{"id": 2, "name": "kvm2", "vtep": "192.0.2.12", "port": 4789}],
//   "networks": [{"network": "blue", "vni": 100, "tenant": "t", "learn": false, "revision": 7,
//                 "subnets": [{"prefix": "10.0.0.0/24", "gateway": "10.0.0.1"}],
//                 "denied": ["10.2.0.0/24"], "members": [2]}],
//   "incomplete": false,
//   "learning": [{"dev": "tap1", "network": "blue", "vni": 100, "security": true}],
//   "learned": [{"dev": "tap1", "endpoint": "dyn-100-525400000009", "vni": 100,
//                "mac": "52:54:00:00:00:09", "ips": ["10.0.0.9"], "generation": 7}]
// }
// Keys are only ever added within a version, so that an older doved reads what a newer one wrote;
// unknown ones are ignored. The first files had neither `security`, which is on where it is left
// out, nor `vteps`; then came files without `self`, `router_mac`, `shared_ips`, `hosts`,
// `networks` and `incomplete`, and without `learning` and `learned`.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "agent/state_file.h"
#include "core/hex.h"
#include "core/name.h"

namespace dove::agent {
namespace {

using Json = nlohmann::json;
using Problems = std::vector<std::string>;

constexpr int kVersion = 1;

// Reads the members of one object. The first thing that is not as it should be is remembered; the
// caller tests once, at the end. An optional member may be left out.
class Reader {
 public:
  Reader(const Json& object, std::string where) : object_{object}, where_{std::move(where)} {
    if (!object_.is_object()) fail("", "an object");
  }

  std::string text(const char* key) {
    const Json* value = member(key);
    if (value != nullptr && value->is_string()) return value->get<std::string>();
    fail(key, "a string");
    return {};
  }
  std::uint64_t number(const char* key) {
    const Json* value = member(key);
    if (value != nullptr && value->is_number_unsigned()) return value->get<std::uint64_t>();
    fail(key, "a number");
    return 0;
  }
  std::uint64_t number_or_0(const char* key) { return has(key) ? number(key) : 0; }
  std::string name(const char* key) {
    auto value = text(key);
    if (!check_name(key, value)) fail(key, "a name");
    return value;
  }
  Vni vni(const char* key) {
    const auto raw = number(key);
    const auto value =
        raw < Vni::kLimit ? Vni::from(static_cast<std::uint32_t>(raw)) : std::nullopt;
    if (!value) fail(key, "a VNI");
    return value.value_or(*Vni::from(1));
  }
  HostId host(const char* key) {
    const auto raw = number(key);
    if (raw > std::numeric_limits<std::uint32_t>::max()) fail(key, "a host's number");
    return HostId{static_cast<std::uint32_t>(raw)};
  }
  MacAddress mac(const char* key) {
    const auto value = MacAddress::parse(text(key));
    if (!value || !value->is_unicast()) fail(key, "a MAC address");
    return value.value_or(MacAddress{});
  }
  Vtep vtep(const char* address, const char* port) {
    const auto ip = IpAddress::parse(text(address));
    const auto raw = number(port);
    if (!ip) fail(address, "an IP address");
    if (raw == 0 || raw > std::numeric_limits<std::uint16_t>::max()) fail(port, "a UDP port");
    return {ip.value_or(IpAddress::v4(0)), static_cast<std::uint16_t>(raw)};
  }
  std::vector<IpAddress> ips(const char* key) {
    return parsed<IpAddress>(key, "a list of IP addresses");
  }
  std::vector<IpAddress> ips_or_none(const char* key) {
    return has(key) ? ips(key) : std::vector<IpAddress>{};
  }
  std::vector<Prefix> prefixes(const char* key) {
    return parsed<Prefix>(key, "a list of prefixes");
  }
  Subnet subnet() {
    const auto prefix = Prefix::parse(text("prefix"));
    if (!prefix) fail("prefix", "a prefix");
    Subnet subnet{prefix.value_or(*Prefix::from(IpAddress::v4(0), 0)), {}};
    if (has("gateway")) subnet.gateway = IpAddress::parse(text("gateway"));
    if (has("gateway") && !subnet.gateway) fail("gateway", "an IP address");
    return subnet;
  }
  std::vector<HostId> hosts(const char* key) {
    std::vector<HostId> ids;
    for (const Json& element : list(key)) {
      const auto raw = element.is_number_unsigned() ? element.get<std::uint64_t>() : ~0ULL;
      if (raw > std::numeric_limits<std::uint32_t>::max()) fail(key, "a list of hosts' numbers");
      ids.push_back(HostId{static_cast<std::uint32_t>(raw)});
    }
    return ids;
  }
  bool boolean_or(const char* key, bool otherwise) {
    const Json* value = member(key);
    if (value == nullptr) return otherwise;
    if (!value->is_boolean()) fail(key, "true or false");
    return value->is_boolean() ? value->get<bool>() : otherwise;
  }
  const Json& list(const char* key) {
    static const Json kEmpty = Json::array();
    const Json* value = member(key);
    if (value != nullptr && value->is_array()) return *value;
    fail(key, "a list");
    return kEmpty;
  }
  const Json& object(const char* key) {
    static const Json kEmpty = Json::object();
    const Json* value = member(key);
    if (value != nullptr && value->is_object()) return *value;
    fail(key, "an object");
    return kEmpty;
  }

  bool has(const char* key) const { return member(key) != nullptr; }
  // Empty while all is well; reading goes on as if all were.
  std::string take_problem() { return std::exchange(problem_, {}); }

 private:
  const Json* member(const char* key) const {
    if (!object_.is_object()) return nullptr;
    const auto found = object_.find(key);
    return found == object_.end() ? nullptr : &*found;
  }
  void fail(std::string_view key, std::string_view expected) {
    if (problem_.empty())
      problem_ = fmt::format("{}{}{} is not {}", where_, key.empty() ? "" : ".", key, expected);
  }
  template <class Value>
  std::vector<Value> parsed(const char* key, std::string_view expected) {
    std::vector<Value> values;
    for (const Json& element : list(key)) {
      const auto value =
          element.is_string() ? Value::parse(element.get<std::string>()) : std::nullopt;
      if (value) values.push_back(*value);
      if (!value) fail(key, expected);
    }
    return values;
  }

  const Json& object_;
  std::string where_;
  std::string problem_;
};

bool note(Reader& in, Problems& problems) {
  auto problem = in.take_problem();
  if (problem.empty()) return false;
  problems.push_back(std::move(problem));
  return true;
}

SavedPort read_element(Reader& in, const SavedPort* /*kind*/) {
  return {.dev = in.text("dev"),
          .endpoint = in.name("endpoint"),
          .network = in.name("network"),
          .vni = in.vni("vni"),
          .mac = in.mac("mac"),
          .ips = in.ips("ips"),
          .shared_ips = in.ips_or_none("shared_ips"),
          .generation = in.number("generation"),
          .security = in.boolean_or("security", true)};
}

SavedNetwork read_element(Reader& in, const SavedNetwork* /*kind*/) {
  return {.name = in.name("network"), .vni = in.vni("vni")};
}

SavedDetach read_element(Reader& in, const SavedDetach* /*kind*/) {
  return {.endpoint = in.name("endpoint"), .generation = in.number("generation")};
}

SavedLearningPort read_element(Reader& in, const SavedLearningPort* /*kind*/) {
  return {.dev = in.text("dev"),
          .network = in.name("network"),
          .vni = in.vni("vni"),
          .security = in.boolean_or("security", true)};
}

SavedGuest read_element(Reader& in, const SavedGuest* /*kind*/) {
  return {.dev = in.text("dev"),
          .endpoint = in.name("endpoint"),
          .vni = in.vni("vni"),
          .mac = in.mac("mac"),
          .ips = in.ips("ips"),
          .generation = in.number("generation")};
}

HostRecord read_element(Reader& in, const HostRecord* /*kind*/) {
  return {.id = in.host("id"), .name = in.name("name"), .vtep = in.vtep("vtep", "port")};
}

Subnet read_element(Reader& in, const Subnet* /*kind*/) { return in.subnet(); }

// What of a list can be understood.
template <class Element>
std::vector<Element> read_list(Reader& in, const char* key, Problems& problems) {
  std::vector<Element> elements;
  std::size_t place = 0;
  for (const Json& element : in.list(key)) {
    Reader reader{element, fmt::format("{}[{}]", key, place++)};
    auto value = read_element(reader, static_cast<const Element*>(nullptr));
    if (!note(reader, problems)) elements.push_back(std::move(value));
  }
  return elements;
}

template <class Element>
std::vector<Element> read_list_if_there(Reader& in, const char* key, Problems& problems) {
  return in.has(key) ? read_list<Element>(in, key, problems) : std::vector<Element>{};
}

// A part of it is worse than nothing: a network whose denials are missing would deny nothing.
std::optional<KnownNetwork> read_network(const Json& element, std::size_t place,
                                         Problems& problems) {
  Reader in{element, fmt::format("networks[{}]", place)};
  const Vni vni = in.vni("vni");
  KnownNetwork network{.settings = {.vni = vni}, .members = {}};
  network.members = in.hosts("members");
  auto& settings = network.settings;
  settings.name = in.name("network");
  settings.tenant = in.name("tenant");
  settings.learn = in.boolean_or("learn", false);
  settings.revision = in.number("revision");
  settings.denied = in.prefixes("denied");
  const auto before = problems.size();
  for (auto& subnet : read_list<Subnet>(in, "subnets", problems))
    settings.subnets.push_back(std::move(subnet));
  if (note(in, problems) || problems.size() != before) return std::nullopt;
  return network;
}

std::vector<KnownNetwork> read_networks(Reader& state, Problems& problems) {
  std::vector<KnownNetwork> networks;
  if (!state.has("networks")) return networks;
  std::size_t place = 0;
  for (const Json& element : state.list("networks"))
    if (auto network = read_network(element, place++, problems))
      networks.push_back(*std::move(network));
  return networks;
}

StorePoint read_store(Reader& state, Problems& problems) {
  Reader in{state.object("store"), "store"};
  const auto id = from_hex(in.text("id"));
  StorePoint point{.store_id = id.value_or(""), .revision = in.number("revision")};
  if (in.has("opening")) point.opening = from_hex(in.text("opening")).value_or("");
  if (note(in, problems)) return {};
  if (id) return point;
  problems.emplace_back("store.id is not hexadecimal");
  return {};
}

// Without its store a host's number means nothing.
void read_place(Reader& in, State& state, Problems& problems) {
  state.store = read_store(in, problems);
  if (in.has("self")) state.self = in.host("self");
  if (note(in, problems) || state.store.store_id.empty()) state.self = {};
  if (in.has("router_mac")) state.router_mac = in.mac("router_mac");
  if (note(in, problems)) state.router_mac.reset();
}

void check_version(Reader& in, Problems& problems) {
  const auto version = in.number("version");
  if (!note(in, problems) && version != kVersion)
    problems.push_back(
        fmt::format("it has version {}, this doved understands version {}", version, kVersion));
}

template <class Value>
Json to_texts(const std::vector<Value>& values) {
  Json list = Json::array();
  for (const auto& value : values) list.push_back(value.to_string());
  return list;
}

Json to_json(const SavedPort& port) {
  return {{"dev", port.dev},
          {"endpoint", port.endpoint},
          {"network", port.network},
          {"vni", port.vni.value()},
          {"mac", port.mac.to_string()},
          {"ips", to_texts(port.ips)},
          {"shared_ips", to_texts(port.shared_ips)},
          {"generation", port.generation},
          {"security", port.security}};
}

Json to_json(const SavedNetwork& network) {
  return {{"network", network.name}, {"vni", network.vni.value()}};
}

Json to_json(const SavedDetach& detach) {
  return {{"endpoint", detach.endpoint}, {"generation", detach.generation}};
}

Json to_json(const SavedLearningPort& port) {
  return {{"dev", port.dev},
          {"network", port.network},
          {"vni", port.vni.value()},
          {"security", port.security}};
}

Json to_json(const SavedGuest& guest) {
  return {{"dev", guest.dev},           {"endpoint", guest.endpoint},
          {"vni", guest.vni.value()},   {"mac", guest.mac.to_string()},
          {"ips", to_texts(guest.ips)}, {"generation", guest.generation}};
}

Json to_json(const HostRecord& host) {
  return {{"id", static_cast<std::uint32_t>(host.id)},
          {"name", host.name},
          {"vtep", host.vtep->address.to_string()},
          {"port", host.vtep->port}};
}

Json to_json(HostId host) { return static_cast<std::uint32_t>(host); }

Json to_json(const Subnet& subnet) {
  Json json{{"prefix", subnet.prefix.to_string()}};
  if (subnet.gateway) json["gateway"] = subnet.gateway->to_string();
  return json;
}

template <class Element>
Json to_json_list(const std::vector<Element>& elements) {
  Json list = Json::array();
  for (const auto& element : elements) list.push_back(to_json(element));
  return list;
}

Json to_json(const KnownNetwork& network) {
  const auto& settings = network.settings;
  return {{"network", settings.name},
          {"vni", settings.vni.value()},
          {"tenant", settings.tenant},
          {"learn", settings.learn},
          {"revision", settings.revision},
          {"subnets", to_json_list(settings.subnets)},
          {"denied", to_texts(settings.denied)},
          {"members", to_json_list(network.members)}};
}

}  // namespace

std::string format_state(const State& state) {
  Json networks = Json::array();
  for (const auto& network : state.networks) networks.push_back(to_json(network));
  Json json = {{"version", kVersion},
               {"store",
                {{"id", to_hex(state.store.store_id)},
                 {"revision", state.store.revision},
                 {"opening", to_hex(state.store.opening)}}},
               {"self", to_json(state.self)},
               {"ports", to_json_list(state.ports)},
               {"joined", to_json_list(state.joined)},
               {"detached", to_json_list(state.detached)},
               {"vteps", to_texts(state.vteps)},
               {"hosts", to_json_list(state.hosts)},
               {"networks", std::move(networks)},
               {"incomplete", state.incomplete},
               {"learning", to_json_list(state.learning)},
               {"learned", to_json_list(state.learned)}};
  if (state.router_mac) json["router_mac"] = state.router_mac->to_string();
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

ParsedState parse_state(std::string_view text) {
  ParsedState parsed;
  auto& [state, problems] = parsed;
  const Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) {
    problems.emplace_back("it is not JSON, or cut off");
    return parsed;
  }
  Reader in{json, "state"};
  if (note(in, problems)) return parsed;
  check_version(in, problems);
  read_place(in, state, problems);
  state.ports = read_list<SavedPort>(in, "ports", problems);
  note(in, problems);
  state.joined = read_list<SavedNetwork>(in, "joined", problems);
  note(in, problems);
  state.detached = read_list<SavedDetach>(in, "detached", problems);
  note(in, problems);
  state.vteps = in.ips_or_none("vteps");
  note(in, problems);
  state.hosts = read_list_if_there<HostRecord>(in, "hosts", problems);
  note(in, problems);
  state.networks = read_networks(in, problems);
  note(in, problems);
  state.incomplete = in.boolean_or("incomplete", false);
  note(in, problems);
  state.learning = read_list_if_there<SavedLearningPort>(in, "learning", problems);
  note(in, problems);
  state.learned = read_list_if_there<SavedGuest>(in, "learned", problems);
  note(in, problems);
  return parsed;
}

}  // namespace dove::agent
