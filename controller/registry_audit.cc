// The registry's part of comparing what an agent believes: the endpoints that are active at its
// host.
#include "controller/registry.h"
#include "controller/render.h"
#include "core/belief_digest.h"

namespace dove::controller {

std::uint64_t Registry::digest_of_attached(HostId host) const {
  std::uint64_t digest = 0;
  for (const auto& name : state_.endpoints_at(host)) {
    const auto* endpoint = state_.endpoint(name);
    std::uint64_t ips = 0;
    for (const auto& ip : state_.ips_of(name))
      ips += digest_of_own(ip, state_.address({endpoint->vni, ip})->kind == Address::Kind::kShared);
    digest += digest_of(AttachedFacts{.endpoint = name,
                                      .guest = endpoint->key(),
                                      .generation = endpoint->generation,
                                      .ips = ips});
  }
  return digest;
}

void Registry::do_audit(const Peer& peer, const v1::Audit& audit, v1::Reply& reply) const {
  auto* truth = reply.mutable_truth();
  sessions_.audit(peer, audit, truth);
  if (audit.vni() != 0 || digest_of_attached(peer.host) == audit.attached()) return;
  truth->set_attached_differ(true);
  for (const auto& name : state_.endpoints_at(peer.host))
    render(*state_.endpoint(name), state_, truth->add_attached());
}

}  // namespace dove::controller
