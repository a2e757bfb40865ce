#include "api/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace dove::api {
namespace {

std::span<const std::byte> wire_of(const std::string& bytes) noexcept {
  return std::as_bytes(std::span{bytes});
}

void assign(std::string* out, std::span<const std::byte> wire) {
  out->assign(reinterpret_cast<const char*>(wire.data()), wire.size());
}

Error invalid(std::string message) { return {ErrorCode::kInvalid, std::move(message)}; }

Error wrong_length(std::string_view what, std::size_t size, std::string_view expected) {
  return invalid(fmt::format("{} has {} bytes, expected {}", what, size, expected));
}

std::optional<Verdict> parse_verdict(int verdict) noexcept {
  switch (verdict) {
    case v1::Binding::FOUND:
      return Verdict::kFound;
    case v1::Binding::NOT_FOUND:
      return Verdict::kNotFound;
    case v1::Binding::DENIED:
      return Verdict::kDenied;
    default:
      return std::nullopt;
  }
}

v1::Binding::Verdict to_message(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::kFound:
      return v1::Binding::FOUND;
    case Verdict::kDenied:
      return v1::Binding::DENIED;
    case Verdict::kNotFound:
      break;
  }
  return v1::Binding::NOT_FOUND;
}

template <class B>
void write_common(const B& binding, v1::Binding* message) {
  message->set_vni(binding.key.vni.value());
  message->set_verdict(to_message(binding.verdict));
  message->set_generation(binding.generation);
  message->set_revision(binding.revision);
  if (binding.target) message->set_target_vni(binding.target->value());
  if (binding.verdict != Verdict::kFound)
    message->set_ttl_ms(static_cast<std::uint32_t>(std::clamp<std::int64_t>(
        binding.ttl.count(), 0, std::numeric_limits<std::uint32_t>::max())));
}

template <class B>
Status read_common(const v1::Binding& message, std::uint64_t revision, Verdict verdict,
                   B& binding) {
  binding.verdict = verdict;
  binding.generation = message.generation();
  binding.revision = message.revision() != 0 ? message.revision() : revision;
  binding.ttl = std::chrono::milliseconds{message.ttl_ms()};
  if (verdict != Verdict::kFound || message.target_vni() == 0) return {};
  const auto target = parse_vni(message.target_vni());
  if (!target) return target.error();
  if (*target != binding.key.vni) binding.target = *target;
  return {};
}

Result<Binding> parse_mac_binding(const v1::Binding& message, Vni vni, Verdict verdict,
                                  std::uint64_t revision) {
  const auto mac = parse_mac(message.mac());
  if (!mac) return wrong_length("binding's MAC", message.mac().size(), "6");
  if (verdict == Verdict::kFound && message.host_id() == 0)
    return invalid(fmt::format("binding of {} leads to no host", mac->to_string()));
  MacBinding binding{.key = {vni, *mac}};
  if (auto read = read_common(message, revision, verdict, binding); !read) return read.error();
  if (verdict == Verdict::kFound) binding.host = HostId{message.host_id()};
  return Binding{binding};
}

Result<Binding> parse_ip_binding(const v1::Binding& message, Vni vni, Verdict verdict,
                                 std::uint64_t revision) {
  const auto ip = parse_ip(message.ip());
  if (!ip) return wrong_length("binding's IP", message.ip().size(), "4 or 16");
  IpBinding binding{.key = {vni, *ip}};
  if (auto read = read_common(message, revision, verdict, binding); !read) return read.error();
  if (verdict != Verdict::kFound) return Binding{binding};
  const auto owner = parse_mac(message.owner());
  if (!owner) return wrong_length("binding's owner", message.owner().size(), "6");
  binding.mac = *owner;
  binding.introduced = message.introduced();
  binding.router = message.router();
  return Binding{binding};
}

}  // namespace

std::optional<MacAddress> parse_mac(const std::string& bytes) noexcept {
  return MacAddress::from_wire(wire_of(bytes));
}

std::optional<IpAddress> parse_ip(const std::string& bytes) noexcept {
  return IpAddress::from_wire(wire_of(bytes));
}

void set_bytes(std::string* out, const MacAddress& mac) { assign(out, mac.wire()); }
void set_bytes(std::string* out, const IpAddress& ip) { assign(out, ip.wire()); }

std::string to_bytes(const MacAddress& mac) {
  std::string bytes;
  set_bytes(&bytes, mac);
  return bytes;
}

std::string to_bytes(const IpAddress& ip) {
  std::string bytes;
  set_bytes(&bytes, ip);
  return bytes;
}

Result<Vtep> parse_vtep(const std::string& address, std::uint32_t port) {
  const auto ip = parse_ip(address);
  if (!ip) return wrong_length("VTEP", address.size(), "4 or 16");
  if (!ip->is_assignable())
    return invalid(fmt::format("VTEP {} is no address that a host can have", ip->to_string()));
  if (port > std::numeric_limits<std::uint16_t>::max())
    return invalid(fmt::format("VTEP port {} is wrong, expected 1..65535", port));
  return Vtep{*ip, port == 0 ? Vtep::kDefaultPort : static_cast<std::uint16_t>(port)};
}

Result<Vni> parse_vni(std::uint32_t raw) {
  if (const auto vni = Vni::from(raw)) return *vni;
  return invalid(fmt::format("VNI {} is wrong, expected 1..{}", raw, Vni::kLimit - 1));
}

