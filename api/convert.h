// Between the protocol's messages and core values, both ways. Whatever comes from outside passes
// through one of the parse functions, which refuse wrong lengths and ranges; behind them wrong
// values cannot exist. An error names the field and what was expected.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "core/binding.h"
#include "core/key.h"
#include "core/result.h"
#include "core/subnet.h"
#include "core/vtep.h"
#include "dove/v1/agent.pb.h"

namespace dove::api {

inline constexpr std::uint32_t kProtocol = 1;

// --- addresses: wire order in protobuf's `bytes`. Empty unless the length is right.
std::optional<MacAddress> parse_mac(const std::string& bytes) noexcept;
std::optional<IpAddress> parse_ip(const std::string& bytes) noexcept;
std::string to_bytes(const MacAddress& mac);
std::string to_bytes(const IpAddress& ip);
void set_bytes(std::string* out, const MacAddress& mac);  // reuses the string's memory
void set_bytes(std::string* out, const IpAddress& ip);

// Port 0 stands for the default. An address that no host can have is refused.
Result<Vtep> parse_vtep(const std::string& address, std::uint32_t port);

// Decodes 0 ("not given") and out of range numbers as errors.
Result<Vni> parse_vni(std::uint32_t raw);

// --- keys
// Appends to `out`; on an error `out` may hold a part.
Status parse_keys(const v1::Keys& message, std::vector<Key>& out);
// Appends, one set a network when `keys` are grouped by network.
void add_keys(std::span<const Key> keys, v1::Keys* message);
Vni vni_of(const Key& key) noexcept;

// --- bindings
using Binding = std::variant<MacBinding, IpBinding>;
// `revision` is that of the message around it, for entries that carry none of their own.
Result<Binding> parse_binding(const v1::Binding& message, std::uint64_t revision);
void write(const MacBinding& binding, v1::Binding* message);
void write(const IpBinding& binding, v1::Binding* message);

// --- hosts
struct HostEntry {
  HostId id;
  std::string name;
  std::optional<Vtep> vtep;  // empty: removed

  friend bool operator==(const HostEntry&, const HostEntry&) = default;
};
Result<HostEntry> parse_host(const v1::HostRecord& message);
void write(const HostEntry& host, v1::HostRecord* message);

// --- subnets
// A prefix with host bits set, a gateway of the other family or outside the prefix are refused.
Result<Subnet> parse_subnet(const v1::Subnet& message);
void write(const Subnet& subnet, v1::Subnet* message);
Result<std::vector<IpAddress>> parse_ips(
    const google::protobuf::RepeatedPtrField<std::string>& list);

// --- errors
Error parse_problem(const v1::Problem& message);  // an unknown code is kInvalid
void write(const Error& error, v1::Problem* message);

}  // namespace dove::api
