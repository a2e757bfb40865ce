#include "api/convert.h"

#include "tests/catch.h"

namespace dove::api {
namespace {

const Vni kVni = *Vni::from(100);
const MacAddress kMac{{0x02, 1, 2, 3, 4, 5}};
const IpAddress kIp4 = *IpAddress::parse("10.1.2.3");
const IpAddress kIp6 = *IpAddress::parse("2001:db8::7");

template <class Message>
Message through_wire(const Message& message) {
  Message copy;
  REQUIRE(copy.ParseFromString(message.SerializeAsString()));
  return copy;
}

TEST_CASE("keys survive the wire") {
  const std::vector<Key> keys{MacKey{kVni, kMac}, IpKey{kVni, kIp4}, IpKey{kVni, kIp6},
                              MacKey{*Vni::from(Vni::kLimit - 1), kMac}};
  v1::Keys message;
  add_keys(keys, &message);
  CHECK(message.sets_size() == 2);
  std::vector<Key> back;
  REQUIRE(parse_keys(through_wire(message), back));
  CHECK(back == keys);
}

TEST_CASE("wrong keys are refused") {
  v1::Keys message;
  auto* set = message.add_sets();
  set->set_vni(100);
  const auto spoil = GENERATE(0, 1, 2, 3, 4);
  if (spoil == 0) set->set_vni(0);
  if (spoil == 1) set->set_vni(Vni::kLimit);
  if (spoil == 2) set->add_macs("12345");
  if (spoil == 3) set->add_ips("12345");
  if (spoil == 4) set->add_macs("");
  std::vector<Key> keys;
  const auto status = parse_keys(message, keys);
  REQUIRE_FALSE(status);
  CHECK(status.error().code == ErrorCode::kInvalid);
}

TEST_CASE("bindings survive the wire") {
  const MacBinding found{.key = {kVni, kMac},
                         .verdict = Verdict::kFound,
                         .host = HostId{7},
                         .generation = 3,
                         .revision = 9};
  const IpBinding owned{
      .key = {kVni, kIp6}, .verdict = Verdict::kFound, .mac = kMac, .generation = 3, .revision = 9};
  const MacBinding absent{.key = {kVni, kMac},
                          .verdict = Verdict::kNotFound,
                          .revision = 9,
                          .ttl = std::chrono::milliseconds{2000}};
  const IpBinding denied{.key = {kVni, kIp4},
                         .verdict = Verdict::kDenied,
                         .revision = 9,
                         .ttl = std::chrono::milliseconds{1}};
  const auto round = [](const auto& binding) {
    v1::Binding message;
    write(binding, &message);
    return parse_binding(through_wire(message), 1000);
  };
  CHECK(std::get<MacBinding>(*round(found)) == found);
  CHECK(std::get<IpBinding>(*round(owned)) == owned);
  CHECK(std::get<MacBinding>(*round(absent)) == absent);
  CHECK(std::get<IpBinding>(*round(denied)) == denied);
}

TEST_CASE("a binding without a revision has the message's") {
  v1::Binding message;
  write(MacBinding{.key = {kVni, kMac}}, &message);
  CHECK(std::get<MacBinding>(*parse_binding(message, 42)).revision == 42);
}

TEST_CASE("wrong bindings are refused") {
  v1::Binding message;
  write(IpBinding{.key = {kVni, kIp4}, .verdict = Verdict::kFound, .mac = kMac}, &message);
  REQUIRE(parse_binding(message, 1));
  const auto spoil = GENERATE(0, 1, 2, 3, 4, 5);
  if (spoil == 0) message.set_vni(0);
  if (spoil == 1) message.set_owner("12345");
  if (spoil == 2) message.clear_key();
  if (spoil == 3) message.set_ip("123");
  if (spoil == 4) message.set_mac(to_bytes(kMac));  // found, at no host
  if (spoil == 5) message.set_verdict(static_cast<v1::Binding::Verdict>(17));
  CHECK_FALSE(parse_binding(message, 1));
}

TEST_CASE("hosts survive the wire, and wrong ones are refused") {
  const HostEntry host{HostId{3}, "a", Vtep{kIp6, 8472}};
  v1::HostRecord message;
  write(host, &message);
  CHECK(*parse_host(through_wire(message)) == host);
  v1::HostRecord gone;
  write(HostEntry{HostId{3}, "a", std::nullopt}, &gone);
  CHECK_FALSE(parse_host(gone)->vtep.has_value());
  message.set_id(0);
  CHECK_FALSE(parse_host(message));
}

TEST_CASE("a VTEP is an address that a host can have") {
  CHECK(parse_vtep(to_bytes(kIp4), 0)->port == Vtep::kDefaultPort);
  CHECK(parse_vtep(to_bytes(kIp4), 65535));
  CHECK_FALSE(parse_vtep(to_bytes(kIp4), 65536));
  CHECK_FALSE(parse_vtep("", 0));
  CHECK_FALSE(parse_vtep(to_bytes(*IpAddress::parse("224.0.0.1")), 0));
  CHECK_FALSE(parse_vtep(to_bytes(*IpAddress::parse("0.0.0.0")), 0));
}

TEST_CASE("subnets survive the wire, and wrong ones are refused") {
  const Subnet subnet{*Prefix::parse("10.1.0.0/16"), kIp4};
  v1::Subnet message;
  write(subnet, &message);
  CHECK(*parse_subnet(through_wire(message)) == subnet);
  message.clear_gateway();
  CHECK_FALSE(parse_subnet(message)->gateway.has_value());
  const auto spoil = GENERATE(0, 1, 2, 3, 4);
  if (spoil == 0) message.set_length(33);
  if (spoil == 1) message.set_length(8);  // host bits
  if (spoil == 2) message.set_network("123");
  if (spoil == 3) message.set_gateway("12345");
  if (spoil == 4) message.set_gateway(to_bytes(kIp6));
  CHECK_FALSE(parse_subnet(message));
}

TEST_CASE("errors survive the wire") {
  const Error error{ErrorCode::kConflict, "endpoint \"a\" is elsewhere"};
  v1::Problem message;
  write(error, &message);
  CHECK(parse_problem(through_wire(message)) == error);
  message.set_code(4711);
  CHECK(parse_problem(message).code == ErrorCode::kInvalid);
}

}  // namespace
}  // namespace dove::api
