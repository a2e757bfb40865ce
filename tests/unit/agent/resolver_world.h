// A resolver in a small world, for its tests: this host is 1, others are h2 and h3, the network is
// VNI 10. Keys are small numbers: m2 is a MAC, i2 an IP, h2 a host's VTEP. What the resolver does
// is told in words, such as "fdb m2 h2", "neighbour i2 m2".
#pragma once

#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "agent/resolver.h"

namespace dove::agent {

using namespace std::chrono_literals;
using Words = std::vector<std::string>;

inline const Vni kNet = *Vni::from(10);
inline const Vni kOther = *Vni::from(20);  // of the same tenant
inline const MacAddress kRouter{{0x02, 0xd0, 0, 0, 0, 1}};
inline const IpAddress kGateway = IpAddress::v4(0x0afffffe);

inline MacAddress mac(std::uint32_t n) {
  return MacAddress{{0x02, 0, 0, static_cast<std::uint8_t>(n >> 16),
                     static_cast<std::uint8_t>(n >> 8), static_cast<std::uint8_t>(n)}};
}
inline IpAddress ip(std::uint32_t n) { return IpAddress::v4(0x0a000000 + n); }
inline MacKey m(std::uint32_t n, Vni vni = kNet) { return {vni, mac(n)}; }
inline IpKey i(std::uint32_t n, Vni vni = kNet) { return {vni, ip(n)}; }
inline Vtep vtep(std::uint32_t n) { return {IpAddress::v4(0xc0000200 + n)}; }
inline MacAddress group_mac(std::uint8_t n) { return MacAddress{{1, 0, 0x5e, 0, 0, n}}; }

inline std::string word(const MacAddress& a) {
  const auto& b = a.bytes();
  if (a == kRouter) return "router";
  if (a.is_broadcast()) return "broadcast";
  if (a.is_multicast()) return "g" + std::to_string(b[5]);
  return "m" + std::to_string(b[3] << 16 | b[4] << 8 | b[5]);
}
inline std::string word(const IpAddress& a) {
  return a.is_v4() ? "i" + std::to_string(a.v4_host_order() - 0x0a000000) : a.to_string();
}
inline std::string word(const Vtep& a) {
  return "h" + std::to_string(a.address.v4_host_order() - 0xc0000200);
}
inline std::string word(const std::vector<Vtep>& vteps) {
  std::string words = "[";
  for (const auto& v : vteps) words += (words.size() > 1 ? " " : "") + word(v);
  return words + "]";
}
inline std::string word(Vni vni) { return vni == kNet ? "" : "@" + vni.to_string(); }
inline std::string word(const MacKey& key) { return word(key.mac) + word(key.vni); }
inline std::string word(const IpKey& key) { return word(key.ip) + word(key.vni); }

inline std::string word(const std::optional<Vni>& target) {
  return target ? " in " + target->to_string() : "";
}
inline std::string word(const SetFdb& c) {
  return "fdb " + word(c.key) + " " + word(c.vtep) + word(c.target);
}
inline std::string word(const SetLocalFdb& c) { return "local " + word(c.key); }
inline std::string word(const DeleteFdb& c) { return "no fdb " + word(c.key); }
inline std::string word(const SetNeighbour& c) {
  return "neighbour " + word(c.key) + " " + word(c.mac);
}
inline std::string word(const DeleteNeighbour& c) { return "no neighbour " + word(c.key); }
inline std::string word(const SetGroup& c) { return "group " + word(c.key) + " " + word(c.vteps); }
inline std::string word(const DeleteGroup& c) { return "no group " + word(c.key); }
inline std::string word(const AnswerQuery& a) {
  return word(a.query.target) + " is at " + word(a.mac) + " to port " +
         std::to_string(static_cast<int>(a.query.port));
}
inline std::string word(const PuntedPackets& packets) {
  std::string numbers;
  for (const auto& packet : packets.packets)
    numbers += std::to_string(std::to_integer<int>(packet.front())) + " ";
  return numbers;
}
inline std::string word(const std::optional<RoutedMacs>& macs) {
  return macs ? ", " + word(macs->source) + " to " + word(macs->destination) : "";
}
inline std::string word(const Resend& r) {
  return word(r.packets) + "to " + word(r.vtep) + word(r.target) + word(r.macs);
}
inline std::string word(const Deliver& d) {
  return word(d.packets) + "to guest " + word(d.guest) + word(d.macs);
}
template <class... Ts>
std::string word(const std::variant<Ts...>& v) {
  return std::visit([](const auto& alternative) { return word(alternative); }, v);
}
template <class T>
Words words(const std::vector<T>& things) {
  Words list;
  for (const auto& thing : things) list.push_back(word(thing));
  return list;
}

class World {
 public:
  explicit World(const Limits& limits = {}) : r{limits} {
    r.set_self(HostId{1});
    r.on_session_ready(true, now, out);
    hosts({1, 2, 3});
    r.add_network(kNet, out);
    r.set_router(kNet, Router{kRouter, {kGateway}});
    out.clear();
  }

