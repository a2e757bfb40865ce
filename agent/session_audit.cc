// The words of a session by which beliefs are compared with the truth.
#include <algorithm>

#include "agent/session.h"
#include "agent/session_message.h"
#include "api/convert.h"
#include "dove/v1/agent.pb.h"

namespace dove::agent {
namespace {

void write(const Beliefs& beliefs, v1::Audit* audit) {
  audit->set_hosts(beliefs.hosts);
  audit->set_attached(beliefs.attached);
  if (!beliefs.vni) return;
  audit->set_vni(beliefs.vni->value());
  audit->set_settings(beliefs.settings);
  audit->set_members(beliefs.members);
  audit->set_groups(beliefs.groups);
  audit->set_replicated(beliefs.replica.has_value());
  audit->set_replica(beliefs.replica.value_or(0));
  audit->set_asking(!beliefs.interest);
  if (!beliefs.interest) return;
  audit->set_keys(beliefs.interest->keys);
  audit->set_interest(beliefs.interest->digest);
}

template <class List>
std::vector<HostId> hosts_of(const List& list) {
  std::vector<HostId> hosts;
  for (const auto id : list.add()) hosts.push_back(HostId{id});
  return hosts;
}

Result<std::vector<HostRecord>> parse_hosts(const v1::Hosts& message) {
  std::vector<HostRecord> hosts;
  for (const auto& part : message.hosts()) {
    auto host = api::parse_host(part);
    if (!host) return host.error();
    hosts.push_back({.id = host->id, .name = std::move(host->name), .vtep = host->vtep});
  }
  return hosts;
}

Result<GroupMembers> parse_groups(const v1::Truth& message) {
  GroupMembers groups;
  for (const auto& part : message.groups()) {
    const auto mac = api::parse_mac(part.group());
    if (!mac || !mac->is_multicast())
      return Error{ErrorCode::kInvalid, "a group is a multicast MAC of 6 bytes"};
    groups.insert_or_assign(*mac, hosts_of(part));
  }
  return groups;
}

Result<std::vector<Attachment>> parse_attached(const v1::Truth& message) {
  std::vector<Attachment> all;
  for (const auto& part : message.attached()) {
    auto one = parse_attachment(part);
    if (!one) return one.error();
    all.push_back(*std::move(one));
  }
  return all;
}

// Where `given`, the value; or the error, once.
template <class Value>
Status take(bool given, const std::function<Result<Value>()>& parse, std::optional<Value>& out) {
  if (!given) return {};
  auto parsed = parse();
  if (!parsed) return parsed.error();
  out = *std::move(parsed);
  return {};
}

Result<Truth> parse_truth(const Beliefs& beliefs, const v1::Truth& message) {
  if (message.gone() && beliefs.vni) return Truth{.gone = true};
  Truth truth{.joined = message.joined() || !beliefs.vni};
  truth.replica_differs = message.replica_differs();
  truth.interest_differs = message.interest_differs();
  if (message.has_members()) truth.members = hosts_of(message.members());
  for (auto& status :
       {take<NetworkSettings>(
            message.has_network(), [&] { return parse_network(message.network()); },
            truth.settings),
        take<GroupMembers>(
            message.groups_differ(), [&] { return parse_groups(message); }, truth.groups),
        take<std::vector<HostRecord>>(
            message.has_hosts(), [&] { return parse_hosts(message.hosts()); }, truth.hosts),
        take<std::vector<Attachment>>(
            message.attached_differ(), [&] { return parse_attached(message); }, truth.attached)})
    if (!status) return status.error();
  return truth;
}

Result<std::vector<BindingRecord>> bindings_of(const Result<const v1::Reply*>& reply) {
  if (!reply) return reply.error();
  std::vector<BindingRecord> all;
  for (const auto& part : (*reply)->bindings().bindings()) {
    auto binding = api::parse_binding(part, (*reply)->bindings().revision());
    if (!binding) return binding.error();
    all.push_back(*binding);
  }
  return all;
}

}  // namespace

void Session::audit(const Beliefs& beliefs, Completion<Truth> done) {
  request([&](v1::Request& out) { write(beliefs, out.mutable_audit()); },
          [beliefs, done = std::move(done)](const Result<const v1::Reply*>& reply) {
            reply ? done(parse_truth(beliefs, (*reply)->truth())) : done(reply.error());
          });
}

void Session::look_up(std::span<const Key> keys, Completion<std::vector<BindingRecord>> done) {
  request([&](v1::Request& out) { api::add_keys(keys, out.mutable_lookup()->mutable_keys()); },
          [done = std::move(done)](const auto& reply) { done(bindings_of(reply)); });
}

void Session::look_up(Vni vni, Completion<std::vector<BindingRecord>> done) {
  request([&](v1::Request& out) { out.mutable_lookup()->set_vni(vni.value()); },
          [done = std::move(done)](const auto& reply) { done(bindings_of(reply)); });
}

}  // namespace dove::agent
