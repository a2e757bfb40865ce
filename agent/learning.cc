#include "agent/learning.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/link_local.h"

namespace dove::agent {
namespace {

bool contains(const std::vector<IpAddress>& ips, const IpAddress& ip) {
  return std::find(ips.begin(), ips.end(), ip) != ips.end();
}

void erase_past(auto& until, TimePoint now) {
  std::erase_if(until, [&](const auto& one) { return one.second <= now; });
}

}  // namespace

Learning::Learning(Directory& directory, LearningHost& host, const Times& times)
    : directory_{directory}, host_{host}, times_{times} {}

// --- what there is

void Learning::restore(const std::vector<SavedGuest>& guests, TimePoint now) {
  now_ = now;
  for (const auto& saved : guests) {
    auto& port = ports_.try_emplace(saved.dev, Port{saved.vni, {}, {}, {}, {}}).first->second;
    if (!places_.emplace(MacKey{saved.vni, saved.mac}, saved.dev).second) continue;
    auto& guest = port.guests[saved.mac];
    take(guest,
         {.endpoint = saved.endpoint,
          .vni = saved.vni,
          .mac = saved.mac,
          .ips = saved.ips,
          .generation = saved.generation},
         now);
    guest.heard = now;
    guest.let_in = true;
  }
}

void Learning::add_port(const std::string& dev, Vni vni, const std::optional<MacAddress>& own) {
  ports_.try_emplace(dev, Port{vni, {}, {}, {}, {}}).first->second.own = own;
}

void Learning::remove_port(const std::string& dev) {
  const auto found = ports_.find(dev);
  if (found == ports_.end()) return;
  const auto port = std::move(found->second);
  ports_.erase(found);
  for (const auto& [mac, guest] : port.guests) {
    const MacKey key{port.vni, mac};
    places_.erase(key);
    if (guest.let_in) host_.set_learned_local(dev, key, false);
    if (guest.known()) forgetting_.forget(key, {});
  }
  if (!port.guests.empty()) host_.on_learned(dev);
}

void Learning::set_network(const NetworkSettings& settings, const MacAddress& router) {
  networks_.insert_or_assign(settings.vni, Network{settings.learn, settings.subnets, router});
}

bool Learning::learns(const Port& port) const {
  const auto network = networks_.find(port.vni);
  return network != networks_.end() && network->second.learns;
}

bool Learning::is_gateway(const Port& port, const IpAddress& ip) const {
  const auto& subnets = networks_.at(port.vni).subnets;
  return std::any_of(subnets.begin(), subnets.end(),
                     [&](const Subnet& subnet) { return subnet.gateway == ip; });
}

bool Learning::may_learn(const IpKey& address) const {
  const auto network = networks_.find(address.vni);
  const auto& ip = address.ip;
  if (network == networks_.end() || !network->second.learns || !ip.is_assignable()) return false;
  return std::any_of(
      network->second.subnets.begin(), network->second.subnets.end(), [&](const Subnet& subnet) {
        return subnet.prefix.contains(ip) && !subnet.prefix.is_reserved(ip) && subnet.gateway != ip;
      });
}

// --- what is heard

void Learning::heard(const std::string& dev, const GuestHeard& heard, TimePoint now) {
  now_ = now;
  Port* const port = find_port(dev);
  const auto& mac = heard.guest.mac;
  if (port == nullptr || !learns(*port) || port->own == mac) return;
  if (mac == networks_.at(port->vni).router) {
    ++port->counters.refused;
    return host_.on_refused(dev, fmt::format("MAC {} is that of every gateway", mac.to_string()));
  }
  Entry* guest = find_entry(dev, mac);
  if (guest == nullptr) guest = admit(dev, *port, heard, now);
  if (guest != nullptr) hear(dev, *port, *guest, heard, now);
}

// Room for one more, if there is.
Learning::Entry* Learning::admit(const std::string& dev, Port& port, const GuestHeard& heard,
                                 TimePoint now) {
  const auto& mac = heard.guest.mac;
  if (!directory_.connected()) return nullptr;
  if (is_refused(port, mac, now)) {
    ++port.counters.refused;
    return nullptr;
  }
  if (port.guests.size() >= kPerPort || port.refused.size() >= kRefusedPerPort) {
    ++port.counters.over_bound;
    return nullptr;
  }
  take_from_other(dev, {port.vni, mac}, now);
  places_.insert_or_assign(MacKey{port.vni, mac}, dev);
  return &port.guests[mac];
}

bool Learning::is_refused(Port& port, const MacAddress& mac, TimePoint now) {
  if (port.refused.size() >= kRefusedPerPort) erase_past(port.refused, now);
  const auto refused = port.refused.find(mac);
  if (refused == port.refused.end()) return false;
  if (now < refused->second) return true;
  port.refused.erase(refused);
  return false;
}

// It has moved here from another port of this host; its endpoint stays the same.
void Learning::take_from_other(const std::string& dev, const MacKey& guest, TimePoint now) {
  const auto place = places_.find(guest);
  if (place == places_.end() || place->second == dev) return;
  const std::string other = place->second;
  auto& port = ports_.at(other);
  ++port.counters.moved;
  port.refused[guest.mac] = now + times_.moved;
  drop(other, port, guest.mac);
}

void Learning::hear(const std::string& dev, Port& port, Entry& guest, const GuestHeard& heard,
                    TimePoint now) {
  guest.heard = now;
  guest.probes = 0;
  const bool usable = heard.ip && may_have(port, *heard.ip);
  if (heard.ip && heard.claimed && is_gateway(port, *heard.ip)) {
    ++port.counters.refused;
    host_.on_refused(dev, fmt::format("IP {} is a gateway's", heard.ip->to_string()));
  }
  const auto address = usable ? guest.addresses.find(*heard.ip) : guest.addresses.end();
  if (address != guest.addresses.end()) address->second = {now};
  if (heard.tentative && may_have(port, *heard.tentative) &&
      guest.tentative.size() < kAddressesPerGuest)
    guest.tentative.insert_or_assign(*heard.tentative, now);
  const bool own = address != guest.addresses.end() || (heard.ip && is_implicit(*heard.ip));
  if (!heard.held.empty() && guest.known() && own) return host_.say_again(heard);
  if (!usable || own) {
    if (guest.known()) return;
    hold(guest, heard);
    return want(dev, heard.guest.mac, guest, std::nullopt, false);
  }
  erase_past(guest.refused, now);
  if (guest.refused.contains(*heard.ip)) {
    ++port.counters.refused;
  } else if (guest.addresses.size() >= kAddressesPerGuest ||
             guest.refused.size() >= kAddressesPerGuest) {
    ++port.counters.over_bound;
  } else {
    hold(guest, heard);
    want(dev, heard.guest.mac, guest, heard.ip, heard.claimed);
  }
}

// Until somebody has been asked whether it may be said.
void Learning::hold(Entry& guest, const GuestHeard& heard) {
  if (!heard.held.empty() && guest.held.size() < kHeldPerGuest) guest.held.push_back(heard);
}

void Learning::want(const std::string& dev, const MacAddress& mac, Entry& guest,
                    const std::optional<IpAddress>& ip, bool claimed) {
  if (std::exchange(guest.under_way, true)) {
    if (ip) guest.wanted_claimed = claimed;
    if (ip) guest.wanted = ip;
    return;
  }
  const MacKey key{find_port(dev)->vni, mac};
  Directory::Heard heard{.ips = {}, .claimed = claimed, .check = true};
  if (ip) heard.ips.push_back(*ip);
  directory_.learn(key, heard, [this, dev, key, heard](const Result<Attachment>& answer) {
    checked(dev, key, heard, answer);
  });
}

// --- what the controller says

// The guest, if the answer lets it go on.
Learning::Entry* Learning::still_there(const std::string& dev, const MacKey& key,
                                       const Result<Attachment>& answer) {
  Entry* const guest = find_entry(dev, key.mac);
  if (guest == nullptr || answer) return guest;
  guest->under_way = false;
  guest->offered.reset();
  guest->held.clear();
  if (answer.error().code != ErrorCode::kUnavailable)
    refuse(dev, *find_port(dev), key, answer.error());
  else if (!guest->known())
    drop(dev, *find_port(dev), key.mac);
  return nullptr;
}

// The way is opened first, and then it is told.
void Learning::checked(const std::string& dev, const MacKey& key, Directory::Heard heard,
                       const Result<Attachment>& answer) {
  Entry* const guest = still_there(dev, key, answer);
  if (guest == nullptr) return;
  const auto ip = heard.ips.empty() ? std::nullopt : std::optional{heard.ips.front()};
  if (ip && !contains(answer->ips, *ip)) {
    refuse_address(dev, *find_port(dev), *guest, *ip);
    if (guest->known()) return next(dev, key, *guest);
    heard.ips.clear();
  } else {
    guest->offered = ip;
  }
  if (!std::exchange(guest->let_in, true)) host_.set_learned_local(dev, key, true);
  heard.check = false;
  host_.let_in(dev, [this, dev, key, heard] {
    if (find_entry(dev, key.mac) == nullptr) return;
    const auto asked = heard.ips.empty() ? std::nullopt : std::optional{heard.ips.front()};
    directory_.learn(key, heard, [this, dev, key, asked](const Result<Attachment>& done) {
      answered(dev, key, asked, done);
    });
  });
}

void Learning::answered(const std::string& dev, const MacKey& key,
                        const std::optional<IpAddress>& ip, const Result<Attachment>& answer) {
  if (answer && !places_.contains(key))  // it went meanwhile
    forgetting_.forget(key, {});
  Entry* const guest = still_there(dev, key, answer);
  if (guest == nullptr) return;
  auto& port = *find_port(dev);
  if (!guest->known()) ++port.counters.learned;
  guest->offered.reset();
  take(*guest, *answer, now_);
  if (ip && !contains(guest->ips, *ip)) {
    refuse_address(dev, port, *guest, *ip);
    changed(dev);
  }
  say_held(port, *guest);
  host_.on_learned(dev);
  next(dev, key, *guest);
}

// What it said before it was let in, as far as it may. With an address that is yet to be asked for,
// it waits.
void Learning::say_held(const Port& port, Entry& guest) {
  for (auto& held : std::exchange(guest.held, {})) {
    if (!held.ip || is_implicit(*held.ip) || contains(guest.ips, *held.ip))
      host_.say_again(held);
    else if (may_ask(port, guest, *held.ip))
      guest.held.push_back(std::move(held));
  }
}

bool Learning::may_ask(const Port& port, const Entry& guest, const IpAddress& ip) const {
  return may_have(port, ip) && !contains(guest.ips, ip) && !guest.refused.contains(ip) &&
         guest.addresses.size() < kAddressesPerGuest;
}

void Learning::refuse_address(const std::string& dev, Port& port, Entry& guest,
                              const IpAddress& ip) {
  guest.refused[ip] = now_ + times_.refusal;
  std::erase_if(guest.held, [&](const auto& held) { return held.ip == ip; });
  ++port.counters.refused;
  host_.on_refused(dev, fmt::format("IP {} is another's", ip.to_string()));
}

// An address that was heard while another was under way: that of a frame that waits for it first.
void Learning::next(const std::string& dev, const MacKey& key, Entry& guest) {
  guest.under_way = false;
  const Port& port = *find_port(dev);
  const auto wanted = std::exchange(guest.wanted, std::nullopt);
  const bool still = wanted && may_ask(port, guest, *wanted);
  const auto waiting = std::find_if(guest.held.begin(), guest.held.end(), [&](const auto& held) {
    return held.ip && held.ip != wanted && may_ask(port, guest, *held.ip);
  });
  if (waiting != guest.held.end()) {
    if (still) guest.wanted = wanted;
    return want(dev, key.mac, guest, waiting->ip, waiting->claimed);
  }
  if (still) want(dev, key.mac, guest, wanted, guest.wanted_claimed);
}

void Learning::refuse(const std::string& dev, Port& port, const MacKey& key, const Error& why) {
  port.refused[key.mac] = now_ + times_.refusal;
  ++port.counters.refused;
  host_.on_refused(dev, why.message);
  drop(dev, port, key.mac);
}

// It has these addresses, and no others.
void Learning::take(Entry& guest, const Attachment& now_known, TimePoint now) {
  guest.endpoint = now_known.endpoint;
  guest.generation = now_known.generation;
  guest.ips = now_known.ips;
  for (const auto& ip : guest.ips)
    if (!is_implicit(ip)) guest.addresses.try_emplace(ip, Address{now});
  std::erase_if(guest.addresses,
                [&](const auto& address) { return !contains(guest.ips, address.first); });
}

void Learning::changed(const std::string& dev) {
  host_.let_in(dev, [] {});
  host_.on_learned(dev);
}

void Learning::drop(const std::string& dev, Port& port, const MacAddress& mac) {
  const auto found = port.guests.find(mac);
  if (found == port.guests.end()) return;
  const bool was_in = found->second.let_in;
  port.guests.erase(found);
  places_.erase(MacKey{port.vni, mac});
  if (!was_in) return;
  host_.set_learned_local(dev, {port.vni, mac}, false);
  changed(dev);
}

void Learning::on_session_ready(bool these_are_all) {
  std::vector<MacKey> keys;
  for (const auto& [key, dev] : places_) keys.push_back(key);
  if (these_are_all) directory_.keep(keys, [](const Status&) {});
  for (const auto& key : keys) {
    const auto dev = places_.at(key);
    if (find_entry(dev, key.mac)->known()) confirm(dev, key);
  }
}

// Whether it still is this host's. A controller that does not know it learns of it again.
void Learning::confirm(const std::string& dev, const MacKey& key) {
  const auto name = find_entry(dev, key.mac)->endpoint;
  directory_.prepare(name, [this, dev, key, name](const Result<Directory::Prepared>& reply) {
    Entry* const guest = find_entry(dev, key.mac);
    if (guest == nullptr || guest->endpoint != name || guest->under_way) return;
    if (!reply && reply.error().code == ErrorCode::kUnavailable) return;
    const bool ours = reply && reply->attachment.state == Attachment::State::kActive &&
                      reply->attachment.host == host_.self() && reply->attachment.mac == key.mac;
    if (ours) {
      const bool same = guest->ips == reply->attachment.ips;
      take(*guest, reply->attachment, now_);
      return same ? void() : changed(dev);
    }
    if (reply) {
      auto& port = *find_port(dev);
      ++port.counters.moved;
      port.refused[key.mac] = now_ + times_.moved;
      return drop(dev, port, key.mac);
    }
    Directory::Heard heard;
    for (const auto& [ip, address] : guest->addresses) heard.ips.push_back(ip);
    guest->under_way = true;
    directory_.learn(key, heard, [this, dev, key](const Result<Attachment>& answer) {
      answered(dev, key, std::nullopt, answer);
    });
  });
}

bool Learning::on_lost(const Attachment& attachment, TimePoint now) {
  now_ = now;
  const MacKey key{attachment.vni, attachment.mac};
  const auto place = places_.find(key);
  if (place == places_.end()) return false;
  const std::string dev = place->second;
  auto& port = ports_.at(dev);
  const auto& guest = port.guests.at(key.mac);
  if (guest.endpoint != attachment.endpoint) return false;
  const bool active = attachment.state == Attachment::State::kActive;
  if ((active && attachment.host == host_.self()) || attachment.generation < guest.generation)
    return true;
  if (active) ++port.counters.moved;
  port.refused[key.mac] = now + times_.moved;
  drop(dev, port, key.mac);
  return true;
}

bool Learning::on_readdressed(const Attachment& attachment) {
  const auto place = places_.find(MacKey{attachment.vni, attachment.mac});
  if (place == places_.end()) return false;
  auto& guest = *find_entry(place->second, attachment.mac);
  if (guest.endpoint != attachment.endpoint) return false;
  if (attachment.generation < guest.generation || guest.ips == attachment.ips) return true;
  for (const auto& ip : guest.ips)
    if (!contains(attachment.ips, ip)) guest.refused[ip] = now_ + times_.moved;
  take(guest, attachment, now_);
  changed(place->second);
  return true;
}

// --- time

void Learning::active(const std::string& dev, const MacAddress& mac,
                      const std::optional<IpAddress>& ip, TimePoint now) {
  Entry* const guest = find_entry(dev, mac);
  if (guest == nullptr) return;
  guest->heard = now;
  guest->probes = 0;
  if (!ip) return;
  if (const auto address = guest->addresses.find(*ip); address != guest->addresses.end())
    address->second = {now};
}

// Without a controller nobody could be let in again.
void Learning::on_time(TimePoint now) {
  now_ = now;
  if (!directory_.connected()) return;
  forgetting_.on_time(now, [this](const MacKey& key, const std::optional<IpAddress>& ip) {
    const auto place = places_.find(key);
    if (place == places_.end()) return false;
    const Entry* const guest = find_entry(place->second, key.mac);
    return !ip || guest->under_way || contains(guest->ips, *ip);
  });
  for (auto& [dev, port] : ports_) age(dev, port, now);
}

void Learning::age(const std::string& dev, Port& port, TimePoint now) {
  std::vector<MacAddress> gone;
  bool some = false;
  for (auto& [mac, guest] : port.guests) {
    if (!guest.known() || guest.under_way) continue;
    const MacKey key{port.vni, mac};
    ask_tentative(dev, key, guest, now);
    const auto addresses = gone_addresses(dev, key, guest, now);
    if (addresses.size() == guest.addresses.size() && is_gone(dev, key, guest, now)) {
      gone.push_back(mac);
    } else if (!addresses.empty()) {
      forgetting_.forget(key, addresses);
      for (const auto& ip : addresses) guest.addresses.erase(ip);
      std::erase_if(guest.ips, [&](const auto& ip) { return contains(addresses, ip); });
      some = true;
    }
  }
  if (some) changed(dev);
  port.counters.aged += gone.size();
  for (const auto& mac : gone) {
    forgetting_.forget({port.vni, mac}, {});
    drop(dev, port, mac);
  }
}

// Its answer, if it took the address, is the first that is heard of it.
void Learning::ask_tentative(const std::string& dev, const MacKey& key, Entry& guest,
                             TimePoint now) {
  std::erase_if(guest.tentative, [&](const auto& one) {
    if (now - one.second < kDetection) return false;
    if (!guest.addresses.contains(one.first)) host_.probe(dev, key, one.first);
    return true;
  });
}

// Those that were silent and did not answer. Who is silent is asked.
std::vector<IpAddress> Learning::gone_addresses(const std::string& dev, const MacKey& key,
                                                Entry& guest, TimePoint now) {
  std::vector<IpAddress> gone;
  for (auto& [ip, address] : guest.addresses) {
    if (now - address.heard < times_.ageing) continue;
    if (address.probes >= kProbes)
      gone.push_back(ip);
    else if (++address.probes; true)
      host_.probe(dev, key, ip);
  }
  return gone;
}

// Who has no other address is asked for its link-local one.
bool Learning::is_gone(const std::string& dev, const MacKey& key, Entry& guest, TimePoint now) {
  if (now - guest.heard < times_.ageing) return false;
  if (!guest.addresses.empty() || guest.probes >= kProbes) return true;
  ++guest.probes;
  for (const auto& ip : guest.ips) host_.probe(dev, key, ip);
  host_.probe(dev, key, link_local_of(key.mac));
  return false;
}

// --- to show

Learning::Port* Learning::find_port(const std::string& dev) {
  const auto found = ports_.find(dev);
  return found == ports_.end() ? nullptr : &found->second;
}

Learning::Entry* Learning::find_entry(const std::string& dev, const MacAddress& mac) {
  Port* const port = find_port(dev);
  if (port == nullptr) return nullptr;
  const auto found = port->guests.find(mac);
  return found == port->guests.end() ? nullptr : &found->second;
}

std::map<MacAddress, std::vector<IpAddress>> Learning::let_in(const std::string& dev) const {
  std::map<MacAddress, std::vector<IpAddress>> all;
  const auto port = ports_.find(dev);
  if (port == ports_.end()) return all;
  for (const auto& [mac, guest] : port->second.guests) {
    if (!guest.let_in) continue;
    auto& ips = all[mac] = guest.ips;
    if (guest.offered && !contains(ips, *guest.offered)) ips.push_back(*guest.offered);
  }
  return all;
}

std::size_t Learning::count(const std::string& dev) const {
  const auto port = ports_.find(dev);
  if (port == ports_.end()) return 0;
  return static_cast<std::size_t>(
      std::count_if(port->second.guests.begin(), port->second.guests.end(),
                    [](const auto& one) { return one.second.known(); }));
}

const std::string* Learning::port_of(const MacKey& guest) const {
  const auto place = places_.find(guest);
  return find(guest) == nullptr ? nullptr : &place->second;
}

const Learning::Guest* Learning::find(const MacKey& guest) const {
  const auto place = places_.find(guest);
  if (place == places_.end()) return nullptr;
  const auto& entry = ports_.at(place->second).guests.at(guest.mac);
  return entry.known() ? &entry : nullptr;
}

std::map<std::string, Learning::Counters> Learning::counters() const {
  std::map<std::string, Counters> all;
  for (const auto& [dev, port] : ports_)
    if (learns(port) || !port.guests.empty()) all.emplace(dev, port.counters);
  return all;
}

std::vector<SavedGuest> Learning::state() const {
  std::vector<SavedGuest> all;
  for (const auto& [dev, port] : ports_)
    for (const auto& [mac, guest] : port.guests)
      if (guest.known())
        all.push_back({.dev = dev,
                       .endpoint = guest.endpoint,
                       .vni = port.vni,
                       .mac = mac,
                       .ips = guest.ips,
                       .generation = guest.generation});
  return all;
}

}  // namespace dove::agent
