#include "controller/record.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "api/convert.h"
#include "controller/records.pb.h"

namespace dove::controller {
namespace {

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

constexpr std::string_view kHostIdKey = "counter/host-id";

std::string bytes_of(const google::protobuf::MessageLite& message) {
  return message.SerializeAsString();
}

std::string encode_network(const Network& network) {
  records::Network out;
  out.set_name(network.name);
  out.set_tenant(network.tenant);
  out.set_vni(network.vni.value());
  out.set_learn(network.learn);
  for (const auto& subnet : network.subnets) {
    auto* stored = out.add_subnets();
    stored->set_network(api::to_bytes(subnet.prefix.network()));
    stored->set_length(subnet.prefix.length());
    if (subnet.gateway) stored->set_gateway(api::to_bytes(*subnet.gateway));
  }
  return bytes_of(out);
}

std::string encode_endpoint(const Endpoint& endpoint) {
  records::Endpoint out;
  out.set_name(endpoint.name);
  out.set_network(endpoint.network);
  out.set_vni(endpoint.vni.value());
  out.set_mac(api::to_bytes(endpoint.mac));
  out.set_dynamic(endpoint.dynamic);
  out.set_state(endpoint.active ? records::Endpoint::ACTIVE : records::Endpoint::GONE);
  if (endpoint.active) out.set_host_id(static_cast<std::uint32_t>(endpoint.host));
  out.set_generation(endpoint.generation);
  return bytes_of(out);
}

std::string encode_address(const Address& address) {
  records::Address out;
  out.set_vni(address.key.vni.value());
  out.set_ip(api::to_bytes(address.key.ip));
  out.set_kind(static_cast<records::Address::Kind>(address.kind));
  out.set_chosen(address.chosen);
  for (const auto& name : address.endpoints) out.add_endpoints(name);
  out.set_generation(address.generation);
  out.set_router(address.router);
  return bytes_of(out);
}

std::string encode_host(const Host& host) {
  records::Host out;
  out.set_name(host.name);
  out.set_id(static_cast<std::uint32_t>(host.id));
  out.set_vtep(api::to_bytes(host.vtep.address));
  out.set_vtep_port(host.vtep.port);
  return bytes_of(out);
}

std::string encode_tenant(const Tenant& tenant) {
  records::Tenant out;
  out.set_name(tenant.name);
  out.set_routing_denied(tenant.routing_denied);
  return bytes_of(out);
}

std::string encode_policy(const Policy& policy) {
  records::Policy out;
  out.set_tenant(policy.tenant);
  out.set_network(policy.network);
  out.set_other(policy.other);
  out.set_denied(policy.denied);
  return bytes_of(out);
}

std::string encode_quarantine(const Quarantine& quarantine) {
  records::Quarantine out;
  out.set_tenant(quarantine.tenant);
  return bytes_of(out);
}

// --- and back. Empty: the bytes are not what this kind stores.

std::optional<Value> decode_tenant(const std::string& bytes) {
  records::Tenant in;
  if (!in.ParseFromString(bytes)) return std::nullopt;
  return Tenant{in.name(), in.routing_denied()};
}

std::optional<Value> decode_policy(const std::string& bytes) {
  records::Policy in;
  if (!in.ParseFromString(bytes) || in.network() >= in.other()) return std::nullopt;
  return Policy{in.tenant(), in.network(), in.other(), in.denied()};
}

std::optional<Value> decode_network(const std::string& bytes) {
  records::Network in;
  if (!in.ParseFromString(bytes)) return std::nullopt;
  const auto vni = Vni::from(in.vni());
  if (!vni) return std::nullopt;
  Network network{in.name(), in.tenant(), *vni, {}, in.learn()};
  for (const auto& stored : in.subnets()) {
    const auto base = api::parse_ip(stored.network());
    const auto prefix = base ? Prefix::from(*base, stored.length()) : std::nullopt;
    const auto gateway = api::parse_ip(stored.gateway());
    if (!prefix || !gateway || !prefix->contains(*gateway)) return std::nullopt;
    network.subnets.push_back({*prefix, gateway});
  }
  return network;
}

std::optional<Value> decode_endpoint(const std::string& bytes) {
  records::Endpoint in;
  if (!in.ParseFromString(bytes)) return std::nullopt;
  const auto vni = Vni::from(in.vni());
  const auto mac = api::parse_mac(in.mac());
  const bool active = in.state() == records::Endpoint::ACTIVE;
  if (!vni || !mac || !mac->is_unicast() || (active && in.host_id() == 0)) return std::nullopt;
  return Endpoint{.name = in.name(),
                  .network = in.network(),
                  .vni = *vni,
                  .mac = *mac,
                  .dynamic = in.dynamic(),
                  .active = active,
                  .host = HostId{active ? in.host_id() : 0},
                  .generation = in.generation()};
}

std::optional<Value> decode_address(const std::string& bytes) {
  records::Address in;
  if (!in.ParseFromString(bytes)) return std::nullopt;
  const auto vni = Vni::from(in.vni());
  const auto ip = api::parse_ip(in.ip());
  if (!vni || !ip || in.endpoints().empty() || !records::Address::Kind_IsValid(in.kind()))
    return std::nullopt;
  return Address{.key = {*vni, *ip},
                 .kind = static_cast<Address::Kind>(in.kind()),
                 .chosen = in.chosen(),
                 .endpoints = {in.endpoints().begin(), in.endpoints().end()},
                 .generation = in.generation(),
                 .router = in.router()};
}

std::optional<Value> decode_host(const std::string& bytes) {
  records::Host in;
  if (!in.ParseFromString(bytes) || in.id() == 0) return std::nullopt;
  const auto vtep = api::parse_vtep(in.vtep(), in.vtep_port());
  if (!vtep) return std::nullopt;
  return Host{in.name(), HostId{in.id()}, *vtep};
}

std::optional<Vni> parse_padded_vni(std::string_view digits) {
  return Vni::parse(digits.substr(std::min(digits.find_first_not_of('0'), digits.size())));
}

std::optional<Value> decode_vni(std::string_view rest, const std::string& bytes) {
  const auto vni = parse_padded_vni(rest);
  if (!vni) return std::nullopt;
  return VniOwner{*vni, bytes};
}

std::optional<Value> decode_mac(std::string_view rest, const std::string& bytes) {
  const auto slash = rest.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto mac = MacAddress::parse(rest.substr(slash + 1));
  if (!mac) return std::nullopt;
  return MacOwner{std::string{rest.substr(0, slash)}, *mac, bytes};
}

std::optional<Value> decode_quarantine(std::string_view rest, const std::string& bytes) {
  records::Quarantine in;
  if (!in.ParseFromString(bytes) || subject_of(rest).index() == 0) return std::nullopt;
  return Quarantine{std::string{rest}, in.tenant()};
}

std::optional<Value> decode_counter(const std::string& bytes) {
  std::uint32_t last = 0;
  const auto [stop, error] = std::from_chars(bytes.data(), bytes.data() + bytes.size(), last);
  if (error != std::errc{} || stop != bytes.data() + bytes.size()) return std::nullopt;
  return HostIdCounter{last};
}

std::optional<Value> decode_kind(std::string_view kind, std::string_view rest,
                                 const std::string& bytes) {
  if (kind == "tenant") return decode_tenant(bytes);
  if (kind == "policy") return decode_policy(bytes);
  if (kind == "network") return decode_network(bytes);
  if (kind == "vni") return decode_vni(rest, bytes);
  if (kind == "endpoint") return decode_endpoint(bytes);
  if (kind == "mac") return decode_mac(rest, bytes);
  if (kind == "address") return decode_address(bytes);
  if (kind == "host") return decode_host(bytes);
  if (kind == "quarantine") return decode_quarantine(rest, bytes);
  if (kind == "counter") return decode_counter(bytes);
  return std::nullopt;
}

}  // namespace

std::string tenant_key(std::string_view name) { return fmt::format("tenant/{}", name); }
std::string policy_key(std::string_view name) { return fmt::format("policy/{}", name); }
std::string network_key(std::string_view name) { return fmt::format("network/{}", name); }
std::string vni_key(Vni vni) { return fmt::format("vni/{:08}", vni.value()); }
std::string endpoint_key(std::string_view name) { return fmt::format("endpoint/{}", name); }
std::string mac_key(std::string_view tenant, const MacAddress& mac) {
  return fmt::format("mac/{}/{}", tenant, mac.to_string());
}
std::string address_key(const IpKey& key) {
  return address_key_prefix(key.vni) + key.ip.to_string();
}
std::string address_key_prefix(Vni vni) { return fmt::format("address/{:08}/", vni.value()); }
std::string host_key(std::string_view name) { return fmt::format("host/{}", name); }
std::string quarantine_key(std::string_view of) { return fmt::format("quarantine/{}", of); }

std::string policy_name(const Policy& policy) {
  return fmt::format("{}/{}/{}", policy.tenant, policy.network, policy.other);
}

std::variant<std::monostate, Vni, IpKey> subject_of(std::string_view key) {
  constexpr std::string_view kVni = "vni/";
  constexpr std::string_view kAddress = "address/";
  if (key.starts_with(kVni)) {
    if (const auto vni = parse_padded_vni(key.substr(kVni.size()))) return *vni;
  } else if (key.starts_with(kAddress)) {
    const auto rest = key.substr(kAddress.size());
    const auto slash = std::min(rest.find('/'), rest.size());
    const auto vni = parse_padded_vni(rest.substr(0, slash));
    const auto ip = IpAddress::parse(rest.substr(std::min(slash + 1, rest.size())));
    if (vni && ip) return IpKey{*vni, *ip};
  }
  return std::monostate{};
}

std::string key_of(const Value& value) {
  return std::visit(Overloaded{[](const Tenant& v) { return tenant_key(v.name); },
                               [](const Network& v) { return network_key(v.name); },
                               [](const VniOwner& v) { return vni_key(v.vni); },
                               [](const Endpoint& v) { return endpoint_key(v.name); },
                               [](const MacOwner& v) { return mac_key(v.tenant, v.mac); },
                               [](const Address& v) { return address_key(v.key); },
                               [](const Host& v) { return host_key(v.name); },
                               [](const Quarantine& v) { return quarantine_key(v.of); },
                               [](const HostIdCounter&) { return std::string{kHostIdKey}; },
                               [](const Policy& v) { return policy_key(policy_name(v)); }},
                    value);
}

std::string encode(const Value& value) {
  return std::visit(Overloaded{[](const Tenant& v) { return encode_tenant(v); },
                               [](const Network& v) { return encode_network(v); },
                               [](const VniOwner& v) { return v.network; },
                               [](const Endpoint& v) { return encode_endpoint(v); },
                               [](const MacOwner& v) { return v.endpoint; },
                               [](const Address& v) { return encode_address(v); },
                               [](const Host& v) { return encode_host(v); },
                               [](const Quarantine& v) { return encode_quarantine(v); },
                               [](const HostIdCounter& v) { return std::to_string(v.last); },
                               [](const Policy& v) { return encode_policy(v); }},
                    value);
}

Result<Value> decode(const std::string& key, const std::string& bytes) {
  const std::string_view view{key};
  const auto slash = std::min(view.find('/'), view.size());
  const auto rest = view.substr(std::min(slash + 1, view.size()));
  auto value = decode_kind(view.substr(0, slash), rest, bytes);
  if (!value) return Error{ErrorCode::kSystem, fmt::format("record \"{}\" is damaged", key)};
  if (key_of(*value) != key)
    return Error{ErrorCode::kSystem,
                 fmt::format("record \"{}\" holds what belongs under \"{}\"", key, key_of(*value))};
  return *std::move(value);
}

}  // namespace dove::controller
