#include "tests/fuzz/maker.h"

#include <algorithm>

namespace dove::fuzz {

std::string Maker::bytes() {
  const auto length = std::min<std::size_t>(choose(64), left_);
  const std::string taken{reinterpret_cast<const char*>(data_), length};
  data_ += length;
  left_ -= length;
  return taken;
}

std::string Maker::mac() {
  if (chance(16)) return bytes();
  return api::to_bytes(MacAddress{{2, 0, 0, 0, 0, static_cast<std::uint8_t>(1 + choose(6))}});
}

std::string Maker::group() {
  if (chance(16)) return bytes();
  return api::to_bytes(MacAddress{{1, 0, 0x5e, 0, 0, static_cast<std::uint8_t>(choose(4))}});
}

std::string Maker::ip() {
  if (chance(16)) return bytes();
  const auto n = choose(24);
  if (n < 16) return api::to_bytes(IpAddress::v4(0x0a010000U + (n / 8) * 0x100U + n % 8));
  return api::to_bytes(*IpAddress::parse("fe80::" + std::to_string(n - 15)));
}

std::string Maker::vtep() {
  if (chance(16)) return bytes();
  return api::to_bytes(IpAddress::v4(0xc0000200U + choose(5)));
}

std::string Maker::endpoint() { return chance(16) ? bytes() : "e" + std::to_string(choose(6)); }
std::string Maker::network() { return chance(16) ? bytes() : "n" + std::to_string(choose(3)); }

std::uint32_t Maker::vni() { return chance(16) ? choose(256) << 20U : 100 + choose(3); }

template <class Message>
bool Maker::raw(Message& message) {
  if (!chance(8)) return false;
  const auto any = bytes();
  return message.ParseFromString(any);
}

void Maker::fill(v1::Keys* keys) {
  for (auto sets = 1 + choose(2); sets > 0; --sets) {
    auto* set = keys->add_sets();
    set->set_vni(vni());
    for (auto n = choose(4); n > 0; --n) set->add_macs(mac());
    for (auto n = choose(4); n > 0; --n) set->add_ips(ip());
    if (chance(4)) set->set_asker(ip());
  }
}

void Maker::fill(v1::Hello* hello) {
  hello->set_protocol(chance(16) ? choose(4) : api::kProtocol);
  hello->set_host(chance(16) ? bytes() : "h" + std::to_string(host()));
  hello->set_vtep(vtep());
  hello->set_boot_id("b" + std::to_string(choose(2)));
  hello->set_version(chance(8) ? bytes() : "1");
}

void Maker::fill(v1::Groups* groups) {
  groups->set_vni(vni());
  groups->set_full(chance(3));
  for (auto n = choose(4); n > 0; --n) groups->add_add(group());
  for (auto n = choose(4); n > 0; --n) groups->add_remove(group());
}

void Maker::fill(v1::Request* request) {
  request->set_id(number());
  switch (choose(9)) {
    case 0:
      if (chance(2)) request->mutable_join()->set_network(network());
      return request->mutable_join()->set_vni(vni());
    case 1:
      return request->mutable_leave()->set_vni(vni());
    case 2:
      return request->mutable_prepare()->set_endpoint(endpoint());
    case 3:
      request->mutable_activate()->set_endpoint(endpoint());
      return request->mutable_activate()->set_generation(number());
    case 4:
      request->mutable_detach()->set_endpoint(endpoint());
      return request->mutable_detach()->set_generation(number());
    case 5:
      request->mutable_announce()->set_vni(vni());
      request->mutable_announce()->set_mac(mac());
      request->mutable_announce()->set_ip(ip());
      if (chance(2)) request->mutable_announce()->set_router(chance(2));
      return;
    case 6:
      request->mutable_learn()->set_vni(vni());
      request->mutable_learn()->set_mac(mac());
      for (auto n = choose(4); n > 0; --n) request->mutable_learn()->add_ips(ip());
      request->mutable_learn()->set_claimed(chance(2));
      return request->mutable_learn()->set_check(chance(4));
    case 7:
      request->mutable_unlearn()->set_vni(vni());
      request->mutable_unlearn()->set_mac(mac());
      for (auto n = choose(4); n > 0; --n) request->mutable_unlearn()->add_ips(ip());
      return;
    default:
      for (auto n = choose(3); n > 0; --n) {
        auto* set = request->mutable_keep()->add_sets();
        set->set_vni(vni());
        set->add_macs(mac());
      }
  }
}

v1::FromAgent Maker::from_agent() {
  v1::FromAgent message;
  if (raw(message)) return message;
  switch (choose(12)) {
    case 0:
      fill(message.mutable_hello());
      break;
    case 1:
    case 2:
      fill(message.mutable_ask());
      break;
    case 3:
      fill(message.mutable_forget());
      break;
    case 4:
      message.mutable_applied()->set_revision(number());
      break;
    case 5:
      fill(message.mutable_groups());
      break;
    case 6:
      message.mutable_replicate()->set_vni(vni());
      message.mutable_replicate()->set_revision(number());
      break;
    case 7:
      message.mutable_interest()->set_vni(vni());
      message.mutable_interest()->set_keys(choose(4));
      break;
    default:
      fill(message.mutable_request());
  }
  return message;
}

void Maker::fill(v1::Binding* binding, std::uint32_t vni) {
  binding->set_vni(vni);
  if (chance(2)) {
    binding->set_mac(mac());
    binding->set_host_id(host());
  } else {
    binding->set_ip(ip());
    binding->set_owner(mac());
    binding->set_router(chance(4));
  }
  binding->set_verdict(static_cast<v1::Binding::Verdict>(chance(3) ? choose(4) : 0));
  binding->set_generation(number());
  binding->set_revision(number());
  binding->set_ttl_ms(choose(256) * 100);
  binding->set_introduced(chance(4));
  if (chance(4)) binding->set_target_vni(this->vni());
}

void Maker::fill(v1::HostRecord* record) {
  record->set_id(host());
  record->set_name(chance(16) ? bytes() : "h");
  record->set_vtep(vtep());
  record->set_removed(chance(4));
}

void Maker::fill(v1::NetworkSettings* settings) {
  settings->set_vni(vni());
  settings->set_name(network());
  settings->set_tenant("t");
  settings->set_learn(chance(2));
  settings->set_revision(number());
  for (auto n = choose(3); n > 0; --n) {
    auto* subnet = chance(2) ? settings->add_denied() : settings->add_subnets();
    subnet->set_network(ip());
    subnet->set_length(chance(4) ? choose(256) : 24);
    if (chance(2)) subnet->set_gateway(ip());
  }
}

void Maker::fill(v1::Attachment* attachment) {
  attachment->set_endpoint(endpoint());
  attachment->set_vni(vni());
  attachment->set_mac(mac());
  for (auto n = choose(4); n > 0; --n) attachment->add_ips(ip());
  if (chance(4)) attachment->add_shared_ips(ip());
  attachment->set_state(static_cast<v1::Attachment::State>(choose(4)));
  attachment->set_host_id(host());
  attachment->set_generation(number());
}

void Maker::fill(v1::Replica* replica) {
  replica->set_vni(vni());
  replica->set_kind(static_cast<v1::Replica::Kind>(choose(7)));
  for (auto n = choose(5); n > 0; --n)
    fill(replica->add_bindings(), chance(16) ? vni() : replica->vni());
  if (chance(4)) fill(replica->mutable_gone());
  replica->set_after(number());
  replica->set_revision(number());
  replica->set_first(chance(2));
}

template <class List>
void Maker::fill_list(List* list) {
  list->set_vni(vni());
  list->set_full(chance(2));
  for (auto n = choose(5); n > 0; --n) list->add_add(host());
  for (auto n = choose(3); n > 0; --n) list->add_remove(host());
  list->set_revision(number());
}

v1::FromController Maker::from_controller() {
  v1::FromController message;
  if (raw(message)) return message;
  switch (choose(10)) {
    case 0:
      message.mutable_hosts()->set_full(chance(2));
      for (auto n = choose(5); n > 0; --n) fill(message.mutable_hosts()->add_hosts());
      break;
    case 1:
    case 2:
      for (auto n = choose(5); n > 0; --n) fill(message.mutable_bindings()->add_bindings(), vni());
      message.mutable_bindings()->set_revision(number());
      break;
    case 3:
      fill_list(message.mutable_flood_list());
      break;
    case 4:
      fill_list(message.mutable_group_list());
      if (!chance(4)) message.mutable_group_list()->set_group(group());
      break;
    case 5:
      fill(message.mutable_network());
      break;
    case 6:
      fill(message.mutable_lost()->mutable_attachment());
      break;
    case 7:
      fill(message.mutable_readdressed()->mutable_attachment());
      break;
    case 8:
      fill(message.mutable_replica());
      break;
    default:
      message.mutable_resync()->set_vni(chance(2) ? 0 : vni());
  }
  return message;
}

}  // namespace dove::fuzz
