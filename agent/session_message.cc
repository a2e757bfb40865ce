#include "agent/session_message.h"

#include "api/convert.h"

namespace dove::agent {
namespace {

Attachment::State parse_state(v1::Attachment::State state) {
  switch (state) {
    case v1::Attachment::ACTIVE:
      return Attachment::State::kActive;
    case v1::Attachment::PREPARED:
      return Attachment::State::kPrepared;
    default:
      return Attachment::State::kGone;
  }
}

std::optional<ReplicaWord::Kind> parse_kind(v1::Replica::Kind kind) {
  switch (kind) {
    case v1::Replica::DELTA:
      return ReplicaWord::Kind::kDelta;
    case v1::Replica::PART:
      return ReplicaWord::Kind::kPart;
    case v1::Replica::LAST:
      return ReplicaWord::Kind::kLast;
    case v1::Replica::CURRENT:
      return ReplicaWord::Kind::kCurrent;
    case v1::Replica::OFFERED:
      return ReplicaWord::Kind::kOffered;
    case v1::Replica::ENDED:
      return ReplicaWord::Kind::kEnded;
    default:
      return std::nullopt;
  }
}

Vni network_of(const BindingRecord& binding) {
  return std::visit([](const auto& one) { return one.key.vni; }, binding);
}

}  // namespace

Result<NetworkSettings> parse_network(const v1::NetworkSettings& message) {
  const auto vni = api::parse_vni(message.vni());
  if (!vni) return vni.error();
  NetworkSettings settings{.vni = *vni,
                           .name = message.name(),
                           .tenant = message.tenant(),
                           .subnets = {},
                           .learn = message.learn(),
                           .revision = message.revision(),
                           .denied = {}};
  for (const auto& part : message.subnets()) {
    auto subnet = api::parse_subnet(part);
    if (!subnet) return subnet.error();
    settings.subnets.push_back(*std::move(subnet));
  }
  for (const auto& part : message.denied()) {
    const auto subnet = api::parse_subnet(part);
    if (!subnet) return subnet.error();
    settings.denied.push_back(subnet->prefix);
  }
  return settings;
}

Result<Attachment> parse_attachment(const v1::Attachment& message) {
  const auto vni = api::parse_vni(message.vni());
  if (!vni) return vni.error();
  const auto mac = api::parse_mac(message.mac());
  if (!mac || !mac->is_unicast())
    return Error{ErrorCode::kInvalid, "an attachment without a MAC address"};
  auto ips = api::parse_ips(message.ips());
  if (!ips) return ips.error();
  auto shared_ips = api::parse_ips(message.shared_ips());
  if (!shared_ips) return shared_ips.error();
  return Attachment{.endpoint = message.endpoint(),
                    .vni = *vni,
                    .mac = *mac,
                    .ips = *std::move(ips),
                    .shared_ips = *std::move(shared_ips),
                    .state = parse_state(message.state()),
                    .host = HostId{message.host_id()},
                    .generation = message.generation()};
}

Result<ReplicaWord> parse_replica(const v1::Replica& message) {
  const auto vni = api::parse_vni(message.vni());
  if (!vni) return vni.error();
  const auto kind = parse_kind(message.kind());
  if (!kind) return Error{ErrorCode::kInvalid, "a word about a replica of no known kind"};
  ReplicaWord word{.vni = *vni,
                   .kind = *kind,
                   .first = message.first(),
                   .after = message.after(),
                   .revision = message.revision()};
  if (auto status = api::parse_keys(message.gone(), word.gone); !status) return status.error();
  for (const auto& part : message.bindings()) {
    const auto binding = api::parse_binding(part, message.revision());
    if (!binding) return binding.error();
    if (network_of(*binding) != *vni)
      return Error{ErrorCode::kInvalid, "a replica's binding is of another network"};
    word.bindings.push_back(*binding);
  }
  return word;
}

Lag parse_lag(const v1::Lag& message) {
  switch (message.why()) {
    case v1::Lag::NOT_CONNECTED:
      return {message.host(), Lag::Why::kNotConnected};
    case v1::Lag::TROUBLE:
      return {message.host(), Lag::Why::kTrouble, message.problem()};
    default:
      return {message.host()};
  }
}

v1::Lag to_message(const Lag& lag) {
  v1::Lag message;
  message.set_host(lag.host);
  message.set_problem(lag.problem);
  if (lag.why == Lag::Why::kNotConnected) message.set_why(v1::Lag::NOT_CONNECTED);
  if (lag.why == Lag::Why::kTrouble) message.set_why(v1::Lag::TROUBLE);
  return message;
}

}  // namespace dove::agent