  void hosts(const std::vector<std::uint32_t>& ids, bool full = true) {
    std::vector<Resolver::HostChange> changes;
    for (const auto id : ids) changes.push_back({HostId{id}, vtep(id)});
    r.on_hosts(changes, full, out);
  }
  void later(std::chrono::milliseconds time) {
    now += time;
    r.on_time(now, out);
  }

  void miss(const MacKey& key) { r.on_event(MacMiss{key}, now, out); }
  void miss(const IpKey& key) { r.on_event(IpMiss{key}, now, out); }
  // By the guest with MAC m`guest`, behind the port of the same number.
  void query(const IpKey& target, std::uint32_t guest = 1, bool probe = false) {
    const auto source = probe ? std::nullopt : std::optional{ip(guest)};
    r.on_event(AddressQuery{IfIndex{static_cast<int>(guest)}, target, mac(guest), source}, now,
               out);
  }
  // `number` is the frame's first byte, to know it again.
  void frame(const MacKey& to, int number, std::uint32_t guest = 1, std::size_t bytes = 100) {
    punt({to, mac(guest), {}, {}}, number, bytes);
  }
  // To the router.
  void packet(const IpKey& to, int number, std::uint32_t guest = 1) {
    punt({{to.vni, kRouter}, mac(guest), {}, to.ip}, number, 100);
  }
  void punt(PuntedFrame punted, int number, std::size_t bytes) {
    punted.packets.packets.emplace_back(bytes, std::byte{0}).front() =
        static_cast<std::byte>(number);
    r.on_event(std::move(punted), now, out);
  }

  void found(const MacKey& key, std::uint32_t host, std::uint64_t revision = 1,
             std::optional<Vni> target = std::nullopt) {
    r.on_binding(MacBinding{.key = key,
                            .verdict = Verdict::kFound,
                            .host = HostId{host},
                            .target = target,
                            .revision = revision},
                 now, out);
  }
  void found(const IpKey& key, std::uint32_t owner, std::uint64_t revision = 1) {
    r.on_binding(
        IpBinding{.key = key, .verdict = Verdict::kFound, .mac = mac(owner), .revision = revision},
        now, out);
  }
  void introduced(const IpKey& key, std::uint32_t owner, std::uint64_t revision = 1) {
    r.on_binding(IpBinding{.key = key,
                           .verdict = Verdict::kFound,
                           .mac = mac(owner),
                           .revision = revision,
                           .introduced = true},
                 now, out);
  }
  void not_found(const MacKey& key, std::uint64_t revision = 1,
                 Verdict verdict = Verdict::kNotFound) {
    r.on_binding(MacBinding{.key = key, .verdict = verdict, .revision = revision, .ttl = 5000ms},
                 now, out);
  }
  void not_found(const IpKey& key, std::uint64_t revision = 1,
                 Verdict verdict = Verdict::kNotFound) {
    r.on_binding(IpBinding{.key = key, .verdict = verdict, .revision = revision, .ttl = 5000ms},
                 now, out);
  }
  // i`n` is at m`n`, that is at `host`; asked for, told, installed.
  void install(std::uint32_t n, std::uint32_t host) {
    miss(i(n));
    found(i(n), n);
    found(m(n), host);
    out.clear();
  }

  // What was decided since the last call of any of these, of one kind; the other kinds are left.
  Words asked() { return words(std::exchange(out.ask, {})); }
  Words forgot() { return words(std::exchange(out.forget, {})); }
  Words kernel() { return words(std::exchange(out.kernel, {})); }
  Words answers() { return words(std::exchange(out.answers, {})); }
  Words resends() { return words(std::exchange(out.resends, {})); }
  Words deliveries() { return words(std::exchange(out.deliveries, {})); }
  bool quiet() const { return out.empty(); }

  std::uint64_t drops(DropReason reason) const {
    return r.counters().drops[static_cast<std::size_t>(reason)];
  }

  Resolver r;
  Actions out;
  TimePoint now = TimePoint{} + 1h;
};

}  // namespace dove::agent
