#include "agent/datapath/path_prober.h"

#include <algorithm>
#include <chrono>

#include "netlink/dump.h"

namespace dove::agent {
namespace {

constexpr std::chrono::milliseconds kPause{10};
constexpr std::uint32_t kHeaders = 40 + 8;    // IPv6, UDP
constexpr std::uint32_t kSmallestMtu = 1280;  // RFC 8200 5

}  // namespace

Result<PathProber> PathProber::open(const Vtep& own) {
  auto hears = netlink::TooBigSocket::open(own.address);
  if (!hears) return hears.error();
  auto asks = netlink::DatagramSocket::open(own.address);
  if (!asks) return asks.error();
  return PathProber{own, std::move(*hears), std::move(*asks)};
}

Result<PathProber::Done> PathProber::read(netlink::Query& query,
                                          const std::vector<IpAddress>& peers, std::uint32_t mtu,
                                          TimePoint now) {
  told_.clear();
  const auto more = hears_.read(told_);
  if (!more) return more.error();
  Done done{.more = *more};
  for (const auto& told : told_) {
    const bool plausible = told.to.port == own_.port && told.mtu >= kSmallestMtu && told.mtu < mtu;
    if (!plausible || std::find(peers.begin(), peers.end(), told.to.address) == peers.end())
      continue;
    if (now < next_) break;  // who is too big still will be told again
    next_ = now + kPause;
    probe(told, query);
    done.heard = true;
  }
  return done;
}

// Unless the kernel knows it already.
void PathProber::probe(const netlink::TooBig& told, netlink::Query& query) {
  const auto route = netlink::route_to(query, told.to.address, own_.address);
  if (!route || (route->mtu && *route->mtu <= told.mtu)) return;
  const std::vector<std::byte> nothing(told.mtu - kHeaders + 1);
  const netlink::OutgoingDatagram datagram{told.to, nothing};
  (void)asks_.send({&datagram, 1});  // when it is lost, too: who is too big will be told again
}

}  // namespace dove::agent
