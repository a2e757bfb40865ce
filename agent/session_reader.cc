#include "agent/session_reader.h"

#include <utility>

#include "agent/session_message.h"
#include "api/convert.h"

namespace dove::agent {
namespace {

std::vector<HostId> parse_hosts(const google::protobuf::RepeatedField<std::uint32_t>& ids) {
  std::vector<HostId> hosts;
  for (const auto id : ids) hosts.push_back(HostId{id});
  return hosts;
}

}  // namespace

template <class Value>
Value* SessionReader::check(Result<Value>& parsed) {
  if (parsed) return &*parsed;
  ++malformed_;
  return nullptr;
}

std::uint64_t SessionReader::read(const v1::FromController& message) {
  switch (message.message_case()) {
    case v1::FromController::kBindings:
      return read(message.bindings());
    case v1::FromController::kHosts:
      return read(message.hosts());
    case v1::FromController::kFloodList:
      return read(message.flood_list());
    case v1::FromController::kGroupList:
      return read(message.group_list());
    case v1::FromController::kNetwork:
      return read(message.network());
    case v1::FromController::kNetworkGone:
      return read(message.network_gone());
    case v1::FromController::kLost:
      return read(message.lost());
    case v1::FromController::kReaddressed:
      return read(message.readdressed());
    case v1::FromController::kReplica:
      return read(message.replica());
    case v1::FromController::kResync:
      return read(message.resync());
    case v1::FromController::kSync:
      return read(message.sync());
    default:
      return 0;
  }
}

std::uint64_t SessionReader::read(const v1::Bindings& message) {
  bindings_.clear();
  for (const auto& part : message.bindings()) {
    auto binding = api::parse_binding(part, message.revision());
    if (auto* value = check(binding)) bindings_.push_back(*value);
  }
  listener_.on_bindings(bindings_);
  return message.revision();
}

std::uint64_t SessionReader::read(const v1::Hosts& message) {
  std::vector<HostRecord> hosts;
  for (const auto& part : message.hosts()) {
    auto host = api::parse_host(part);
    auto* const value = check(host);
    if (value == nullptr) continue;
    // Else a guest's broadcast would come back to it.
    if (value->vtep && vtep_ && value->vtep->address == vtep_->address && value->id != self_)
      ++malformed_;
    else
      hosts.push_back({.id = value->id, .name = std::move(value->name), .vtep = value->vtep});
  }
  listener_.on_hosts(hosts, message.full());
  return message.revision();
}

std::uint64_t SessionReader::read(const v1::FloodList& message) {
  auto vni = api::parse_vni(message.vni());
  if (check(vni) == nullptr) return 0;
  listener_.on_flood_list(*vni, parse_hosts(message.add()), parse_hosts(message.remove()),
                          message.full());
  return message.revision();
}

std::uint64_t SessionReader::read(const v1::GroupList& message) {
  auto vni = api::parse_vni(message.vni());
  if (check(vni) == nullptr) return 0;
  const auto group = api::parse_mac(message.group());
  if (!message.group().empty() && (!group || !group->is_multicast())) {
    ++malformed_;
    return 0;
  }
  listener_.on_group_list(*vni, group, parse_hosts(message.add()), parse_hosts(message.remove()),
                          message.full());
  return message.revision();
}

std::uint64_t SessionReader::read(const v1::NetworkSettings& message) {
  auto settings = parse_network(message);
  if (check(settings) == nullptr) return 0;
  listener_.on_network(*settings);
  return message.revision();
}

std::uint64_t SessionReader::read(const v1::NetworkGone& message) {
  auto vni = api::parse_vni(message.vni());
  if (check(vni) == nullptr) return 0;
  listener_.on_network_gone(*vni);
  return message.revision();
}

std::uint64_t SessionReader::read(const v1::Lost& message) {
  auto attachment = parse_attachment(message.attachment());
  if (check(attachment) != nullptr) listener_.on_lost(*attachment);
  return 0;
}

std::uint64_t SessionReader::read(const v1::Readdressed& message) {
  auto attachment = parse_attachment(message.attachment());
  if (check(attachment) != nullptr) listener_.on_readdressed(*attachment);
  return message.revision();
}

std::uint64_t SessionReader::read(const v1::Replica& message) {
  auto word = parse_replica(message);
  if (check(word) == nullptr) return 0;
  listener_.on_replica(*word);
  return message.revision();
}

std::uint64_t SessionReader::read(const v1::Resync& message) {
  if (message.vni() == 0) {
    listener_.on_resync(std::nullopt);
    return 0;
  }
  auto vni = api::parse_vni(message.vni());
  if (check(vni) != nullptr) listener_.on_resync(*vni);
  return 0;
}

std::uint64_t SessionReader::read(const v1::Sync& message) {
  listener_.on_sync(message.number(), message.revision());
  return message.revision();
}

}  // namespace dove::agent