Status parse_keys(const v1::Keys& message, std::vector<Key>& out) {
  for (const auto& set : message.sets()) {
    const auto vni = parse_vni(set.vni());
    if (!vni) return vni.error();
    for (const auto& bytes : set.macs()) {
      const auto mac = parse_mac(bytes);
      if (!mac) return wrong_length("key's MAC", bytes.size(), "6");
      out.emplace_back(MacKey{*vni, *mac});
    }
    for (const auto& bytes : set.ips()) {
      const auto ip = parse_ip(bytes);
      if (!ip) return wrong_length("key's IP", bytes.size(), "4 or 16");
      out.emplace_back(IpKey{*vni, *ip});
    }
  }
  return {};
}

void add_keys(std::span<const Key> keys, v1::Keys* message) {
  v1::KeySet* set = nullptr;
  for (const auto& key : keys) {
    const auto vni = vni_of(key).value();
    if (set == nullptr || set->vni() != vni) {
      set = message->add_sets();
      set->set_vni(vni);
    }
    if (const auto* mac = std::get_if<MacKey>(&key))
      set_bytes(set->add_macs(), mac->mac);
    else
      set_bytes(set->add_ips(), std::get<IpKey>(key).ip);
  }
}

Vni vni_of(const Key& key) noexcept {
  if (const auto* mac = std::get_if<MacKey>(&key)) return mac->vni;
  return std::get_if<IpKey>(&key)->vni;
}

Result<Binding> parse_binding(const v1::Binding& message, std::uint64_t revision) {
  const auto vni = parse_vni(message.vni());
  if (!vni) return vni.error();
  const auto verdict = parse_verdict(message.verdict());
  if (!verdict) return invalid(fmt::format("binding's verdict {} is unknown", message.verdict()));
  switch (message.key_case()) {
    case v1::Binding::kMac:
      return parse_mac_binding(message, *vni, *verdict, revision);
    case v1::Binding::kIp:
      return parse_ip_binding(message, *vni, *verdict, revision);
    case v1::Binding::KEY_NOT_SET:
      break;
  }
  return invalid("binding has no key, expected a MAC or an IP");
}

void write(const MacBinding& binding, v1::Binding* message) {
  write_common(binding, message);
  set_bytes(message->mutable_mac(), binding.key.mac);
  if (binding.verdict == Verdict::kFound)
    message->set_host_id(static_cast<std::uint32_t>(binding.host));
}

void write(const IpBinding& binding, v1::Binding* message) {
  write_common(binding, message);
  set_bytes(message->mutable_ip(), binding.key.ip);
  if (binding.verdict == Verdict::kFound) set_bytes(message->mutable_owner(), binding.mac);
  if (binding.introduced) message->set_introduced(true);
  if (binding.router) message->set_router(true);
}

Result<HostEntry> parse_host(const v1::HostRecord& message) {
  if (message.id() == 0) return invalid("host's id is 0, expected 1 or more");
  HostEntry host{HostId{message.id()}, message.name(), std::nullopt};
  if (message.removed()) return host;
  const auto vtep = parse_vtep(message.vtep(), message.vtep_port());
  if (!vtep) return vtep.error();
  host.vtep = *vtep;
  return host;
}

void write(const HostEntry& host, v1::HostRecord* message) {
  message->set_id(static_cast<std::uint32_t>(host.id));
  message->set_name(host.name);
  message->set_removed(!host.vtep);
  if (!host.vtep) return;
  set_bytes(message->mutable_vtep(), host.vtep->address);
  message->set_vtep_port(host.vtep->port);
}

Result<Subnet> parse_subnet(const v1::Subnet& message) {
  const auto network = parse_ip(message.network());
  if (!network) return wrong_length("subnet", message.network().size(), "4 or 16");
  const auto prefix = Prefix::from(*network, message.length());
  if (!prefix)
    return invalid(
        fmt::format("subnet \"{}/{}\" is wrong: expected a length of at most {} and no host bits",
                    network->to_string(), message.length(), network->bits()));
  Subnet subnet{*prefix, std::nullopt};
  if (message.gateway().empty()) return subnet;
  subnet.gateway = parse_ip(message.gateway());
  if (!subnet.gateway) return wrong_length("subnet's gateway", message.gateway().size(), "4 or 16");
  if (!prefix->contains(*subnet.gateway))
    return invalid(fmt::format("gateway {} is not in its subnet {}", subnet.gateway->to_string(),
                               prefix->to_string()));
  return subnet;
}

void write(const Subnet& subnet, v1::Subnet* message) {
  set_bytes(message->mutable_network(), subnet.prefix.network());
  message->set_length(subnet.prefix.length());
  if (subnet.gateway) set_bytes(message->mutable_gateway(), *subnet.gateway);
}

Result<std::vector<IpAddress>> parse_ips(
    const google::protobuf::RepeatedPtrField<std::string>& list) {
  std::vector<IpAddress> ips;
  ips.reserve(static_cast<std::size_t>(list.size()));
  for (const auto& bytes : list) {
    const auto ip = parse_ip(bytes);
    if (!ip) return wrong_length("IP", bytes.size(), "4 or 16");
    ips.push_back(*ip);
  }
  return ips;
}

Error parse_problem(const v1::Problem& message) {
  const bool known = message.code() <= static_cast<std::uint32_t>(ErrorCode::kSystem);
  return {known ? static_cast<ErrorCode>(message.code()) : ErrorCode::kInvalid, message.message()};
}

void write(const Error& error, v1::Problem* message) {
  message->set_code(static_cast<std::uint32_t>(error.code));
  message->set_message(error.message);
}

}  // namespace dove::api
