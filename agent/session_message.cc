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

}  // namespace dove::agent
