// What agents believe, compared with what is so; nothing changes here.
#include "controller/render.h"
#include "controller/sessions.h"
#include "core/belief_digest.h"

namespace dove::controller {
namespace {

constexpr std::size_t kMostKeys = 1024;  // of one look-up

std::uint64_t digest_of_settings(const Network& network, std::span<const Subnet> denied) {
  std::uint64_t prefixes = 0;
  for (const auto& subnet : denied) prefixes += digest_of(subnet.prefix);
  return digest_of(NetworkFacts{.name = network.name,
                                .tenant = network.tenant,
                                .subnets = digest_of_all(network.subnets),
                                .denied = prefixes,
                                .learn = network.learn});
}

}  // namespace

void Sessions::audit(const Peer& peer, const v1::Audit& believed, v1::Truth* truth) const {
  const std::lock_guard lock{mutex_};
  const auto session = sessions_.find(peer.reader);
  if (session == sessions_.end()) return;
  if (believed.vni() == 0) return audit_hosts(believed, truth);
  audit_network(session->second, believed, truth);
}

void Sessions::audit_network(const Live& session, const v1::Audit& believed,
                             v1::Truth* truth) const {
  const auto vni = *Vni::from(believed.vni());
  const auto* network = directory_.topology().network(vni);
  if (network == nullptr) return truth->set_gone(true);
  if (!session.joined.contains(vni)) return;
  truth->set_joined(true);
  if (digest_of_settings(*network, directory_.topology().denied_to(vni)) != believed.settings())
    render(vni, directory_.topology(), truth->mutable_network());
  audit_members(vni, session.peer->host, believed, truth);
  audit_groups(vni, session.peer->host, believed, truth);
  audit_knowledge(session, believed, truth);
}

void Sessions::audit_knowledge(const Live& session, const v1::Audit& believed,
                               v1::Truth* truth) const {
  const auto vni = *Vni::from(believed.vni());
  const auto reader = session.peer->reader;
  if (believed.replicated())
    truth->set_replica_differs(!replicas_.is_kept(reader, vni) ||
                               directory_.digest(vni) != believed.replica());
  if (believed.asking()) return;
  const Directory::Digest interest{believed.keys(), believed.interest()};
  truth->set_interest_differs(directory_.interest_in(reader, vni) != interest);
}

void Sessions::audit_members(Vni vni, HostId of, const v1::Audit& believed,
                             v1::Truth* truth) const {
  v1::FloodList list;
  list.set_vni(vni.value());
  list.set_full(true);
  list.set_revision(revision_);
  std::uint64_t digest = 0;
  const auto members = members_.find(vni);
  if (members != members_.end())
    for (const auto& [host, by] : members->second) {
      if (host == of) continue;
      digest += digest_of(host);
      list.add_add(static_cast<std::uint32_t>(host));
    }
  if (digest != believed.members()) *truth->mutable_members() = std::move(list);
}

// Not before all hosts had the time to say what their guests listen to: nor are agents told till
// then.
void Sessions::audit_groups(Vni vni, HostId of, const v1::Audit& believed, v1::Truth* truth) const {
  if (groups_settle_) return;
  std::uint64_t digest = 0;
  v1::Truth all;
  for (const auto& [group, hosts] : listeners_.of(vni)) {
    v1::GroupList list;
    list.set_vni(vni.value());
    list.set_full(true);
    list.set_revision(revision_);
    api::set_bytes(list.mutable_group(), group);
    std::uint64_t sum = 0;
    for (const auto host : hosts) {
      if (host == of) continue;
      sum += digest_of(host);
      list.add_add(static_cast<std::uint32_t>(host));
    }
    if (list.add_size() == 0) continue;
    digest += digest_of_group(group, sum);
    *all.add_groups() = std::move(list);
  }
  truth->set_groups_differ(digest != believed.groups());
  if (truth->groups_differ()) truth->mutable_groups()->Swap(all.mutable_groups());
}

void Sessions::audit_hosts(const v1::Audit& believed, v1::Truth* truth) const {
  std::uint64_t digest = 0;
  for (const auto& [id, host] : hosts_) digest += digest_of_host(id, host.name, *host.vtep);
  if (digest == believed.hosts()) return;
  truth->mutable_hosts()->set_full(true);
  truth->mutable_hosts()->set_revision(revision_);
  for (const auto& [id, host] : hosts_) api::write(host, truth->mutable_hosts()->add_hosts());
}

Status Sessions::look_up(const Peer& peer, const v1::Lookup& wanted, v1::Bindings* found) const {
  std::vector<Key> keys;
  if (auto status = api::parse_keys(wanted.keys(), keys); !status) return status;
  if (keys.size() > kMostKeys)
    return Error{ErrorCode::kInvalid, "too many keys are looked up at once"};
  const std::lock_guard lock{mutex_};
  found->set_revision(revision_);
  for (const auto& key : keys)
    std::visit([&](const auto& k) { api::write(directory_.answer(k), found->add_bindings()); },
               key);
  if (wanted.vni() == 0) return {};
  const auto vni = api::parse_vni(wanted.vni());
  if (!vni) return vni.error();
  const auto session = sessions_.find(peer.reader);
  if (session == sessions_.end() || !session->second.joined.contains(*vni))
    return Error{ErrorCode::kConflict, "the host has not joined the network"};
  if (!replicas_.is_small(*vni))
    return Error{ErrorCode::kConflict, "the network is too large to be told as a whole"};
  directory_.visit(*vni, [&](const auto& binding) { api::write(binding, found->add_bindings()); });
  return {};
}

}  // namespace dove::controller
